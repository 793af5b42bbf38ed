// Layers of functions of single inputs: y_q = f_q(x_p).
#pragma once

#include "block/composition.hpp"
#include "block/network.hpp"
#include "point/activation.hpp"
#include "point/feature.hpp"
#include "point/functions.hpp"

namespace kanml::block {

// Derivatives 0..Top of an activation.
template <class T, int Top>
KANML_DEVICE inline void activation_derivatives(ActivationKind kind, T x, T (&f)[Top + 1]) {
  switch (kind) {
#define KANML_CASE(name)                                                                           \
  case ActivationKind::name:                                                                       \
    point::Activation<ActivationKind::name>::template derivatives<point::ScalarFunctions, T, Top>( \
        x, f);                                                                                     \
    break;
    KANML_FOR_EACH_ACTIVATION(KANML_CASE)
#undef KANML_CASE
  }
}

// One of the functions of a layer, with its input p.
template <class T>
struct OneFunction {
  int p;
  PointFunction kind;
  T a;
  T b;

  KANML_DEVICE OneFunction(const NetworkView<T>& network, const LayerRecord& layer, int q) {
    const index* const integers = network.integers + layer.integers + 2 * q;
    const T* const numbers = network.numbers + layer.numbers + 2 * q;
    p = static_cast<int>(integers[0]);
    kind = static_cast<PointFunction>(integers[1]);
    a = numbers[0];
    b = numbers[1];
  }

  template <int Top>
  KANML_DEVICE void derivatives(T x, T (&f)[Top + 1]) const {
    using Functions = point::ScalarFunctions;
    switch (kind) {
      case PointFunction::affine:
        f[0] = a * x + b;
        for (int m = 1; m <= Top; ++m) f[m] = m == 1 ? a : T(0);
        break;
      case PointFunction::cosine:
        point::feature_derivatives<Functions, T, Top>(Feature::cosine, a, x, f);
        break;
      case PointFunction::sine:
        point::feature_derivatives<Functions, T, Top>(Feature::sine, a, x, f);
        break;
      default:
        activation_derivatives<T, Top>(
            static_cast<ActivationKind>(static_cast<int>(kind) - first_activation), x, f);
    }
  }
};

// A thread owns the outputs of its group at its sample.
template <int Order, class T, class Array>
KANML_DEVICE void pointwise_forward(const Team& team, const NetworkView<T>& network,
                                    const LayerRecord& layer, const CurvesView<T>& curves, int s,
                                    int group, const Planes<Array>& in, const Planes<Array>& out) {
  for (int q = group; q < layer.n_out; q += team.groups) {
    const OneFunction<T> function(network, layer, q);
    T f[Order + 1];
    function.template derivatives<Order>(in(0, function.p, s), f);
    out(0, q, s) = f[0];
    for_directions<Order>(curves, [&](auto order, int plane) {
      const Composition<T, order> composition(in, plane, function.p, s);
      for (int m = 1; m <= order; ++m) out(plane + m - 1, q, s) = composition.composed(m, f);
    });
  }
}

// A thread owns the cotangents of the inputs of its group at its sample.
template <int Order, class T, class Array>
KANML_DEVICE void pointwise_back(const Team& team, const NetworkView<T>& network,
                                 const LayerRecord& layer, const CurvesView<T>& curves, int s,
                                 int group, const Planes<Array>& in, const Planes<Array>& cy,
                                 const Planes<Array>& cx) {
  for (int p = group; p < layer.n_in; p += team.groups) {
    for (int m = 0; m < curves.n_planes; ++m) cx(m, p, s) = T(0);
    const int first = layer.entrywise ? p : 0;
    const int last = layer.entrywise ? p + 1 : layer.n_out;
    for (int q = first; q < last; ++q) {
      const OneFunction<T> function(network, layer, q);
      if (function.p != p) continue;
      T f[Order + 2] = {};
      function.template derivatives<Order + 1>(in(0, p, s), f);
      T slopes[1][Order + 1];
      for (int r = 0; r <= Order; ++r) slopes[0][r] = f[r + 1];
      add_cotangents<Order>(curves, slopes, in, cy, q, cx, p, s);
    }
  }
}

}  // namespace kanml::block
