// Activation functions at one point: value and derivatives 0..Top.
#pragma once

#include <cmath>

#include "kanml/types.hpp"
#include "point/target.hpp"

namespace kanml::point::inline KANML_TARGET {

// The formulas below reach the order that the backward pass of the highest Taylor order needs.
inline constexpr int max_activation_derivative = 5;
static_assert(max_taylor_order + 1 <= max_activation_derivative);

// 1 / (1 + exp(-x)), without overflow.
template <class T>
inline T logistic(T x) {
  const T e = std::exp(-std::fabs(x));
  return (x < T(0) ? e : T(1)) / (T(1) + e);
}

template <class T, int Top>
inline void logistic_derivatives(T x, T (&f)[Top + 1]) {
  const T s = logistic(x);
  const T complement = logistic(-x);  // 1 - s without cancellation
  const T slope = s * complement;
  f[0] = s;
  if constexpr (Top >= 1) f[1] = slope;
  if constexpr (Top >= 2) f[2] = slope * (complement - s);
  if constexpr (Top >= 3) f[3] = slope * (T(1) - T(6) * slope);
  if constexpr (Top >= 4) f[4] = slope * (complement - s) * (T(1) - T(12) * slope);
  if constexpr (Top >= 5) f[5] = slope * (T(1) + slope * (T(120) * slope - T(30)));
}

template <class T, int Top>
inline void tanh_derivatives(T x, T (&f)[Top + 1]) {
  // From one exponential e = exp(-2 |x|), and without cancellation: tanh |x| = (1 - e) / (1 + e),
  // and the slope 1 - tanh^2 is 4 e / (1 + e)^2.
  const T size = std::fabs(x);
  T e;
  T difference;  // 1 - e
  if (size < T(0.5)) {
    difference = -std::expm1(-2 * size);
    e = T(1) - difference;
  } else {
    e = std::exp(-2 * size);
    difference = T(1) - e;
  }
  const T sum = T(1) + e;
  const T t = std::copysign(difference / sum, x);
  f[0] = t;
  if constexpr (Top >= 1) {
    const T u = 4 * e / (sum * sum);
    const T t2 = t * t;
    f[1] = u;
    if constexpr (Top >= 2) f[2] = T(-2) * t * u;
    if constexpr (Top >= 3) f[3] = T(2) * u * (T(2) * t2 - u);
    if constexpr (Top >= 4) f[4] = T(8) * t * u * (T(2) * u - t2);
    if constexpr (Top >= 5) f[5] = T(8) * u * (T(2) * u * u - T(11) * t2 * u + T(2) * t2 * t2);
  }
}

// The function of each kind of activation: derivatives 0..Top at x.
template <ActivationKind Kind>
struct Activation;

template <>
struct Activation<ActivationKind::sigmoid> {
  template <class T, int Top>
  static void derivatives(T x, T (&f)[Top + 1]) {
    logistic_derivatives<T, Top>(x, f);
  }
};

template <>
struct Activation<ActivationKind::tanh> {
  template <class T, int Top>
  static void derivatives(T x, T (&f)[Top + 1]) {
    tanh_derivatives<T, Top>(x, f);
  }
};

template <>
struct Activation<ActivationKind::relu> {
  // Written so that NaN stays NaN. The derivative at 0 is defined as 0.
  template <class T, int Top>
  static void derivatives(T x, T (&f)[Top + 1]) {
    f[0] = x <= T(0) ? T(0) : x;
    if constexpr (Top >= 1) f[1] = x > T(0) ? T(1) : T(0);
    for (int m = 2; m <= Top; ++m) f[m] = T(0);
  }
};

template <>
struct Activation<ActivationKind::silu> {
  template <class T, int Top>
  static void derivatives(T x, T (&f)[Top + 1]) {
    T g[Top + 1];
    logistic_derivatives<T, Top>(x, g);
    f[0] = x * g[0];
    for (int m = 1; m <= Top; ++m) f[m] = x * g[m] + static_cast<T>(m) * g[m - 1];
  }
};

template <>
struct Activation<ActivationKind::sin> {
  template <class T, int Top>
  static void derivatives(T x, T (&f)[Top + 1]) {
    const T sine = std::sin(x);
    const T cosine = std::cos(x);
    for (int m = 0; m <= Top; ++m) {
      const T even = m % 2 == 0 ? sine : cosine;
      f[m] = m % 4 < 2 ? even : -even;
    }
  }
};

}  // namespace kanml::point::inline KANML_TARGET
