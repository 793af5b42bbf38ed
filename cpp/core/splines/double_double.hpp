// Sums of two doubles, for what is computed once for a space and rounded once. They have 106
// binary digits everywhere; `long double` has 53, 64 or 113. The compiler must not fuse what is
// written here: CMakeLists.txt sees to that.
#pragma once

#include <cmath>

namespace kanml {

// high + low, where high is the sum rounded to double.
struct DoubleDouble {
  double high;
  double low = 0.0;
};

// Exact, unless the sum overflows (Knuth's TwoSum).
inline DoubleDouble two_sum(double a, double b) {
  const double sum = a + b;
  const double from_b = sum - a;
  return {sum, (a - (sum - from_b)) + (b - from_b)};
}

// Exact, unless the product or its rounding error leaves the range of double.
inline DoubleDouble two_product(double a, double b) {
  const double product = a * b;
  return {product, std::fma(a, b, -product)};
}

// The operations below have relative errors of a few 2^-104, a difference that of its terms.
inline DoubleDouble operator-(DoubleDouble a, DoubleDouble b) {
  const DoubleDouble difference = two_sum(a.high, -b.high);
  return two_sum(difference.high, difference.low + (a.low - b.low));
}

inline DoubleDouble operator*(DoubleDouble a, DoubleDouble b) {
  const DoubleDouble product = two_product(a.high, b.high);
  return two_sum(product.high, product.low + (a.high * b.low + a.low * b.high));
}

inline DoubleDouble operator/(DoubleDouble a, DoubleDouble b) {
  const double quotient = a.high / b.high;
  const DoubleDouble rest = a - DoubleDouble{quotient} * b;
  return two_sum(quotient, rest.high / b.high);
}

}  // namespace kanml
