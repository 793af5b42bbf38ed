// The composition of a function with the curves of a sample, and its adjoint.
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

  // The m-th Taylor coefficient of a function with the derivatives f_0, f_1, ...: sum_r C_rm f_r.
  KANML_DEVICE T composed(int m, const T* f) const {
    T sum = weights[1][m] * f[1];
    for (int r = 2; r <= m; ++r) sum += weights[r][m] * f[r];
    return sum;
  }
};

// The cotangents of derivatives 0..Order of a function of input p, whose Taylor coefficients are
// those of output q: e_0 = cy_0, e_r = sum_m C_rm cy_m, summed over the directions.
template <int Order, class T, class Array>
KANML_DEVICE inline void cotangents_of_derivatives(const CurvesView<T>& curves,
                                                   const Planes<Array>& in, int p,
                                                   const Planes<Array>& cy, int q, int s,
                                                   T (&e)[Order + 1]) {
  e[0] = cy(0, q, s);
  for (int r = 1; r <= Order; ++r) e[r] = T(0);
  for_directions<Order>(curves, [&](auto order, int plane) {
    const Composition<T, order> composition(in, plane, p, s);
    for (int m = 1; m <= order; ++m) {
      const T cotangent = cy(plane + m - 1, q, s);
      for (int r = 1; r <= m; ++r) e[r] += composition.weights[r][m] * cotangent;
    }
  });
}

// What goes back along one direction, from the cotangents of output q to those of an input: with
// v_m the Taylor coefficients of f' along the curve, sums_l += sum_{m >= l} v_{m-l} cy_m; returns
// what goes to the value. `slopes` holds f_1 .. f_{Order + 1}, and sums begin with l = 1.
template <class T, int Order, class Array>
KANML_DEVICE inline T compose_back(const Composition<T, Order>& composition, const T* slopes,
                                   const Planes<Array>& cy, int plane, int q, int s, T* sums) {
  T v[Order + 1] = {slopes[0]};
  T cotangents[Order + 1];
  T to_value = T(0);
  for (int m = 1; m <= Order; ++m) {
    v[m] = composition.composed(m, slopes);
    cotangents[m] = cy(plane + m - 1, q, s);
    to_value += v[m] * cotangents[m];
  }
  for (int l = 1; l <= Order; ++l) {
    for (int m = l; m <= Order; ++m) sums[l - 1] += v[m - l] * cotangents[m];
  }
  return to_value;
}

// The same for all directions and Width outputs from q on, added to the cotangents of input p.
template <int Order, int Width, class T, class Array>
KANML_DEVICE inline void add_cotangents(const CurvesView<T>& curves,
                                        const T (&slopes)[Width][Order + 1],
                                        const Planes<Array>& in, const Planes<Array>& cy, int q,
                                        const Planes<Array>& cx, int p, int s) {
  T to_value = T(0);
  for (int i = 0; i < Width; ++i) to_value += slopes[i][0] * cy(0, q + i, s);
  for_directions<Order>(curves, [&](auto order, int plane) {
    const Composition<T, order> composition(in, plane, p, s);
    T sums[order] = {};
    for (int i = 0; i < Width; ++i) {
      to_value += compose_back(composition, slopes[i], cy, plane, q + i, s, sums);
    }
    for (int l = 0; l < order; ++l) cx(plane + l, p, s) += sums[l];
  });
  cx(0, p, s) += to_value;
}

}  // namespace kanml::block
