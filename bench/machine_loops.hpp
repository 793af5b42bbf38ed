// The loops that machine.cpp measures with. They are compiled once for each instruction set, like
// the kernels of the library, each time into a namespace with the name of the set.
#pragma once

#include <cstddef>
#include <cstdint>

namespace bench {

template <class T>
struct MultiplyAddLoop {
  // x <- x / 2 + 1 in every lane, from 0 until it stands at its fixed point 2. Returns the sum of
  // the lanes.
  T (*run)(std::int64_t steps);
  std::size_t lanes;
};

struct MachineLoops {
  MultiplyAddLoop<float> float_multiply_add;
  MultiplyAddLoop<double> double_multiply_add;
  // Sums numbers over and over. They begin at a multiple of 64 bytes, and there are a multiple of
  // numbers_a_block of them.
  double (*sum)(const double* numbers, std::size_t n, std::int64_t passes);
};

inline constexpr std::size_t numbers_a_block = 96;

}  // namespace bench
