// Features of single inputs on a tile of samples: an input itself, or the cosine or sine of a
// multiple of it.
#pragma once

#include <cmath>

#include "kernels/elementwise.hpp"
#include "kernels/table.hpp"
#include "simd/vectors.hpp"

namespace kanml::kernels::inline KANML_TARGET {

// Derivatives 0..Top of a feature with respect to its input x.
template <class T, int Top>
inline void feature_derivatives(Feature kind, T frequency, T x, T (&f)[Top + 1]) {
  if (kind == Feature::identity) {
    f[0] = x;
    for (int m = 1; m <= Top; ++m) f[m] = m == 1 ? T(1) : T(0);
    return;
  }
  const T sine = std::sin(frequency * x);
  const T cosine = std::cos(frequency * x);
  // The derivatives repeat in a cycle: sin, cos, -sin, -cos.
  const T circle[4] = {sine, cosine, -sine, -cosine};
  const int start = kind == Feature::sine ? 0 : 1;
  T power = T(1);
  for (int m = 0; m <= Top; ++m) {
    f[m] = power * circle[(start + m) % 4];
    power *= frequency;
  }
}

template <class T, int Order>
Refusal embedding_forward(const EmbeddingView<T>& layer, const ForwardCall<T>& call) {
  for (int s = 0; s < call.samples; ++s) {
    for (index q = 0; q < layer.n_out; ++q) {
      const index entry = s * layer.n_in + layer.inputs[q];
      T f[Order + 1];
      feature_derivatives<T, Order>(layer.features[q], layer.frequencies[q], call.x[0][entry], f);
      apply_derivatives<T, Order>(call.directions, f, entry, call.x, s * layer.n_out + q, call.y);
    }
  }
  return {};
}

// Sums the cotangents of the features of each input.
template <class T, int Order>
Refusal embedding_backward(const EmbeddingView<T>& layer, const BackwardCall<T>& call) {
  if (call.x_cotangent == nullptr) return {};
  for (int m = 0; m < call.directions.n_planes; ++m) {
    clear(call.samples * layer.n_in, call.x_cotangent[m]);
  }
  for (int s = 0; s < call.samples; ++s) {
    for (index q = 0; q < layer.n_out; ++q) {
      const index entry = s * layer.n_in + layer.inputs[q];
      T f[Order + 2];
      feature_derivatives<T, Order + 1>(layer.features[q], layer.frequencies[q], call.x[0][entry],
                                        f);
      add_cotangents<T, Order>(call.directions, f, entry, call.x, s * layer.n_out + q,
                               call.y_cotangent, call.x_cotangent);
    }
  }
  return {};
}

}  // namespace kanml::kernels::inline KANML_TARGET
