// The composition of a function with the curves of a sample, and its adjoint. In both, f holds the
// derivatives of the function at the value of the curve.
#pragma once

#include "block/tile.hpp"
#include "point/taylor.hpp"

namespace kanml::block {

// The weights of one direction at an input of a sample, C_rm of (r, m).
template <class T, int Order>
struct Composition {
  T weights[Order + 1][Order + 1];

  template <class Array>
  KANML_DEVICE Composition(const Planes<Array>& in, int plane, int p, int s) {
    T curve[Order + 1];
    for (int m = 1; m <= Order; ++m) curve[m] = in(plane + m - 1, p, s);
    point::composition_weights<T, Order>(curve, weights);
  }

  // The m-th Taylor coefficient: sum_r C_rm f_r.
  KANML_DEVICE T composed(int m, const T* f) const {
    T sum = weights[1][m] * f[1];
    for (int r = 2; r <= m; ++r) sum += weights[r][m] * f[r];
    return sum;
  }
};

// Adds what goes from the cotangents of planes of an output, cy, to those of planes of an input,
// cx, along one direction; returns what goes to the value of the input. With v_m the Taylor
// coefficients of f' along the curve: cx_l += sum_{m >= l} v_{m-l} cy_m.
template <class T, int Order, class In, class Out>
KANML_DEVICE inline T compose_back(const Composition<T, Order>& composition, const T* f,
                                   const Planes<Out>& cy, int q, const Planes<In>& cx, int p,
                                   int plane, int s) {
  T v[Order + 1] = {f[1]};
  T cotangents[Order + 1];
  T to_value = T(0);
  for (int m = 1; m <= Order; ++m) {
    v[m] = composition.composed(m, f + 1);
    cotangents[m] = cy(plane + m - 1, q, s);
    to_value += v[m] * cotangents[m];
  }
  for (int l = 1; l <= Order; ++l) {
    T sum = T(0);
    for (int m = l; m <= Order; ++m) sum += v[m - l] * cotangents[m];
    cx(plane + l - 1, p, s) += sum;
  }
  return to_value;
}

// The same for all directions and the value, with f_0 .. f_{Order + 1}.
template <int Order, class T, class In, class Array>
KANML_DEVICE inline void compose_all_back(const CurvesView<T>& curves, const T* f,
                                          const Planes<In>& in, const Planes<Array>& cy, int q,
                                          const Planes<Array>& cx, int p, int s) {
  T to_value = f[1] * cy(0, q, s);
  for_directions<Order>(curves, [&](auto order, int plane) {
    const Composition<T, order> composition(in, plane, p, s);
    to_value += compose_back(composition, f, cy, q, cx, p, plane, s);
  });
  cx(0, p, s) += to_value;
}

}  // namespace kanml::block
