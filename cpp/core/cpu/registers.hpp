// The registers of a program for one tile.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "kanml/program.hpp"
#include "kernels/table.hpp"

namespace kanml {

// Pointers to all registers, each tile_size numbers. They lie in memory of the caller, one behind
// the other; an input may lie elsewhere instead. The registers of one thread serve tile after tile.
template <class T>
class Registers {
 public:
  static std::size_t bytes(const Program& program) {
    return static_cast<std::size_t>(program.n_registers()) * kernels::tile_size * sizeof(T);
  }

  // `memory` holds bytes(program), aligned to a cache line. The constants are set here.
  Registers(const Program& program, void* memory)
      : program_(program), memory_(static_cast<T*>(memory)) {
    for (int r = 0; r < program.n_registers(); ++r) pointers_.push_back(own(r));
    int next = program.n_inputs();
    for (const double constant : program.constants()) fill(next++, static_cast<T>(constant));
  }

  // The memory of a register here, also of one that is redirected.
  T* own(int r) const { return memory_ + static_cast<index>(r) * kernels::tile_size; }
  const T* operator[](int r) const { return pointers_[static_cast<std::size_t>(r)]; }

  // The same number for all samples of all tiles.
  void fill(int r, T value) { std::fill_n(own(r), kernels::tile_size, value); }

  // Lets instructions read an input elsewhere: tile_size numbers.
  void redirect(int input, const T* numbers) {
    // Registers are writable, but no instruction writes to an input.
    pointers_[static_cast<std::size_t>(input)] = const_cast<T*>(numbers);
  }

  // Gives an input the numbers of `samples` samples: a whole tile is read where it lies.
  void set(int input, const T* numbers, int samples) {
    const bool whole = samples == kernels::tile_size;
    if (!whole) std::copy_n(numbers, samples, own(input));
    redirect(input, whole ? numbers : own(input));
  }

  void run(const kernels::Table<T>& kernels, int samples) const {
    kernels.run_program({samples, program_.instructions(), pointers_.data()});
  }

 private:
  const Program& program_;
  T* memory_;
  std::vector<T*> pointers_;
};

}  // namespace kanml
