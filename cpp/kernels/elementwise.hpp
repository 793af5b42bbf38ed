// An activation function on every entry of a tile.
#pragma once

#include "kernels/orders.hpp"
#include "kernels/table.hpp"
#include "point/activation.hpp"
#include "point/taylor.hpp"
#include "simd/vectors.hpp"

namespace kanml::kernels::inline KANML_TARGET {

// The composition weights of one direction at one entry. `x` holds its planes from order 1 on.
template <class T, int Order>
void curve_weights(index entry, const T* const* x, T (&composition)[Order + 1][Order + 1]) {
  T curve[Order + 1] = {};
  for (int m = 1; m <= Order; ++m) curve[m] = x[m - 1][entry];
  point::composition_weights<T, Order>(curve, composition);
}

// Entry `to` of y becomes the composition of f, given by its derivatives, with entry `from` of x.
template <class T, int Order>
[[gnu::always_inline]] inline void apply_derivatives(const Directions& directions,
                                                     const T (&f)[Order + 1], index from,
                                                     const T* const* x, index to, T* const* y) {
  y[0][to] = f[0];
  for (int d = 0; d < directions.count; ++d) {
    const int plane = directions.planes[d];
    for_order<Order>(
        directions.orders[d], [&](auto order) __attribute__((always_inline)) {
          T composition[order + 1][order + 1];
          curve_weights<T, order>(from, x + plane, composition);
          for (int m = 1; m <= order; ++m) {
            T sum = T(0);
            for (int r = 1; r <= m; ++r) sum += composition[r][m] * f[r];
            y[plane + m - 1][to] = sum;
          }
        });
  }
}

// The adjoint, added to the cotangent of x. With v_m the Taylor coefficients of f' along the curve:
// cx_l += sum_{m >= l} v_{m-l} cy_m.
template <class T, int Order>
[[gnu::always_inline]] inline void add_cotangents(const Directions& directions,
                                                  const T (&f)[Order + 2], index from,
                                                  const T* const* x, index to,
                                                  const T* const* y_cotangent,
                                                  T* const* x_cotangent) {
  T by_value = y_cotangent[0][to] * f[1];
  for (int d = 0; d < directions.count; ++d) {
    const int plane = directions.planes[d];
    for_order<Order>(
        directions.orders[d], [&](auto order) __attribute__((always_inline)) {
          T composition[order + 1][order + 1];
          curve_weights<T, order>(from, x + plane, composition);
          T v[order + 1] = {f[1]};
          for (int m = 1; m <= order; ++m) {
            for (int r = 1; r <= m; ++r) v[m] += composition[r][m] * f[r + 1];
          }
          for (int m = 1; m <= order; ++m) by_value += v[m] * y_cotangent[plane + m - 1][to];
          for (int l = 1; l <= order; ++l) {
            T sum = T(0);
            for (int m = l; m <= order; ++m) sum += v[m - l] * y_cotangent[plane + m - 1][to];
            x_cotangent[plane + l - 1][from] += sum;
          }
        });
  }
  x_cotangent[0][from] += by_value;
}

template <class T, ActivationKind Kind, int Order>
Refusal activation_forward(const ElementwiseView& layer, const ForwardCall<T>& call) {
  for (index i = 0; i < call.samples * layer.width; ++i) {
    T f[Order + 1];
    point::Activation<Kind>::template derivatives<T, Order>(call.x[0][i], f);
    apply_derivatives<T, Order>(call.directions, f, i, call.x, i, call.y);
  }
  return {};
}

template <class T, ActivationKind Kind, int Order>
Refusal activation_backward(const ElementwiseView& layer, const BackwardCall<T>& call) {
  if (call.x_cotangent == nullptr) return {};
  const index entries = call.samples * layer.width;
  for (int m = 0; m < call.directions.n_planes; ++m) clear(entries, call.x_cotangent[m]);
  for (index i = 0; i < entries; ++i) {
    T f[Order + 2];
    point::Activation<Kind>::template derivatives<T, Order + 1>(call.x[0][i], f);
    add_cotangents<T, Order>(call.directions, f, i, call.x, i, call.y_cotangent, call.x_cotangent);
  }
  return {};
}

}  // namespace kanml::kernels::inline KANML_TARGET
