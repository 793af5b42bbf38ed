// Univariate Taylor arithmetic at one point.
#pragma once

namespace kanml::point {

// weights[r][m], 1 <= r <= m <= Order: the coefficient of s^m in (x_1 s + x_2 s^2 + ...)^r / r!,
// so that f(x(s)) has the coefficients y_m = sum_r weights[r][m] f^(r)(x_0) (Faa di Bruno).
template <class T, int Order>
inline void composition_weights(const T (&x)[Order + 1], T (&weights)[Order + 1][Order + 1]) {
  for (int m = 1; m <= Order; ++m) weights[1][m] = x[m];
  for (int r = 2; r <= Order; ++r) {
    for (int m = r; m <= Order; ++m) {
      T sum = T(0);
      for (int l = 1; l <= m - r + 1; ++l) sum += weights[r - 1][m - l] * x[l];
      weights[r][m] = sum / static_cast<T>(r);
    }
  }
}

}  // namespace kanml::point
