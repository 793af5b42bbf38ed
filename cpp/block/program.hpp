// The interpreter of programs: every thread of the first group runs all instructions at its sample.
// So the operation is the same for all threads, and a register holds one number a thread.
#pragma once

#include "block/tile.hpp"
#include "kanml/program.hpp"
#include "point/operations.hpp"

namespace kanml::block {

template <class T>
struct ProgramView {
  const Instruction* instructions;
  int n_instructions;
  const T* constants;
  int n_constants;
  int n_inputs;
  const std::int32_t* outputs;
};

// The registers of all samples, in shared memory. No thread touches those of another.
template <class Array>
struct Registers {
  Array numbers;  // (n_registers, samples)
  int samples;

  KANML_DEVICE decltype(auto) operator()(int r, int s) const {
    return numbers[index{r} * samples + s];
  }
};
template <class Array>
Registers(Array, int) -> Registers<Array>;

template <class T, class Block>
KANML_DEVICE auto registers_of(Block& block, int n_registers, const Team& team) {
  return Registers{block.template shared<T>("registers", index{n_registers} * team.samples),
                   team.samples};
}

template <class T, std::size_t Arity, class Array, class F>
[[gnu::always_inline]] KANML_DEVICE inline void apply(const Registers<Array>& registers,
                                                      const Instruction& instruction, int s,
                                                      const F& f) {
  T a[3];
  for (std::size_t i = 0; i < Arity; ++i) a[i] = registers(instruction.arguments[i], s);
  if constexpr (Arity == 1) registers(instruction.result, s) = f(a[0]);
  if constexpr (Arity == 2) registers(instruction.result, s) = f(a[0], a[1]);
  if constexpr (Arity == 3) registers(instruction.result, s) = f(a[0], a[1], a[2]);
}

// The instructions at one sample; its inputs are in the first registers.
template <class T, class Array>
[[gnu::noinline]] KANML_DEVICE void run_program(const ProgramView<T>& program,
                                                const Registers<Array>& registers, int s) {
  for (int i = 0; i < program.n_constants; ++i) {
    registers(program.n_inputs + i, s) = program.constants[i];
  }
  for (int i = 0; i < program.n_instructions; ++i) {
    const Instruction& instruction = program.instructions[i];
    switch (instruction.operation) {
#define KANML_CASE(name, arity)                                               \
  case Operation::name:                                                       \
    apply<T, arity>(registers, instruction, s,                                \
                    [](auto... a) { return point::operations::name(a...); }); \
    break;
      KANML_FOR_EACH_OPERATION(KANML_CASE)
#undef KANML_CASE
    }
  }
}

// A program on arrays: the thread of a sample owns its results.
template <class T>
struct RunProgram {
  ProgramView<T> program;
  int n_outputs;
  int n_registers;
  index n;
  const T* const* inputs;  // (n_inputs): (n) each
  T* const* results;       // (n_outputs): (n) each
  Team team;               // of one group
  int blocks;
  int threads = team.threads();

  template <class Block>
  KANML_DEVICE auto memory(Block& block) const {
    return registers_of<T>(block, n_registers, team);
  }

  template <class Block>
  KANML_DEVICE void operator()(Block& block) const {
    const auto registers = memory(block);
    for (index t = block.number(); t < n_tiles(n, team); t += block.blocks()) {
      const Tile tile = tile_at(t, n, team);
      phase_of_samples(block, team, tile, [&](int s, int /*group*/) {
        const index sample = tile.first + s;
        for (int i = 0; i < program.n_inputs; ++i) registers(i, s) = inputs[i][sample];
        run_program(program, registers, s);
        for (int i = 0; i < n_outputs; ++i) {
          results[i][sample] = registers(program.outputs[i], s);
        }
      });
    }
  }
};

}  // namespace kanml::block
