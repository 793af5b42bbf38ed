// The description of a network that block programs read, and what layers add to it.
#pragma once

#include <algorithm>
#include <vector>

#include "block/network.hpp"

namespace kanml {

template <class T>
struct Description {
  std::vector<block::LayerRecord> layers;
  std::vector<point::SpaceView<T>> spaces;  // they point into the tables of the layers
  std::vector<index> integers;
  std::vector<T> numbers;

  // Begins the record of a layer, with its arrays behind those of the layers before.
  block::LayerRecord& add(block::LayerKind kind, index n_in, index n_out) {
    return layers.emplace_back(block::LayerRecord{.kind = kind,
                                                  .n_in = static_cast<std::int32_t>(n_in),
                                                  .n_out = static_cast<std::int32_t>(n_out),
                                                  .integers = static_cast<index>(integers.size()),
                                                  .numbers = static_cast<index>(numbers.size())});
  }

  // The next output of a layer of functions of single inputs.
  void add_function(index input, block::PointFunction function, T a, T b = T(0)) {
    integers.insert(integers.end(), {input, static_cast<index>(function)});
    numbers.insert(numbers.end(), {a, b});
  }

  // The next input of a layer of splines; its space is stored once.
  void add_splines(const point::SpaceView<T>& space, index row) {
    const auto same = [&](const auto& other) { return other.knots == space.knots; };
    const auto at = std::find_if(spaces.begin(), spaces.end(), same);
    integers.insert(integers.end(), {at - spaces.begin(), row});
    if (at == spaces.end()) spaces.push_back(space);
  }

  block::NetworkView<T> view() const {
    std::int32_t widest = layers.front().n_in;
    std::int32_t features = widest;
    std::int32_t degree = 0;
    bool refuses = false;
    for (const auto& layer : layers) {
      widest = std::max(widest, layer.n_out);
      features += layer.n_out;
      degree = std::max(degree, layer.degree);
      refuses = refuses || (layer.kind == block::LayerKind::splines &&
                            layer.extrapolation == Extrapolation::error);
    }
    return {.layers = layers.data(),
            .n_layers = static_cast<std::int32_t>(layers.size()),
            .n_in = layers.front().n_in,
            .n_out = layers.back().n_out,
            .widest = widest,
            .features = features,
            .degree = degree,
            .refuses = refuses,
            .spaces = spaces.data(),
            .integers = integers.data(),
            .numbers = numbers.data()};
  }
};

}  // namespace kanml
