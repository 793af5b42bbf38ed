// Activation functions at one point: value and derivatives 0..Top, Top <= 1.
#pragma once

#include <cmath>

#include "kanml/types.hpp"

namespace kanml::point {

// 1 / (1 + exp(-x)), without overflow.
template <class T>
inline T logistic(T x) {
  const T e = std::exp(-std::fabs(x));
  return (x < T(0) ? e : T(1)) / (T(1) + e);
}

template <class T, ActivationKind Kind, int Top>
inline void activation(T x, T (&f)[Top + 1]) {
  static_assert(Top >= 0 && Top <= 1);
  if constexpr (Kind == ActivationKind::sigmoid) {
    f[0] = logistic(x);
    if constexpr (Top >= 1) f[1] = f[0] * logistic(-x);
  } else if constexpr (Kind == ActivationKind::tanh) {
    f[0] = std::tanh(x);
    if constexpr (Top >= 1) {
      const T sech = T(1) / std::cosh(x);
      f[1] = sech * sech;
    }
  } else if constexpr (Kind == ActivationKind::relu) {
    // Written so that NaN stays NaN. The derivative at 0 is taken as 0.
    f[0] = x <= T(0) ? T(0) : x;
    if constexpr (Top >= 1) f[1] = x > T(0) ? T(1) : T(0);
  } else if constexpr (Kind == ActivationKind::silu) {
    const T g = logistic(x);
    f[0] = x * g;
    if constexpr (Top >= 1) f[1] = g + f[0] * logistic(-x);
  } else {
    f[0] = std::sin(x);
    if constexpr (Top >= 1) f[1] = std::cos(x);
  }
}

}  // namespace kanml::point
