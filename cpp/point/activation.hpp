// Activation functions at one point: value and derivatives 0..Top.
//
// A Number is a T, or a vector of them with one point in each lane. `Functions` has the elementary
// functions of a Number: logistic(x, complement) also gives 1 - logistic(x) without cancellation,
// tanh(x, slope) its derivative likewise, and sine_and_cosine(x) two members, sine and cosine.
#pragma once

#include <limits>

#include "kanml/types.hpp"
#include "point/device.hpp"
#include "point/rounding.hpp"
#include "point/target.hpp"

namespace kanml::point::inline KANML_TARGET {

// The formulas below reach the order that the backward pass of the highest Taylor order needs.
inline constexpr int max_activation_derivative = 5;
static_assert(max_taylor_order + 1 <= max_activation_derivative);

template <class Functions, class T, int Top, class Number>
[[gnu::always_inline]] KANML_DEVICE inline void logistic_derivatives(Number x,
                                                                     Number (&f)[Top + 1]) {
  Number complement;
  const Number s = Functions::logistic(x, complement);
  const Number slope = rounded(s * complement);
  f[0] = s;
  if constexpr (Top >= 1) f[1] = slope;
  if constexpr (Top >= 2) f[2] = slope * (complement - s);
  if constexpr (Top >= 3) f[3] = slope * (T(1) - T(6) * slope);
  if constexpr (Top >= 4) f[4] = slope * (complement - s) * (T(1) - T(12) * slope);
  if constexpr (Top >= 5) f[5] = slope * (T(1) + slope * (T(120) * slope - T(30)));
}

// The function of each kind of activation: derivatives 0..Top at x.
template <ActivationKind Kind>
struct Activation;

template <>
struct Activation<ActivationKind::sigmoid> {
  template <class Functions, class T, int Top, class Number>
  [[gnu::always_inline]] KANML_DEVICE static void derivatives(Number x, Number (&f)[Top + 1]) {
    logistic_derivatives<Functions, T, Top>(x, f);
  }
};

template <>
struct Activation<ActivationKind::tanh> {
  template <class Functions, class T, int Top, class Number>
  [[gnu::always_inline]] KANML_DEVICE static void derivatives(Number x, Number (&f)[Top + 1]) {
    Number u;
    const Number t = Functions::tanh(x, u);
    const Number t2 = rounded(t * t);
    const Number tu = rounded(t * u);
    f[0] = t;
    if constexpr (Top >= 1) f[1] = u;
    if constexpr (Top >= 2) f[2] = T(-2) * tu;
    if constexpr (Top >= 3) f[3] = T(2) * u * (T(2) * t2 - u);
    if constexpr (Top >= 4) f[4] = T(8) * tu * (T(2) * u - t2);
    if constexpr (Top >= 5) f[5] = T(8) * u * (T(2) * u * u - T(11) * tu * t + T(2) * t2 * t2);
  }
};

template <>
struct Activation<ActivationKind::relu> {
  // Written so that NaN stays NaN. The derivative at 0 is defined as 0.
  template <class Functions, class T, int Top, class Number>
  [[gnu::always_inline]] KANML_DEVICE static void derivatives(Number x, Number (&f)[Top + 1]) {
    const Number zero = {};
    f[0] = x <= zero ? zero : x;
    if constexpr (Top >= 1) f[1] = x > zero ? zero + T(1) : zero;
    for (int m = 2; m <= Top; ++m) f[m] = zero;
  }
};

template <>
struct Activation<ActivationKind::silu> {
  template <class Functions, class T, int Top, class Number>
  [[gnu::always_inline]] KANML_DEVICE static void derivatives(Number x, Number (&f)[Top + 1]) {
    Number g[Top + 1];
    logistic_derivatives<Functions, T, Top>(x, g);
    // The logistic function vanishes faster than x grows, but 0 times infinity is NaN.
    const Number greatest = Number{} + std::numeric_limits<T>::max();
    const Number above = x < -greatest ? -greatest : x;
    const Number finite = above > greatest ? greatest : above;
    f[0] = above * g[0];
    for (int m = 1; m <= Top; ++m) f[m] = finite * g[m] + rounded(static_cast<T>(m) * g[m - 1]);
  }
};

template <>
struct Activation<ActivationKind::sin> {
  template <class Functions, class T, int Top, class Number>
  [[gnu::always_inline]] KANML_DEVICE static void derivatives(Number x, Number (&f)[Top + 1]) {
    const auto both = Functions::sine_and_cosine(x);
    for (int m = 0; m <= Top; ++m) {
      const Number even = m % 2 == 0 ? both.sine : both.cosine;
      f[m] = m % 4 < 2 ? even : -even;
    }
  }
};

}  // namespace kanml::point::inline KANML_TARGET
