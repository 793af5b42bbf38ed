// The interpreter of programs: each instruction is one loop over the samples of a tile.
#pragma once

#include <cstddef>
#include <type_traits>
#include <utility>

#include "kernels/calls.hpp"
#include "point/operations.hpp"
#include "simd/mathematics.hpp"
#include "simd/vectors.hpp"

namespace kanml::kernels::inline KANML_TARGET {

namespace operations {

using namespace point::operations;

// The elementary functions of vectors.
template <class V>
concept AnyVector = !std::is_arithmetic_v<V>;

template <AnyVector V>
V exp(V a) {
  return kernels::exp(a);
}
template <AnyVector V>
V expm1(V a) {
  return kernels::expm1(a);
}
template <AnyVector V>
V log(V a) {
  return kernels::log(a);
}
template <AnyVector V>
V log1p(V a) {
  return kernels::log1p(a);
}
template <AnyVector V>
V sin(V a) {
  return kernels::sin(a);
}
template <AnyVector V>
V cos(V a) {
  return kernels::cos(a);
}
template <AnyVector V>
V tanh(V a) {
  return kernels::tanh(a);
}
template <AnyVector V>
V logaddexp(V a, V b) {
  return point::operations::logaddexp(a, b, V(kernels::log1p(kernels::exp(-absolute(a - b)))));
}

}  // namespace operations

// Runs f, an operation, on all samples: on full vectors if it takes them, else on single numbers.
template <class T, std::size_t Arity, class F>
[[gnu::noinline]] void apply(const ProgramCall<T>& call, const Instruction& instruction, F f) {
  T* const result = call.registers[instruction.result];
  const T* arguments[Arity];
  for (std::size_t i = 0; i < Arity; ++i) arguments[i] = call.registers[instruction.arguments[i]];
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    if constexpr (std::is_invocable_v<F, decltype((static_cast<void>(I), FullVector<T>{}))...>) {
      constexpr int lanes = full_lanes<T>;
      static_assert(tile_size % lanes == 0);
      for (int s = 0; s < call.samples; s += lanes) {
        store<lanes>(result + s, f(FullVector<T>(load<lanes>(arguments[I] + s))...));
      }
    } else {
      for (int s = 0; s < call.samples; ++s) result[s] = f(arguments[I][s]...);
    }
  }(std::make_index_sequence<Arity>{});
}

template <class T>
void run_program(const ProgramCall<T>& call) {
  for (const Instruction& instruction : call.instructions) {
    switch (instruction.operation) {
#define KANML_CASE(name, arity)                         \
  case Operation::name:                                 \
    apply<T, arity>(                                    \
        call, instruction,                              \
        [](auto... a)                                   \
          requires requires { operations::name(a...); } \
        { return operations::name(a...); });            \
    break;
      KANML_FOR_EACH_OPERATION(KANML_CASE)
#undef KANML_CASE
    }
  }
}

}  // namespace kanml::kernels::inline KANML_TARGET
