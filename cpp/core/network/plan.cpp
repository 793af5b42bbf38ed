#include "core/network/plan.hpp"

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <string>

namespace kanml {

int Layer::max_order() const { return max_taylor_order; }

std::vector<StoredPart> Layer::stored_parts() const { return {}; }

namespace {

void require_width(index width, std::size_t layer) {
  constexpr index most = std::numeric_limits<std::int32_t>::max();
  if (width < 1 || width > most) {
    throw std::invalid_argument("layer " + std::to_string(layer) + " has the width " +
                                std::to_string(width) + ", expected 1 to " + std::to_string(most));
  }
}

template <class T>
std::span<T> part_of(std::span<T> vector, const StoredPart& part) {
  return vector.subspan(static_cast<std::size_t>(part.offset),
                        static_cast<std::size_t>(part.kind->size()));
}

}  // namespace

Plan::Plan(Layers given) : layers(std::move(given)), offsets{0} {
  if (layers.empty()) throw std::invalid_argument("a network needs at least one layer");
  widths.push_back(layers.front()->n_in());
  for (std::size_t l = 0; l < layers.size(); ++l) {
    const Layer& layer = *layers[l];
    require_width(layer.n_in(), l);
    require_width(layer.n_out(), l);
    if (layer.n_in() != widths.back()) {
      throw std::invalid_argument("layer " + std::to_string(l) + " takes " +
                                  std::to_string(layer.n_in()) + " inputs, but receives " +
                                  std::to_string(widths.back()));
    }
    for (StoredPart& part : layer.stored_parts()) {
      stored_parts.push_back({n_parameters() + part.offset, std::move(part.kind)});
    }
    if (n_parameters() == 0 && layer.n_parameters() > 0) first_trained = l;
    offsets.push_back(n_parameters() + layer.n_parameters());
    widths.push_back(layer.n_out());
    max_order = std::min(max_order, layer.max_order());
  }
}

index Plan::n_parameters_from(std::size_t layer) const {
  if (layer >= layers.size()) throw std::invalid_argument("there is no such layer");
  return n_parameters() - offsets[layer];
}

void Plan::require_orders(std::span<const int> orders) const {
  for (const int order : orders) {
    if (order < 1 || order > max_order) {
      throw std::invalid_argument("Taylor order " + std::to_string(order) + " is not one of 1 .. " +
                                  std::to_string(max_order) +
                                  ", which the degrees of the spline layers allow");
    }
  }
}

template <class T>
const T* Plan::decode(std::span<const T> stored, std::vector<T>& storage) const {
  if (stored_parts.empty()) return stored.data();
  storage.assign(stored.begin(), stored.end());
  for (const StoredPart& part : stored_parts) {
    part.kind->decode(part_of(stored, part), part_of(std::span(storage), part));
  }
  return storage.data();
}

template <class T>
const T* Plan::push_forward(std::span<const T> stored, std::span<const T> tangent,
                            std::vector<T>& storage) const {
  if (stored_parts.empty()) return tangent.data();
  storage.assign(tangent.begin(), tangent.end());
  for (const StoredPart& part : stored_parts) {
    part.kind->push_forward(part_of(stored, part), part_of(tangent, part),
                            part_of(std::span(storage), part));
  }
  return storage.data();
}

template <class T>
void Plan::pull_back(std::span<const T> stored, std::span<T> gradient) const {
  for (const StoredPart& part : stored_parts) {
    const std::span<T> of_part = part_of(gradient, part);
    part.kind->pull_back(part_of(stored, part), of_part, of_part);
  }
}

#define KANML_INSTANTIATE(T)                                                                       \
  template const T* Plan::decode<T>(std::span<const T>, std::vector<T>&) const;                    \
  template const T* Plan::push_forward<T>(std::span<const T>, std::span<const T>, std::vector<T>&) \
      const;                                                                                       \
  template void Plan::pull_back<T>(std::span<const T>, std::span<T>) const
KANML_INSTANTIATE(float);
KANML_INSTANTIATE(double);
#undef KANML_INSTANTIATE

}  // namespace kanml
