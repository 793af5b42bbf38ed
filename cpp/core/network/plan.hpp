// The layout of a network: its layers, and where the parameters of each are in one vector. A plan
// does not know how it is run.
#pragma once

#include <span>
#include <vector>

#include "core/parameters/kind.hpp"
#include "kanml/layers.hpp"

namespace kanml {

struct Plan {
  // Throws std::invalid_argument if there is no layer, or widths do not chain.
  explicit Plan(Layers given);

  Layers layers;
  std::vector<index> offsets;  // (layers + 1): where the parameters of each begin, and all end
  std::vector<index> widths;   // (layers + 1): inputs, between the layers, outputs
  std::vector<StoredPart> stored_parts;
  std::size_t first_trained = 0;  // the first layer with parameters; gradients stop there
  int max_order = max_taylor_order;

  index n_in() const { return widths.front(); }
  index n_out() const { return widths.back(); }
  index n_parameters() const { return offsets.back(); }
  // Those of the layers from one on. Throws std::invalid_argument if there is no such layer.
  index n_parameters_from(std::size_t layer) const;

  // Throws std::invalid_argument for a Taylor order that the layers do not have.
  void require_orders(std::span<const int> orders) const;

  // The parameters as kernels read them; `storage` holds them if they differ from the stored ones.
  template <class T>
  const T* decode(std::span<const T> stored, std::vector<T>& storage) const;
  // The same for a direction in parameter space.
  template <class T>
  const T* push_forward(std::span<const T> stored, std::span<const T> tangent,
                        std::vector<T>& storage) const;
  // Replaces the gradient with respect to what kernels read by that with respect to what is stored.
  template <class T>
  void pull_back(std::span<const T> stored, std::span<T> gradient) const;
};

}  // namespace kanml
