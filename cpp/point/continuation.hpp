// A spline far outside its domain, where the weights of the basis overflow.
#pragma once

#include "point/device.hpp"
#include "point/target.hpp"

namespace kanml::point::inline KANML_TARGET {

template <class T>
struct ValueAndSlope {
  T value;
  T slope;
};

// Value and slope at the distance `beyond` from a point, from the Taylor coefficients of orders
// 0 .. top there, by Horner's scheme. derivative(m, j) is that of order m, at the point, of the
// function that the coefficient c[j * stride] multiplies.
template <int Degree, class T, class Stride, class F>
KANML_DEVICE ValueAndSlope<T> continued(const F& derivative, T beyond, int top, const T* c,
                                        Stride stride) {
  T taylor[Degree + 1] = {};
  for (int j = 0; j <= Degree; ++j) taylor[0] += derivative(0, j) * c[j * stride];
  T factorial = 1;
  for (int m = 1; m <= top; ++m) {
    factorial *= static_cast<T>(m);
    // From differences of coefficients, so that a constant has no slope.
    T sum = 0;
    for (int j = 0; j < Degree; ++j) {
      sum -= derivative(m, j);
      taylor[m] += sum * (c[(j + 1) * stride] - c[j * stride]);
    }
    taylor[m] /= factorial;
  }
  ValueAndSlope<T> at{taylor[top], static_cast<T>(top) * taylor[top]};
  for (int m = top; m-- > 0;) {
    at.value = at.value * beyond + taylor[m];
    if (m > 0) at.slope = at.slope * beyond + static_cast<T>(m) * taylor[m];
  }
  return at;
}

}  // namespace kanml::point::inline KANML_TARGET
