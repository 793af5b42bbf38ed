// Univariate Taylor arithmetic at one point.
#pragma once

#include "point/device.hpp"
#include "point/target.hpp"

namespace kanml::point::inline KANML_TARGET {

// weights[r][m], 1 <= r <= m <= Order: the coefficient of s^m in (x_1 s + x_2 s^2 + ...)^r / r!,
// so that f(x(s)) has the coefficients y_m = sum_r weights[r][m] f^(r)(x_0) (Faa di Bruno).
// A Number is a T, or a vector of them with one point in each lane.
template <class T, int Order, class Number>
[[gnu::always_inline]] KANML_DEVICE inline void composition_weights(
    const Number (&x)[Order + 1], Number (&weights)[Order + 1][Order + 1]) {
  for (int m = 1; m <= Order; ++m) weights[1][m] = x[m];
  for (int r = 2; r <= Order; ++r) {
    for (int m = r; m <= Order; ++m) {
      Number sum = {};
      for (int l = 1; l <= m - r + 1; ++l) sum += weights[r - 1][m - l] * x[l];
      weights[r][m] = sum * (T(1) / static_cast<T>(r));
    }
  }
}

}  // namespace kanml::point::inline KANML_TARGET
