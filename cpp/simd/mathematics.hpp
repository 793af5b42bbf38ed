// Elementary functions of vectors: exp, expm1, log, log1p, logistic, tanh, sin and cos.
//
// The errors are below one unit in the last place for all arguments. Infinities, NaNs, signed zeros
// and subnormal numbers are those of the standard library. All lanes take the same steps, without
// tables and without libm, except for sines and cosines of large arguments.
//
// Each function reduces its argument to a small interval and sums the Taylor series there. The
// leading terms are added together with the rounding errors of their sums (`Pair`), so that the
// last addition decides the accuracy. Where such a sum has a product in it, the product is exact:
// fusing them changes nothing. Of two products that meet in another sum, one is `rounded`.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <utility>

#include "point/rounding.hpp"
#include "point/target.hpp"
#include "simd/arithmetic.hpp"
#include "simd/vectors.hpp"

namespace kanml::kernels::inline KANML_TARGET {

using point::rounded;

// exp(x) = 2^k (1 + r + rest), with a whole k and |r| up to log(2) / 2.
template <class V>
struct Exponential {
  V k;
  V r;
  V rest;
};
template <class V>
[[gnu::always_inline]] inline Exponential<V> reduced_exponential(V x) {
  using T = NumberOf<V>;
  using F = Format<T>;
  const V k = nearest_whole(x * T(1.44269504088896340736));  // 1 / log(2)
  const V r = x - k * F::log_2[0];                           // exact
  const V below = rounded(k * F::log_2[1]);
  const V rounded_r = r - below;
  const V lost = (r - rounded_r) - below;
  const V square = rounded(rounded_r * rounded_r);
  const V tail = factorial_series<3, 1, F::exp_degree, false>(rounded_r);
  const V correction = rounded_r * lost - below;
  return {k, r, ((rounded_r * square) * tail + correction) + T(0.5) * square};
}

// exp(x) as a pair; the lower number counts where the upper one is not subnormal.
template <class V>
[[gnu::always_inline]] inline Pair<V> exp_pair(V x) {
  using F = FormatOf<V>;
  const V most = broadcast<V>(F::exp_is_infinite);
  const V least = broadcast<V>(F::exp_is_zero);
  const auto [k, r, rest] = reduced_exponential(x > most ? most : x < least ? least : x);
  const auto [upper, lower] = exact_sum_from_larger(V{} + 1, r);
  const auto [sum, error] = exact_sum_from_larger(upper, lower + rest);
  // In two steps, since 2^k may be beyond the range.
  const V half = nearest_whole(k * NumberOf<V>(0.5));
  const V scale = power_of_two(half);
  const V rest_of_scale = power_of_two(k - half);
  return {rounded((sum * scale) * rest_of_scale), rounded((error * scale) * rest_of_scale)};
}

template <class V>
[[gnu::always_inline]] inline V exp_in_register(V x) {
  return exp_pair(x).upper;
}

template <class V>
[[gnu::always_inline]] inline V expm1_in_register(V x) {
  using T = NumberOf<V>;
  using F = Format<T>;
  const V most = broadcast<V>(F::exp_is_infinite);
  const V least = broadcast<V>(F::expm1_is_minus_one);
  const auto [k, r, rest] = reduced_exponential(x > most ? most : x < least ? least : x);
  // Half of (2^k - 1) + 2^k r + 2^k rest, since 2^k may be infinite.
  const V scale = power_of_two(k - T(1));
  const auto [base, base_error] = exact_sum(scale, broadcast<V>(T(-0.5)));
  const auto [sum, error] = exact_sum(base, scale * r);
  const V result = T(2) * (sum + ((error + base_error) + scale * rest));
  // Halves of subnormal numbers are not exact.
  return absolute(x) < broadcast<V>(std::numeric_limits<T>::epsilon() / 4) ? x : rounded(result);
}

// log(2^shift (x + rest)) for a positive normal x; rest is tiny, and given relative to x.
template <class V>
[[gnu::always_inline]] inline V reduced_log(V x, V shift, V rest) {
  using T = NumberOf<V>;
  using F = Format<T>;
  // x = 2^k (1 + f) with 1 + f between the roots of 1/2 and 2.
  constexpr auto one = std::bit_cast<typename F::Bits>(T(1));
  constexpr auto lowest = std::bit_cast<typename F::Bits>(T(0.70710678118654752440));
  constexpr T whole = T(1) / std::numeric_limits<T>::epsilon();
  constexpr auto whole_bits = std::bit_cast<typename F::Bits>(whole);
  const Bits<V> bits = bits_of(x);
  const Bits<V> exponent = (bits + (one - lowest)) >> fraction_bits<T>;  // biased
  const V biased = from_bits<V>(exponent | whole_bits) - whole;
  const V k = biased + (shift - T(exponent_bias<T>));
  const V f = from_bits<V>(bits - (exponent << fraction_bits<T>)+one) - T(1);
  // With s = f / (2 + f): log(1 + f) = 2 atanh(s) = 2 s + 2 s^3 (1/3 + s^2/5 + ...), and
  // 2 s = f - f^2 / 2 + s f^2 / 2.
  const V s = f / (T(2) + f);
  const V square = rounded(s * s);
  const auto coefficient = [](int place) constexpr { return T(2) / static_cast<T>(2 * place + 3); };
  const V tail = polynomial(square, coefficient,
                            std::make_integer_sequence<int, (F::log_degree - 3) / 2 + 1>{});
  const V half_square = rounded((T(0.5) * f) * f);
  const V correction = half_square - s * (square * tail + half_square);
  const auto [sum, error] = exact_sum_from_larger(k * F::log_2[0], f);
  return sum + (error + ((k * F::log_2[1] + rest) - correction));
}

// The logarithm where it is that of a positive finite number, else its limit or NaN.
template <class V>
[[gnu::always_inline]] inline V in_domain_of_log(V x, V log) {
  using Limits = std::numeric_limits<NumberOf<V>>;
  const V infinity = broadcast<V>(Limits::infinity());
  const V outside = x == V{} ? -infinity : broadcast<V>(Limits::quiet_NaN());
  return x > V{} ? (x < infinity ? log : x) : outside;
}

template <class V>
[[gnu::always_inline]] inline V log_in_register(V x) {
  using T = NumberOf<V>;
  using Limits = std::numeric_limits<T>;
  constexpr T scale = T(2) / Limits::epsilon();
  const auto subnormal = x < broadcast<V>(Limits::min());
  const V normal = subnormal ? x * scale : x;
  const V shift = subnormal ? broadcast<V>(T(-Limits::digits)) : V{};
  return in_domain_of_log(x, reduced_log(normal, shift, V{}));
}

template <class V>
[[gnu::always_inline]] inline V log1p_in_register(V x) {
  const auto [sum, error] = exact_sum(V{} + 1, x);
  const V result = in_domain_of_log(sum, reduced_log(sum, V{}, error / sum));
  return x == V{} ? x : result;  // keeps the sign of zero
}

// a - b c, nearly exactly, if b c is near a: from products of halves of the digits.
template <class V>
[[gnu::always_inline]] inline V remainder(V a, V b, V c) {
  using T = NumberOf<V>;
  constexpr auto lower_half =
      (typename Format<T>::Bits{1} << ((std::numeric_limits<T>::digits + 1) / 2)) - 1;
  const V b_upper = from_bits<V>(bits_of(b) & ~lower_half);
  const V c_upper = from_bits<V>(bits_of(c) & ~lower_half);
  const V b_lower = b - b_upper;
  const V c_lower = c - c_upper;
  return ((a - b_upper * c_upper) - b_upper * c_lower) - b_lower * c;
}

// With e = exp(-|x|): e, 1 + e, and the rounding errors of both.
template <class V>
struct Falling {
  Pair<V> e;
  Pair<V> sum;
};
template <class V>
[[gnu::always_inline]] inline Falling<V> falling_exponential(V x) {
  const Pair<V> e = exp_pair(-absolute(x));
  const auto [sum, error] = exact_sum_from_larger(V{} + 1, e.upper);
  return {e, {sum, error + e.lower}};
}

// 1 / (1 + exp(-x)), and its complement 1 / (1 + exp(x)), also with a small relative error.
template <class V>
[[gnu::always_inline]] inline V logistic(V x, V& complement) {
  const auto [e, sum] = falling_exponential(x);
  const auto left = x < V{};
  const V one = V{} + 1;
  const V numerator = left ? e.upper : one;
  const V quotient = numerator / sum.upper;
  const V reciprocal = left ? one - quotient : quotient;  // of the sum
  const V rest =
      remainder(numerator, sum.upper, quotient) + ((left ? e.lower : V{}) - quotient * sum.lower);
  const V result = quotient + reciprocal * rest;
  complement = rounded(left ? one - result : e.upper * result);
  return result;
}
template <class V>
[[gnu::always_inline]] inline V logistic_in_register(V x) {
  V complement;
  return logistic(x, complement);
}

// The continued fraction 3 + u / (5 + u / (7 + ... u / last)) as upper(u) / lower(u).
template <int last>
struct ContinuedFraction {
  static constexpr int size = (last - 1) / 4 + 1;
  double upper[size] = {last};
  double lower[size] = {1.0};

  constexpr ContinuedFraction() {
    for (int number = last - 2; number >= 3; number -= 2) {
      for (int i = size - 1; i >= 0; --i) {
        const double inner = upper[i];
        upper[i] = number * inner + (i > 0 ? lower[i - 1] : 0.0);
        lower[i] = inner;
      }
    }
  }
};

// tanh, and its derivative with a small relative error.
template <class V>
[[gnu::always_inline]] inline V tanh(V x, V& slope) {
  using T = NumberOf<V>;
  // Where tanh is below 1/2: x - x u / (u + c) with u = x^2 and c = 3 + u / (5 + u / (7 + ...)).
  // Elsewhere: 1 - 2 e / (1 + e) with e = exp(-2 x).
  const V size = absolute(x);
  const auto small = size < broadcast<V>(T(0.55));
  const V u = rounded(size * size);
  static constexpr ContinuedFraction<Format<T>::tanh_last> c;
  constexpr auto places = std::make_integer_sequence<int, c.size>{};
  const V lower = polynomial(u, [](int i) { return static_cast<T>(c.lower[i]); }, places);
  const V upper = polynomial(u, [](int i) { return static_cast<T>(c.upper[i]); }, places);
  const auto [e, sum] = falling_exponential(T(2) * size);
  const V quotient =
      (small ? (size * u) * lower : T(2) * e.upper) / (small ? u * lower + upper : sum.upper);
  const V reciprocal = V{} + 1 - T(0.5) * quotient;  // of the sum
  const V correction = small ? V{} : reciprocal * (T(2) * e.lower - quotient * sum.lower);
  const auto [difference, error] = exact_sum_from_larger(small ? size : V{} + 1, -quotient);
  const V result = difference + (error - correction);
  slope = rounded(small ? T(1) - result * result : quotient * (T(2) - quotient));
  return with_sign_of(x, result);
}
template <class V>
[[gnu::always_inline]] inline V tanh_in_register(V x) {
  V slope;
  return tanh(x, slope);
}

// Whether any lane of a comparison holds.
template <class Mask>
[[gnu::always_inline]] inline bool any(Mask mask) {
  if constexpr (sizeof(mask) > 16) {
    Register<std::int64_t, sizeof(mask) / 16> halves[2];
    __builtin_memcpy(halves, &mask, sizeof mask);
    return any(halves[0] | halves[1]);
  } else {
    Register<std::int64_t, 2> words;
    static_assert(sizeof words == sizeof mask);
    __builtin_memcpy(&words, &mask, sizeof mask);
    return (words[0] | words[1]) != 0;
  }
}

// Sines and cosines of the lanes that are too far from zero to be reduced above.
template <class V>
[[gnu::noinline, gnu::cold]] void replace_far(const V& x, V& sine, V& cosine) {
  using T = NumberOf<V>;
  for (std::size_t i = 0; i < sizeof(V) / sizeof(T); ++i) {
    if (std::fabs(x[i]) > FormatOf<V>::farthest) {
      sine[i] = std::sin(x[i]);
      cosine[i] = std::cos(x[i]);
    }
  }
}

template <class V>
struct SineAndCosine {
  V sine;
  V cosine;
};
template <class V>
[[gnu::always_inline]] inline SineAndCosine<V> sine_and_cosine(V x) {
  using T = NumberOf<V>;
  using F = Format<T>;
  // |x| = n pi / 2 + r + rest
  const V size = absolute(x);
  const V n_bits = size * T(0.63661977236758134308) + to_whole<T>;  // 2 / pi
  const V n = n_bits - to_whole<T>;
  const V first = size - n * F::quarter_turn[0];  // exact
  const auto [second, second_error] = exact_sum(first, -(n * F::quarter_turn[1]));
  const auto [third, third_error] = exact_sum(second, -(n * F::quarter_turn[2]));
  const V below = (second_error + third_error) - n * F::quarter_turn[3];
  const auto [r, rest] = exact_sum_from_larger(third, below);

  const V square = rounded(r * r);
  const V half = T(0.5) * square;
  // sin(r + rest) = r + rest (1 - r^2 / 2) - r^3 (1/6 - ...)
  const V sine_tail = factorial_series<3, 2, F::sin_degree, true>(square);
  const V sine = r - ((r * square) * sine_tail - rounded(rest * (T(1) - half)));
  // cos(r + rest) = 1 - r^2 / 2 + r^4 (1/24 - ...) - r rest
  const V cosine_tail = factorial_series<4, 2, F::cos_degree, true>(square);
  const auto [upper, lower] = exact_sum_from_larger(V{} + 1, -half);
  const V cosine = upper + (lower + ((square * square) * cosine_tail - rounded(r * rest)));

  // A quarter turn exchanges both, a half turn changes their signs.
  constexpr int to_sign = 8 * sizeof(T) - 2;
  const Bits<V> quarters = bits_of(n_bits);
  const auto exchanged = (quarters & 1) != Bits<V>{};
  const Bits<V> half_turned = (quarters << to_sign) & sign_bit<V>;
  const Bits<V> cosine_turned = ((quarters + 1) << to_sign) & sign_bit<V>;
  SineAndCosine<V> result = {
      from_bits<V>(bits_of(exchanged ? cosine : sine) ^ half_turned ^ (bits_of(x) & sign_bit<V>)),
      from_bits<V>(bits_of(exchanged ? sine : cosine) ^ cosine_turned)};
  if (any(size > broadcast<V>(F::farthest))) [[unlikely]] {
    replace_far(x, result.sine, result.cosine);
  }
  return result;
}
template <class V>
[[gnu::always_inline]] inline V sin_in_register(V x) {
  return sine_and_cosine(x).sine;
}
template <class V>
[[gnu::always_inline]] inline V cos_in_register(V x) {
  return sine_and_cosine(x).cosine;
}

#define KANML_OF_ANY_WIDTH(function)                                                               \
  template <class V>                                                                               \
  [[gnu::always_inline]] inline V function(V x) {                                                  \
    return by_registers(                                                                           \
        x, [](auto part) __attribute__((always_inline)) { return function##_in_register(part); }); \
  }
KANML_OF_ANY_WIDTH(exp)
KANML_OF_ANY_WIDTH(expm1)
KANML_OF_ANY_WIDTH(log)
KANML_OF_ANY_WIDTH(log1p)
KANML_OF_ANY_WIDTH(logistic)
KANML_OF_ANY_WIDTH(tanh)
KANML_OF_ANY_WIDTH(sin)
KANML_OF_ANY_WIDTH(cos)
#undef KANML_OF_ANY_WIDTH

}  // namespace kanml::kernels::inline KANML_TARGET
