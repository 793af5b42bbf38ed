// The layers of a network on a tile.
#pragma once

#include "block/spline.hpp"

namespace kanml::block {

// Which degrees a program is compiled for: one, or all.
template <int Degree>
struct OneDegree {
  template <class F>
  KANML_DEVICE static void choose(int /*degree*/, const F& f) {
    f(std::integral_constant<int, Degree>{});
  }
};
struct AnyDegree {
  template <int Lowest = min_degree, class F>
  KANML_DEVICE static void choose(int degree, const F& f) {
    if constexpr (Lowest <= max_degree) {
      if (degree == Lowest) return f(std::integral_constant<int, Lowest>{});
      choose<Lowest + 1>(degree, f);
    }
  }
};

// An input of a layer that lies outside its domain, where extrapolation is "error".
template <class T>
struct Refusal {
  std::int32_t layer;  // -1: none
  std::int32_t input;
  index sample;
  T value;
};

// What one thread, of a sample and a group, does for a layer. Returns the refused input, or -1.
template <class Degrees, int Order, class T, class Array>
KANML_DEVICE int layer_forward(const Team& team, const NetworkView<T>& network, int l,
                               const T* parameters, const CurvesView<T>& curves, int s, int group,
                               const Planes<Array>& in, const Planes<Array>& out) {
  const LayerRecord& layer = network.layers[l];
  const T* const own = parameters + layer.parameters;
  int refused = -1;
  switch (layer.kind) {
    case LayerKind::splines:
      Degrees::choose(layer.degree, [&](auto degree) {
        refused = spline_forward<T, degree, Order>(team, SplinesView<T>{layer, network, own},
                                                   curves, s, group, in, out);
      });
      break;
    case LayerKind::linear:
      linear_forward(team, layer, own, curves.n_planes, s, group, in, out);
      break;
    case LayerKind::pointwise:
      pointwise_forward<Order>(team, network, layer, curves, s, group, in, out);
      break;
  }
  return refused;
}

}  // namespace kanml::block
