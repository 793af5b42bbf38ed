// Features of single inputs on a tile of samples: an input itself, or the cosine or sine of a
// multiple of it.
#pragma once

#include "kernels/elementwise.hpp"
#include "kernels/table.hpp"
#include "point/feature.hpp"
#include "simd/vectors.hpp"

namespace kanml::kernels::inline KANML_TARGET {

// Calls f(feature, its inputs, its outputs) for groups of samples and each feature.
template <class T, class F>
[[gnu::always_inline]] inline void for_features(const EmbeddingView<T>& layer, index samples,
                                                const F& f) {
  for_groups<T>(samples, [&](index s, int count) {
    for (index q = 0; q < layer.n_out; ++q) {
      f(q, Entries{s * layer.n_in + layer.inputs[q], layer.n_in, count},
        Entries{s * layer.n_out + q, layer.n_out, count});
    }
  });
}

template <class T, int Order>
Refusal embedding_forward(const EmbeddingView<T>& layer, const ForwardCall<T>& call) {
  for_features(layer, call.samples, [&](index q, const Entries& from, const Entries& to) {
    Group<T> f[Order + 1];
    point::feature_derivatives<VectorFunctions, T, Order>(layer.features[q], layer.frequencies[q],
                                                          from.of(call.x[0]), f);
    to.set(call.y[0], f[0]);
    for_directions<Order>(call.directions, [&](auto order, int plane) {
      compose<T, order>(f, from, call.x + plane, to, call.y + plane);
    });
  });
  return {};
}

// Sums the cotangents of the features of each input.
template <class T, int Order>
Refusal embedding_backward(const EmbeddingView<T>& layer, const BackwardCall<T>& call) {
  if (call.x_cotangent == nullptr) return {};
  for (int m = 0; m < call.directions.n_planes; ++m) {
    clear(call.samples * layer.n_in, call.x_cotangent[m]);
  }
  for_features(layer, call.samples, [&](index q, const Entries& from, const Entries& to) {
    Group<T> f[Order + 2];
    point::feature_derivatives<VectorFunctions, T, Order + 1>(
        layer.features[q], layer.frequencies[q], from.of(call.x[0]), f);
    Group<T> by_value = rounded(to.of(call.y_cotangent[0]) * f[1]);
    for_directions<Order>(call.directions, [&](auto order, int plane) {
      by_value += compose_back<T, order>(f, from, call.x + plane, to, call.y_cotangent + plane,
                                         call.x_cotangent + plane);
    });
    from.add(call.x_cotangent[0], by_value);
  });
  return {};
}

}  // namespace kanml::kernels::inline KANML_TARGET
