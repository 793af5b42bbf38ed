// The elementary functions of single numbers that activations need; simd/mathematics.hpp has those
// of vectors.
#pragma once

#include <cmath>

#include "point/device.hpp"
#include "point/target.hpp"

namespace kanml::point::inline KANML_TARGET {

struct ScalarFunctions {
  template <class T>
  KANML_DEVICE static T logistic(T x, T& complement) {
    const T smaller = std::exp(-std::fabs(x));
    const T greater = T(1) / (T(1) + smaller);
    complement = x < T(0) ? greater : smaller * greater;
    return x < T(0) ? smaller * greater : greater;
  }

  // 1 - tanh(x)^2 = 4 e^{-2|x|} / (1 + e^{-2|x|})^2
  template <class T>
  KANML_DEVICE static T tanh(T x, T& slope) {
    const T e = std::exp(T(-2) * std::fabs(x));
    const T half_root = T(1) / (T(1) + e);
    slope = T(4) * e * half_root * half_root;
    return std::tanh(x);
  }

  template <class T>
  struct SineAndCosine {
    T sine;
    T cosine;
  };
  template <class T>
  KANML_DEVICE static SineAndCosine<T> sine_and_cosine(T x) {
    return {std::sin(x), std::cos(x)};
  }
};

}  // namespace kanml::point::inline KANML_TARGET
