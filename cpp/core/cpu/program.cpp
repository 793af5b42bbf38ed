#include "kanml/program.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>

#include "core/cpu/registers.hpp"
#include "core/cpu/workspace.hpp"
#include "core/runtime/active_kernels.hpp"
#include "core/runtime/parallel.hpp"

namespace kanml {

namespace {

int arity(Operation operation) {
  switch (operation) {
#define KANML_CASE(name, n_arguments) \
  case Operation::name:               \
    return n_arguments;
    KANML_FOR_EACH_OPERATION(KANML_CASE)
#undef KANML_CASE
  }
  throw std::invalid_argument("an instruction has no operation of number " +
                              std::to_string(static_cast<int>(operation)));
}

class Validation {
 public:
  // No program needs more registers than this.
  Validation(index n_set, std::size_t n_instructions)
      : n_set_(n_set),
        written_(static_cast<std::size_t>(n_set) + n_instructions, false),
        n_registers_(n_set) {
    std::fill_n(written_.begin(), n_set, true);
  }

  void instruction(std::size_t place, const Instruction& instruction) {
    const std::string what = "instruction " + std::to_string(place);
    const int expected = arity(instruction.operation);
    for (int i = 0; i < 3; ++i) {
      const index argument = instruction.arguments[static_cast<std::size_t>(i)];
      if (i < expected) {
        read(what, argument);
      } else if (argument != -1) {
        throw std::invalid_argument(what + " takes " + std::to_string(expected) +
                                    " arguments, got register " + std::to_string(argument) +
                                    " as another");
      }
    }
    write(what, instruction.result);
  }

  void read(const std::string& what, index r) const {
    require_exists(what + " reads", r);
    if (!written_[static_cast<std::size_t>(r)]) {
      throw std::invalid_argument(what + " reads register " + std::to_string(r) +
                                  " before it is written");
    }
  }

  int n_registers() const { return static_cast<int>(n_registers_); }

 private:
  void write(const std::string& what, index r) {
    require_exists(what + " writes to", r);
    if (r < n_set_) {
      throw std::invalid_argument(what + " writes to register " + std::to_string(r) +
                                  ", an input or a constant; results begin at " +
                                  std::to_string(n_set_));
    }
    written_[static_cast<std::size_t>(r)] = true;
    n_registers_ = std::max(n_registers_, r + 1);
  }

  void require_exists(const std::string& what, index r) const {
    if (r < 0 || r >= static_cast<index>(written_.size())) {
      throw std::invalid_argument(what + " register " + std::to_string(r) + ", expected 0 to " +
                                  std::to_string(written_.size() - 1));
    }
  }

  index n_set_;  // inputs and constants
  std::vector<bool> written_;
  index n_registers_;
};

}  // namespace

Program::Program(int n_inputs, std::vector<double> constants, std::vector<Instruction> instructions,
                 std::vector<std::int32_t> outputs)
    : n_inputs_(n_inputs),
      constants_(std::move(constants)),
      instructions_(std::move(instructions)),
      outputs_(std::move(outputs)) {
  constexpr std::size_t most = 1'000'000;  // of each, so that registers can be counted in an int
  if (n_inputs < 0 || static_cast<std::size_t>(n_inputs) > most || constants_.size() > most ||
      instructions_.size() > most) {
    throw std::invalid_argument("a program of " + std::to_string(n_inputs) + " inputs, " +
                                std::to_string(constants_.size()) + " constants and " +
                                std::to_string(instructions_.size()) +
                                " instructions, expected 0 to " + std::to_string(most) +
                                " of each");
  }
  Validation validation(n_inputs + static_cast<index>(constants_.size()), instructions_.size());
  for (std::size_t i = 0; i < instructions_.size(); ++i) {
    validation.instruction(i, instructions_[i]);
  }
  for (std::size_t i = 0; i < outputs_.size(); ++i) {
    validation.read("output " + std::to_string(i), outputs_[i]);
  }
  n_registers_ = validation.n_registers();
}

template <class T>
void Program::run(index n, std::span<const std::span<const T>> inputs,
                  std::span<const std::span<T>> outputs, int requested) const {
  const kernels::Table<T>& kernels = active_kernels<T>();
  constexpr index serial_work = 50'000;  // instructions below which waking threads does not pay
  const index work = n * static_cast<index>(instructions_.size());
  const int threads = work < serial_work ? 1 : team_size(requested, n_tiles(n));
  const ThreadBuffer memory(threads, Registers<T>::bytes(*this));
  std::vector<Registers<T>> of_threads;
  for (int thread = 0; thread < threads; ++thread) {
    Registers<T>& registers = of_threads.emplace_back(*this, memory.of(thread));
    for (int i = 0; i < n_inputs_; ++i) {
      const std::span<const T> input = inputs[static_cast<std::size_t>(i)];
      if (input.size() == 1) registers.fill(i, input[0]);
    }
  }
  parallel_for(threads, n_tiles(n), [&](index t, int thread) {
    const Tile tile = tile_at(t, n);
    Registers<T>& registers = of_threads[static_cast<std::size_t>(thread)];
    for (int i = 0; i < n_inputs_; ++i) {
      const std::span<const T> input = inputs[static_cast<std::size_t>(i)];
      if (input.size() != 1) registers.set(i, input.data() + tile.first, tile.samples);
    }
    registers.run(kernels, tile.samples);
    for (std::size_t o = 0; o < outputs_.size(); ++o) {
      std::copy_n(registers[outputs_[o]], tile.samples, outputs[o].data() + tile.first);
    }
  });
}

#define KANML_INSTANTIATE(T)                                                \
  template void Program::run<T>(index, std::span<const std::span<const T>>, \
                                std::span<const std::span<T>>, int) const;
KANML_INSTANTIATE(float)
KANML_INSTANTIATE(double)
#undef KANML_INSTANTIATE

}  // namespace kanml
