// The operations of programs at one point. They do what NumPy's functions of the same names do,
// also with NaN, infinities and signed zeros. Those in terms of arithmetic take single numbers or
// vectors; the others take single numbers and call the C library.
#pragma once

#include <bit>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <limits>
#include <numbers>
#include <type_traits>
#include <utility>

#include "point/device.hpp"
#include "point/target.hpp"

namespace kanml::point::inline KANML_TARGET {

namespace operations {

// V is a vector, or a single number.
template <class V>
struct NumberOfVector {
  using type = std::remove_cvref_t<decltype(std::declval<V&>()[0])>;
};
template <std::floating_point T>
struct NumberOfVector<T> {
  using type = T;
};
template <class V>
using NumberOf = typename NumberOfVector<V>::type;

template <class V>
KANML_DEVICE V everywhere(NumberOf<V> value) {
  return V{} + value;
}

// A condition as a number.
template <class V, class Mask>
KANML_DEVICE V number(Mask holds) {
  return holds ? everywhere<V>(1) : V{};
}

// Compilers have instructions for these functions of single numbers, and turn the loop into them.
template <class V, class F>
[[gnu::always_inline]] KANML_DEVICE inline V of_lanes(V a, const F& f) {
  if constexpr (std::floating_point<V>) {
    return f(a);
  } else {
    constexpr std::size_t lanes = sizeof(V) / sizeof(NumberOf<V>);
    NumberOf<V> numbers[lanes];
    __builtin_memcpy(numbers, &a, sizeof a);
    for (std::size_t i = 0; i < lanes; ++i) numbers[i] = f(numbers[i]);
    __builtin_memcpy(&a, numbers, sizeof a);
    return a;
  }
}

// Arithmetic

template <class V>
KANML_DEVICE V add(V a, V b) {
  return a + b;
}
template <class V>
KANML_DEVICE V subtract(V a, V b) {
  return a - b;
}
template <class V>
KANML_DEVICE V multiply(V a, V b) {
  return a * b;
}
template <class V>
KANML_DEVICE V divide(V a, V b) {
  return a / b;
}
template <class V>
KANML_DEVICE V positive(V a) {
  return a;
}
template <class V>
KANML_DEVICE V negative(V a) {
  return -a;
}
template <class V>
KANML_DEVICE V square(V a) {
  return a * a;
}
template <class V>
KANML_DEVICE V reciprocal(V a) {
  return 1 / a;
}
template <class V>
KANML_DEVICE V degrees(V a) {
  using T = NumberOf<V>;
  return a * (T(180) / std::numbers::pi_v<T>);
}
template <class V>
KANML_DEVICE V radians(V a) {
  using T = NumberOf<V>;
  return a * (std::numbers::pi_v<T> / T(180));
}

template <class V>
KANML_DEVICE V sqrt(V a) {
  return of_lanes(a, [](auto x) { return std::sqrt(x); });
}
template <class V>
KANML_DEVICE V absolute(V a) {
  return of_lanes(a, [](auto x) { return std::fabs(x); });
}
template <class V>
KANML_DEVICE V floor(V a) {
  return of_lanes(a, [](auto x) { return std::floor(x); });
}
template <class V>
KANML_DEVICE V ceil(V a) {
  return of_lanes(a, [](auto x) { return std::ceil(x); });
}
template <class V>
KANML_DEVICE V rint(V a) {
  return of_lanes(a, [](auto x) { return std::rint(x); });
}
template <class V>
KANML_DEVICE V trunc(V a) {
  return of_lanes(a, [](auto x) { return std::trunc(x); });
}

// As Python divides: the remainder has the sign of the divisor.
template <std::floating_point T>
KANML_DEVICE std::pair<T, T> quotient_and_remainder(T a, T b) {
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
KANML_DEVICE T floor_divide(T a, T b) {
  return quotient_and_remainder(a, b).first;
}
template <std::floating_point T>
KANML_DEVICE T remainder(T a, T b) {
  return quotient_and_remainder(a, b).second;
}

// Comparisons and conditions

template <class V>
KANML_DEVICE V equal(V a, V b) {
  return number<V>(a == b);
}
template <class V>
KANML_DEVICE V not_equal(V a, V b) {
  return number<V>(a != b);
}
template <class V>
KANML_DEVICE V less(V a, V b) {
  return number<V>(a < b);
}
template <class V>
KANML_DEVICE V less_equal(V a, V b) {
  return number<V>(a <= b);
}
template <class V>
KANML_DEVICE V greater(V a, V b) {
  return number<V>(a > b);
}
template <class V>
KANML_DEVICE V greater_equal(V a, V b) {
  return number<V>(a >= b);
}
template <class V>
KANML_DEVICE V isnan(V a) {
  return number<V>(a != a);
}
template <class V>
KANML_DEVICE V isfinite(V a) {
  return number<V>(a - a == 0);
}
template <class V>
KANML_DEVICE V isinf(V a) {
  return number<V>(absolute(a) == std::numeric_limits<NumberOf<V>>::infinity());
}
template <class V>
KANML_DEVICE V signbit(V a) {
  if constexpr (std::floating_point<V>) {
    return number<V>(std::signbit(a));
  } else {
    return number<V>(std::bit_cast<decltype(a < a)>(a) < 0);
  }
}
template <class V>
KANML_DEVICE V logical_and(V a, V b) {
  return number<V>((a != 0) & (b != 0));
}
template <class V>
KANML_DEVICE V logical_or(V a, V b) {
  return number<V>((a != 0) | (b != 0));
}
template <class V>
KANML_DEVICE V logical_xor(V a, V b) {
  return number<V>((a != 0) ^ (b != 0));
}
template <class V>
KANML_DEVICE V logical_not(V a) {
  return number<V>(a == 0);
}

// Choices

template <class V>
KANML_DEVICE V where(V condition, V a, V b) {
  return condition != 0 ? a : b;
}
template <class V>
KANML_DEVICE V maximum(V a, V b) {
  return ((a >= b) | (a != a)) ? a : b;
}
template <class V>
KANML_DEVICE V minimum(V a, V b) {
  return ((a <= b) | (a != a)) ? a : b;
}
template <class V>
KANML_DEVICE V fmax(V a, V b) {
  return ((a >= b) | (b != b)) ? a : b;
}
template <class V>
KANML_DEVICE V fmin(V a, V b) {
  return ((a <= b) | (b != b)) ? a : b;
}
template <class V>
KANML_DEVICE V heaviside(V a, V at_zero) {
  const V beside = a != a ? a : number<V>(a > 0);
  return a == 0 ? at_zero : beside;
}
template <class V>
KANML_DEVICE V sign(V a) {
  return a != a ? a : number<V>(a > 0) - number<V>(a < 0);
}

// log(exp(a) + exp(b)), with log(1 + exp(-|a - b|)) in `apart`.
template <class V>
KANML_DEVICE V logaddexp(V a, V b, V apart) {
  const V larger = a > b ? a : b;
  // Infinities of one sign have no difference; a NaN stays one.
  return a == b ? a + std::numbers::ln2_v<NumberOf<V>> : (a - b != a - b ? a - b : larger + apart);
}

// Elementary functions

#define KANML_OF_ONE(name, function) \
  template <std::floating_point T>   \
  KANML_DEVICE T name(T a) {         \
    return std::function(a);         \
  }
#define KANML_OF_TWO(name, function) \
  template <std::floating_point T>   \
  KANML_DEVICE T name(T a, T b) {    \
    return std::function(a, b);      \
  }
KANML_OF_ONE(exp, exp)
KANML_OF_ONE(expm1, expm1)
KANML_OF_ONE(log, log)
KANML_OF_ONE(log1p, log1p)
KANML_OF_ONE(sin, sin)
KANML_OF_ONE(cos, cos)
KANML_OF_ONE(tanh, tanh)
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

template <std::floating_point T>
KANML_DEVICE T logaddexp(T a, T b) {
  return logaddexp(a, b, log1p(exp(-absolute(a - b))));
}

}  // namespace operations

}  // namespace kanml::point::inline KANML_TARGET
