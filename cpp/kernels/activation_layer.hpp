// An activation function on every entry of a tile.
#pragma once

#include "kernels/table.hpp"
#include "point/activation.hpp"
#include "point/taylor.hpp"

namespace kanml::kernels {

template <class T, ActivationKind Kind, int Order>
void activation_forward(index entries, const T* const* x, T* const* y) {
  for (index i = 0; i < entries; ++i) {
    T curve[Order + 1];
    for (int m = 0; m <= Order; ++m) curve[m] = x[m][i];
    T f[Order + 1];
    point::activation<T, Kind, Order>(curve[0], f);
    T composition[Order + 1][Order + 1];
    point::composition_weights<T, Order>(curve, composition);
    y[0][i] = f[0];
    for (int m = 1; m <= Order; ++m) {
      T sum = T(0);
      for (int r = 1; r <= m; ++r) sum += composition[r][m] * f[r];
      y[m][i] = sum;
    }
  }
}

template <class T, ActivationKind Kind, int Order>
void activation_backward(index entries, const T* const* x, const T* const* y_cotangent,
                         T* const* x_cotangent) {
  static_assert(Order == 0);
  for (index i = 0; i < entries; ++i) {
    T f[2];
    point::activation<T, Kind, 1>(x[0][i], f);
    x_cotangent[0][i] = y_cotangent[0][i] * f[1];
  }
}

}  // namespace kanml::kernels
