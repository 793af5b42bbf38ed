// The binary form of the numbers of a vector, exact sums, and Taylor series: what the elementary
// functions in mathematics.hpp are made of. Vectors here fit one register.
#pragma once

#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>

#include "point/target.hpp"
#include "simd/vectors.hpp"

namespace kanml::kernels::inline KANML_TARGET {

template <class V>
using NumberOf = std::remove_cvref_t<decltype(std::declval<V&>()[0])>;

// What the reductions and the series need of a number type. The parts of constants are groups of
// their digits: the product of each part but the last with a whole number in its range is exact.
template <class T>
struct Format;

template <>
struct Format<double> {
  using Bits = std::uint64_t;
  static constexpr double log_2[] = {0x0.B17217F7p0, 0x0.D1CF79ABC9E3B398p-32};
  static constexpr double quarter_turn[] = {0x3.243F6A88p-1, 0x0.85A308D3p-33, 0x0.13198A2Ep-65,
                                            0x0.03707344A4093822p-97};  // pi / 2
  static constexpr double farthest = 0x1p20;  // argument of sin and cos that is reduced by them
  static constexpr double exp_is_infinite = 710.0;
  static constexpr double exp_is_zero = -746.0;
  static constexpr double expm1_is_minus_one = -45.0;
  // The highest powers of the series.
  static constexpr int exp_degree = 13;
  static constexpr int sin_degree = 17;
  static constexpr int cos_degree = 16;
  static constexpr int log_degree = 21;
  static constexpr int tanh_last = 15;  // number of the continued fraction
};

template <>
struct Format<float> {
  using Bits = std::uint32_t;
  static constexpr float log_2[] = {0x0.B172p0f, 0x0.17F7D1CFp-16f};
  static constexpr float quarter_turn[] = {0x3.243p-1f, 0x0.F6Ap-13f, 0x0.888p-25f,
                                           0x0.5A308D3p-37f};
  static constexpr float farthest = 0x1p10f;
  static constexpr float exp_is_infinite = 89.0f;
  static constexpr float exp_is_zero = -104.0f;
  static constexpr float expm1_is_minus_one = -20.0f;
  static constexpr int exp_degree = 8;
  static constexpr int sin_degree = 9;
  static constexpr int cos_degree = 10;
  static constexpr int log_degree = 9;
  static constexpr int tanh_last = 11;
};

template <class V>
using FormatOf = Format<NumberOf<V>>;

// The binary representation.
template <class V>
using Bits = Register<typename FormatOf<V>::Bits, sizeof(V) / sizeof(NumberOf<V>)>;
template <class T>
inline constexpr int fraction_bits = std::numeric_limits<T>::digits - 1;
template <class T>
inline constexpr int exponent_bias = std::numeric_limits<T>::max_exponent - 1;

template <class V>
[[gnu::always_inline]] inline Bits<V> bits_of(V x) {
  return reinterpret_cast<Bits<V>>(x);
}
template <class V>
[[gnu::always_inline]] inline V from_bits(Bits<V> bits) {
  return reinterpret_cast<V>(bits);
}
template <class V>
inline constexpr auto sign_bit = typename FormatOf<V>::Bits{1} << (8 * sizeof(NumberOf<V>) - 1);

template <class V>
[[gnu::always_inline]] inline V broadcast(NumberOf<V> number) {
  return V{} + number;
}
template <class V>
[[gnu::always_inline]] inline V absolute(V x) {
  return from_bits<V>(bits_of(x) & ~sign_bit<V>);
}
template <class V>
[[gnu::always_inline]] inline V with_sign_of(V sign, V size) {
  return from_bits<V>(bits_of(size) | (bits_of(sign) & sign_bit<V>));
}

// Adding this number leaves no fraction, and puts a whole number into the last bits.
template <class T>
inline constexpr T to_whole = T(3) / std::numeric_limits<T>::epsilon() / 2;
template <class V>
[[gnu::always_inline]] inline V nearest_whole(V x) {
  using T = NumberOf<V>;
  return (x + to_whole<T>)-to_whole<T>;
}

// 2^k for a whole k, unless that is subnormal or infinite.
template <class V>
[[gnu::always_inline]] inline V power_of_two(V k) {
  using T = NumberOf<V>;
  return from_bits<V>(bits_of(k + (to_whole<T> + T(exponent_bias<T>))) << fraction_bits<T>);
}

// An exact sum, upper + lower; upper is the rounded sum.
template <class V>
struct Pair {
  V upper;
  V lower;
};
template <class V>
[[gnu::always_inline]] inline Pair<V> exact_sum(V a, V b) {
  const V sum = a + b;
  const V b_in_sum = sum - a;
  return {sum, (a - (sum - b_in_sum)) + (b - b_in_sum)};
}
// The same if a is zero or the larger one.
template <class V>
[[gnu::always_inline]] inline Pair<V> exact_sum_from_larger(V a, V b) {
  const V sum = a + b;
  return {sum, b - (sum - a)};
}

// sum_i coefficient(i) x^i, i = 0..n-1
template <class V, class Coefficient, int... Places>
[[gnu::always_inline]] inline V polynomial(V x, Coefficient coefficient,
                                           std::integer_sequence<int, Places...>) {
  constexpr int last = sizeof...(Places) - 1;
  V sum = {};
  ((sum = Places == 0 ? broadcast<V>(coefficient(last)) : sum * x + coefficient(last - Places)),
   ...);
  return sum;
}

// sum_i x^i / (first + step i)!, with alternating signs or without, up to a power of the series.
template <int first, int step, int degree, bool alternating, class V>
[[gnu::always_inline]] inline V factorial_series(V x) {
  const auto coefficient = [](int place) constexpr {
    double factorial = 1.0;  // exact up to 18!
    for (int i = 2; i <= first + step * place; ++i) factorial *= i;
    return static_cast<NumberOf<V>>((alternating && place % 2 != 0 ? -1.0 : 1.0) / factorial);
  };
  return polynomial(x, coefficient, std::make_integer_sequence<int, (degree - first) / step + 1>{});
}

}  // namespace kanml::kernels::inline KANML_TARGET
