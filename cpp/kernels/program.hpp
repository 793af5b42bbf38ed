// The interpreter of programs: each instruction is one loop over the samples of a tile.
//
// The operations do what NumPy's functions of the same names do, also with NaN, infinities and
// signed zeros. Those in terms of vectors take a vector V; the others take single numbers and call
// the C library.
#pragma once

#include <bit>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <limits>
#include <numbers>
#include <type_traits>
#include <utility>

#include "kernels/calls.hpp"
#include "simd/mathematics.hpp"
#include "simd/vectors.hpp"

namespace kanml::kernels::inline KANML_TARGET {

namespace operations {

template <class V>
concept AnyVector = !std::is_arithmetic_v<V>;
template <AnyVector V>
using NumberOf = std::remove_cvref_t<decltype(std::declval<V&>()[0])>;

template <AnyVector V>
V everywhere(NumberOf<V> value) {
  return V{} + value;
}

// A condition as a number.
template <AnyVector V, class Mask>
V number(Mask holds) {
  return holds ? everywhere<V>(1) : V{};
}

// Compilers have instructions for these functions of single numbers, and turn the loop into them.
template <AnyVector V, class F>
[[gnu::always_inline]] inline V of_lanes(V a, const F& f) {
  constexpr std::size_t lanes = sizeof(V) / sizeof(NumberOf<V>);
  NumberOf<V> numbers[lanes];
  __builtin_memcpy(numbers, &a, sizeof a);
  for (std::size_t i = 0; i < lanes; ++i) numbers[i] = f(numbers[i]);
  __builtin_memcpy(&a, numbers, sizeof a);
  return a;
}

// Arithmetic

template <AnyVector V>
V add(V a, V b) {
  return a + b;
}
template <AnyVector V>
V subtract(V a, V b) {
  return a - b;
}
template <AnyVector V>
V multiply(V a, V b) {
  return a * b;
}
template <AnyVector V>
V divide(V a, V b) {
  return a / b;
}
template <AnyVector V>
V positive(V a) {
  return a;
}
template <AnyVector V>
V negative(V a) {
  return -a;
}
template <AnyVector V>
V square(V a) {
  return a * a;
}
template <AnyVector V>
V reciprocal(V a) {
  return 1 / a;
}
template <AnyVector V>
V degrees(V a) {
  using T = NumberOf<V>;
  return a * (T(180) / std::numbers::pi_v<T>);
}
template <AnyVector V>
V radians(V a) {
  using T = NumberOf<V>;
  return a * (std::numbers::pi_v<T> / T(180));
}

template <AnyVector V>
V sqrt(V a) {
  return of_lanes(a, [](auto x) { return std::sqrt(x); });
}
template <AnyVector V>
V absolute(V a) {
  return of_lanes(a, [](auto x) { return std::fabs(x); });
}
template <AnyVector V>
V floor(V a) {
  return of_lanes(a, [](auto x) { return std::floor(x); });
}
template <AnyVector V>
V ceil(V a) {
  return of_lanes(a, [](auto x) { return std::ceil(x); });
}
template <AnyVector V>
V rint(V a) {
  return of_lanes(a, [](auto x) { return std::rint(x); });
}
template <AnyVector V>
V trunc(V a) {
  return of_lanes(a, [](auto x) { return std::trunc(x); });
}

// As Python divides: the remainder has the sign of the divisor.
template <std::floating_point T>
std::pair<T, T> quotient_and_remainder(T a, T b) {
  T remainder = std::fmod(a, b);
  if (b == 0) return {a / b, remainder};
  T quotient = (a - remainder) / b;
  if (remainder == 0) {
    remainder = std::copysign(T(0), b);
  } else if ((b < 0) != (remainder < 0)) {
    remainder += b;
    quotient -= 1;
  }
  if (quotient == 0) return {std::copysign(T(0), a / b), remainder};
  const T below = std::floor(quotient);
  return {quotient - below > T(0.5) ? below + 1 : below, remainder};
}
template <std::floating_point T>
T floor_divide(T a, T b) {
  return quotient_and_remainder(a, b).first;
}
template <std::floating_point T>
T remainder(T a, T b) {
  return quotient_and_remainder(a, b).second;
}

// Comparisons and conditions

template <AnyVector V>
V equal(V a, V b) {
  return number<V>(a == b);
}
template <AnyVector V>
V not_equal(V a, V b) {
  return number<V>(a != b);
}
template <AnyVector V>
V less(V a, V b) {
  return number<V>(a < b);
}
template <AnyVector V>
V less_equal(V a, V b) {
  return number<V>(a <= b);
}
template <AnyVector V>
V greater(V a, V b) {
  return number<V>(a > b);
}
template <AnyVector V>
V greater_equal(V a, V b) {
  return number<V>(a >= b);
}
template <AnyVector V>
V isnan(V a) {
  return number<V>(a != a);
}
template <AnyVector V>
V isfinite(V a) {
  return number<V>(a - a == 0);
}
template <AnyVector V>
V isinf(V a) {
  return number<V>(absolute(a) == std::numeric_limits<NumberOf<V>>::infinity());
}
template <AnyVector V>
V signbit(V a) {
  return number<V>(std::bit_cast<decltype(a < a)>(a) < 0);
}
template <AnyVector V>
V logical_and(V a, V b) {
  return number<V>((a != 0) & (b != 0));
}
template <AnyVector V>
V logical_or(V a, V b) {
  return number<V>((a != 0) | (b != 0));
}
template <AnyVector V>
V logical_xor(V a, V b) {
  return number<V>((a != 0) ^ (b != 0));
}
template <AnyVector V>
V logical_not(V a) {
  return number<V>(a == 0);
}

// Choices

template <AnyVector V>
V where(V condition, V a, V b) {
  return condition != 0 ? a : b;
}
template <AnyVector V>
V maximum(V a, V b) {
  return ((a >= b) | (a != a)) ? a : b;
}
template <AnyVector V>
V minimum(V a, V b) {
  return ((a <= b) | (a != a)) ? a : b;
}
template <AnyVector V>
V fmax(V a, V b) {
  return ((a >= b) | (b != b)) ? a : b;
}
template <AnyVector V>
V fmin(V a, V b) {
  return ((a <= b) | (b != b)) ? a : b;
}
template <AnyVector V>
V heaviside(V a, V at_zero) {
  const V beside = a != a ? a : number<V>(a > 0);
  return a == 0 ? at_zero : beside;
}
template <AnyVector V>
V sign(V a) {
  return a != a ? a : number<V>(a > 0) - number<V>(a < 0);
}

// Elementary functions

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
  const V larger = a > b ? a : b;
  const V apart = kernels::log1p(kernels::exp(-absolute(a - b)));
  // Infinities of one sign have no difference; a NaN stays one.
  return a == b ? a + std::numbers::ln2_v<NumberOf<V>> : (a - b != a - b ? a - b : larger + apart);
}

#define KANML_OF_ONE(name, function) \
  template <std::floating_point T>   \
  T name(T a) {                      \
    return std::function(a);         \
  }
#define KANML_OF_TWO(name, function) \
  template <std::floating_point T>   \
  T name(T a, T b) {                 \
    return std::function(a, b);      \
  }
KANML_OF_ONE(cbrt, cbrt)
KANML_OF_ONE(exp2, exp2)
KANML_OF_ONE(log2, log2)
KANML_OF_ONE(log10, log10)
KANML_OF_ONE(tan, tan)
KANML_OF_ONE(arcsin, asin)
KANML_OF_ONE(arccos, acos)
KANML_OF_ONE(arctan, atan)
KANML_OF_ONE(sinh, sinh)
KANML_OF_ONE(cosh, cosh)
KANML_OF_ONE(arcsinh, asinh)
KANML_OF_ONE(arccosh, acosh)
KANML_OF_ONE(arctanh, atanh)
KANML_OF_TWO(power, pow)
KANML_OF_TWO(hypot, hypot)
KANML_OF_TWO(arctan2, atan2)
#undef KANML_OF_ONE
#undef KANML_OF_TWO

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
