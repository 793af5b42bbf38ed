// Reductions in shared memory.
#pragma once

#include "point/device.hpp"

namespace kanml::block {

// A NaN is larger than any number.
KANML_DEVICE inline double larger(double a, double b) { return b > a || b != b ? b : a; }

// values[0] = values[0] + ... + values[count - 1], or what else `combine` does with two numbers.
// The order is that of a binary tree over the count alone; the other values become partial results.
template <class T, class Block, class Array, class Combine>
KANML_DEVICE void reduce(Block& block, const Array& values, int count, const Combine& combine) {
  int half = 1;
  while (2 * half < count) half *= 2;
  for (; half > 0 && count > 1; half /= 2) {
    block.phase([&](int thread) {
      for (int i = thread; i < half && i + half < count; i += block.threads()) {
        values[i] = combine(T(values[i]), T(values[i + half]));
      }
    });
    count = half;
  }
}

}  // namespace kanml::block
