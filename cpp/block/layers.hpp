// The layers of a network on a tile.
#pragma once

#include "block/spline.hpp"
#include "block/spline_gradient.hpp"

namespace kanml::block {

// Calls f with a degree as an integral constant.
template <int Lowest = min_degree, class F>
KANML_DEVICE inline void with_degree(int degree, const F& f) {
  if constexpr (Lowest <= max_degree) {
    if (degree == Lowest) return f(std::integral_constant<int, Lowest>{});
    with_degree<Lowest + 1>(degree, f);
  }
}

// An input of a layer that lies outside its domain, where extrapolation is "error".
template <class T>
struct Refusal {
  std::int32_t layer;  // -1: none
  std::int32_t input;
  index sample;
  T value;
};

// Those of the samples of a tile; none if no layer refuses inputs.
template <class T, class Block>
KANML_DEVICE auto refused_memory(Block& block, const NetworkView<T>& network, const Team& team) {
  return block.template shared<Refusal<T>>("refused", network.refuses ? team.samples : 0);
}

// What becomes of the cotangents of all parameters: they are added to one gradient, or to one of
// each sample, a row of a Jacobian; or its product with a direction is.
template <class T>
struct SumSink {
  T* gradient;
};
template <class T>
struct RowSink {
  T* first;  // of the first sample of the tile
  index stride;

  // Takes what a thread adds to derivatives with respect to the parameters of a layer.
  KANML_DEVICE auto of(int s, int /*group*/, const LayerRecord& layer) const {
    return [own = first + s * stride + layer.parameters](index i, T value) { own[i] += value; };
  }
};
template <class T, class Array>
struct ProductSink {
  const T* direction;
  Array sums;  // (threads)
  Team team;

  KANML_DEVICE auto of(int s, int group, const LayerRecord& layer) const {
    const int thread = team.thread_of(s, group);
    return [factors = direction + layer.parameters, sums = sums, thread](index i, T value) {
      sums[thread] += factors[i] * value;
    };
  }
};
template <class T, class Array>
ProductSink(const T*, Array, Team) -> ProductSink<T, Array>;

// A network with its parameters, as kernels read them.
template <class T>
struct LayersView {
  NetworkView<T> network;
  const T* parameters;

  KANML_DEVICE const T* of_layer(int l) const { return parameters + network.layers[l].parameters; }
  KANML_DEVICE SplinesView<T> splines(int l) const {
    return {network.layers[l], network, of_layer(l)};
  }
};

// What programs do with layers, for directions of at most `Order`.
template <class T, int Order>
struct LayerPrograms {
  LayersView<T> layers;
  Team team;
  index coefficients = 0;  // how many fit in shared memory at a time

  // Shared memory for the coefficients of splines.
  template <class Block>
  KANML_DEVICE auto coefficient_memory(Block& block) const {
    return CoefficientMemory{block.template shared<T>("coefficients", coefficients), coefficients};
  }

  // Takes a tile from planes(0) to planes(n_layers). Those of its samples that a layer refuses are
  // entered in a list, (samples), which is cleared before if it is `fresh`. Without layers that
  // refuse, it is not used.
  template <class Block, class Memory, class PlanesOf, class List>
  KANML_DEVICE void forward(Block& block, const Memory& memory, const CurvesView<T>& curves,
                            const Tile& tile, const PlanesOf& planes, const List& refused,
                            bool fresh = true) const {
    read_inputs(block, team, curves, tile, planes(0), [&](int s) {
      if (fresh && layers.network.refuses) refused[s] = Refusal<T>{-1, 0, 0, T(0)};
    });
    for (int l = 0; l < layers.network.n_layers; ++l) {
      const LayerRecord& layer = layers.network.layers[l];
      const auto in = planes(l);
      const auto out = planes(l + 1);
      switch (layer.kind) {
        case LayerKind::splines:
          with_degree(layer.degree, [&](auto degree) {
            spline_forward<T, degree, Order>(block, team, layers.splines(l), curves, tile, memory,
                                             in, out, [&](int s, int p, T x) {
                                               if (Refusal<T>(refused[s]).layer >= 0) return;
                                               refused[s] = Refusal<T>{l, p, tile.first + s, x};
                                             });
          });
          break;
        case LayerKind::linear:
          phase_of_samples(block, team, tile, [&](int s, int group) {
            linear_forward(team, layer, layers.of_layer(l), curves.n_planes, s, group, in, out);
          });
          break;
        case LayerKind::pointwise:
          phase_of_samples(block, team, tile, [&](int s, int group) {
            pointwise_forward<Order>(team, layers.network, layer, curves, s, group, in, out);
          });
          break;
      }
    }
  }

  // The first of them, or what says that there is none. One thread calls it.
  template <class List>
  KANML_DEVICE static Refusal<T> first_of(const Tile& tile, const List& refused) {
    Refusal<T> first = refused[0];
    for (int s = 1; s < tile.count && first.layer < 0; ++s) first = refused[s];
    return first;
  }

  // Adds what layer l contributes to the gradient of all samples.
  template <class Block, class Array, class Edges>
  KANML_DEVICE void add_to_sink(Block& block, int l, const CurvesView<T>& curves, const Tile& tile,
                                const Planes<Array>& in, const Planes<Array>& cy,
                                const Edges& edges, const SumSink<T>& sink) const {
    const LayerRecord& layer = layers.network.layers[l];
    T* const own = sink.gradient + layer.parameters;
    switch (layer.kind) {
      case LayerKind::splines:
        with_degree(layer.degree, [&](auto degree) {
          add_spline_gradient<degree, Order>(block, team, layers.splines(l), curves, tile, in, cy,
                                             edges, own);
        });
        break;
      case LayerKind::linear:
        add_linear_gradient(block, layer, curves.n_planes, tile, in, cy, own);
        break;
      case LayerKind::pointwise:
        break;
    }
  }

  // The same to what a sink has of each sample.
  template <class Block, class Array, class Edges, class Sink>
  KANML_DEVICE void add_to_sink(Block& block, int l, const CurvesView<T>& curves, const Tile& tile,
                                const Planes<Array>& in, const Planes<Array>& cy,
                                const Edges& /*edges*/, const Sink& sink) const {
    const LayerRecord& layer = layers.network.layers[l];
    phase_of_samples(block, team, tile, [&](int s, int group) {
      const auto add = sink.of(s, group, layer);
      switch (layer.kind) {
        case LayerKind::splines:
          with_degree(layer.degree, [&](auto degree) {
            add_spline_row<degree, Order>(team, layers.splines(l), curves, s, group, in, cy, add);
          });
          break;
        case LayerKind::linear:
          add_linear_row<T>(team, layer, curves.n_planes, s, group, in, cy, add);
          break;
        case LayerKind::pointwise:
          break;
      }
    });
  }

  // Carries cotangents from the outputs of layer l to its inputs.
  template <class Block, class Memory, class Array>
  KANML_DEVICE void back(Block& block, const Memory& memory, int l, const CurvesView<T>& curves,
                         const Tile& tile, const Planes<Array>& in, const Planes<Array>& cy,
                         const Planes<Array>& cx) const {
    const LayerRecord& layer = layers.network.layers[l];
    switch (layer.kind) {
      case LayerKind::splines:
        with_degree(layer.degree, [&](auto degree) {
          spline_back<T, degree, Order>(block, team, layers.splines(l), curves, tile, memory, in,
                                        cy, cx);
        });
        break;
      case LayerKind::linear:
        phase_of_samples(block, team, tile, [&](int s, int group) {
          linear_back(team, layer, layers.of_layer(l), curves.n_planes, s, group, cy, cx);
        });
        break;
      case LayerKind::pointwise:
        phase_of_samples(block, team, tile, [&](int s, int group) {
          pointwise_back<Order>(team, layers.network, layer, curves, s, group, in, cy, cx);
        });
        break;
    }
  }
};

}  // namespace kanml::block
