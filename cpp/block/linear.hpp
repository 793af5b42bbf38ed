// Linear layers: y = x W + b. W multiplies every Taylor plane; the bias is added to plane 0.
#pragma once

#include "block/network.hpp"
#include "block/tile.hpp"

namespace kanml::block {

// Neighbouring outputs that a thread computes together, so that a number of the inputs is read once
// for all of them.
inline constexpr int strip = 4;

// Calls f(first output, width) for the outputs of a group; the width is an integral constant.
template <class F>
[[gnu::always_inline]] KANML_DEVICE inline void for_strips(const Team& team, int group, int n_out,
                                                           const F& f) {
  for (int q = group * strip; q < n_out; q += team.groups * strip) {
    if (q + strip <= n_out) {
      f(q, std::integral_constant<int, strip>{});
    } else {
      for (int rest = q; rest < n_out; ++rest) f(rest, std::integral_constant<int, 1>{});
    }
  }
}

// A thread owns the outputs of its group at its sample.
template <class T, class Array>
KANML_DEVICE void linear_forward(const Team& team, const LayerRecord& layer, const T* parameters,
                                 int n_planes, int s, int group, const Planes<Array>& in,
                                 const Planes<Array>& out) {
  const index n_out = layer.n_out;
  const T* const bias = parameters + layer.n_in * n_out;
  for_strips(team, group, layer.n_out, [&](int q, auto width) {
    for (int m = 0; m < n_planes; ++m) {
      T sums[width];
      for (int i = 0; i < width; ++i) sums[i] = m == 0 && layer.bias ? bias[q + i] : T(0);
      for (int p = 0; p < layer.n_in; ++p) {
        const T x = in(m, p, s);
        for (int i = 0; i < width; ++i) sums[i] += x * parameters[p * n_out + q + i];
      }
      for (int i = 0; i < width; ++i) out(m, q + i, s) = sums[i];
    }
  });
}

// A thread owns the cotangents of the inputs of its group at its sample.
template <class T, class Array>
KANML_DEVICE void linear_back(const Team& team, const LayerRecord& layer, const T* parameters,
                              int n_planes, int s, int group, const Planes<Array>& cy,
                              const Planes<Array>& cx) {
  for (int p = group; p < layer.n_in; p += team.groups) {
    const T* const weights = parameters + index{p} * layer.n_out;
    for (int m = 0; m < n_planes; ++m) {
      T sum = T(0);
      for (int q = 0; q < layer.n_out; ++q) sum += weights[q] * cy(m, q, s);
      cx(m, p, s) = sum;
    }
  }
}

// Adds to the gradient with respect to W and the bias: a thread owns entries of them.
template <class T, class Block, class Array>
KANML_DEVICE void add_linear_gradient(Block& block, const LayerRecord& layer, int n_planes,
                                      const Tile& tile, const Planes<Array>& in,
                                      const Planes<Array>& cy, T* gradient) {
  const index n_weights = index{layer.n_in} * layer.n_out;
  block.phase([&](int thread) {
    for (index i = thread; i < n_weights; i += block.threads()) {
      const int p = static_cast<int>(i / layer.n_out);
      const int q = static_cast<int>(i % layer.n_out);
      T sum = T(0);
      for (int m = 0; m < n_planes; ++m) {
        for (int s = 0; s < tile.count; ++s) sum += in(m, p, s) * cy(m, q, s);
      }
      gradient[i] += sum;
    }
    for (int q = thread; layer.bias && q < layer.n_out; q += block.threads()) {
      T sum = T(0);
      for (int s = 0; s < tile.count; ++s) sum += cy(0, q, s);
      gradient[n_weights + q] += sum;
    }
  });
}

// The same at one sample: calls add(parameter, derivative). A thread owns what belongs to the
// inputs of its group; the first group has the bias.
template <class T, class Array, class Add>
KANML_DEVICE void add_linear_row(const Team& team, const LayerRecord& layer, int n_planes, int s,
                                 int group, const Planes<Array>& in, const Planes<Array>& cy,
                                 const Add& add) {
  const index n_out = layer.n_out;
  for (int p = group; p < layer.n_in; p += team.groups) {
    for (int q = 0; q < layer.n_out; ++q) {
      T sum = T(0);
      for (int m = 0; m < n_planes; ++m) sum += in(m, p, s) * cy(m, q, s);
      add(p * n_out + q, sum);
    }
  }
  for (int q = 0; layer.bias && group == 0 && q < layer.n_out; ++q) {
    add(layer.n_in * n_out + q, cy(0, q, s));
  }
}

}  // namespace kanml::block
