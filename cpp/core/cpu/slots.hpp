// Gradients summed over slots of consecutive tiles, in an order that does not depend on threads.
#pragma once

#include <algorithm>
#include <array>
#include <span>

#include "kanml/buffer.hpp"
#include "kernels/calls.hpp"

namespace kanml {

// Each slot has a copy of the gradient, which is cleared and added up. There are many slots if all
// copies stay in cache and each slot has several tiles, a few if they fit the memory budget, and
// otherwise one.
inline index slots_for(index tiles, index gradient_bytes) {
  constexpr index cached_bytes = index{4} << 20;
  constexpr index budget_bytes = index{32} << 20;
  constexpr index many = 32;
  constexpr index few = 4;
  constexpr index tiles_of_slot = 4;
  const index bytes = std::max<index>(1, gradient_bytes);
  const index affordable = std::max(std::min({many, cached_bytes / bytes, tiles / tiles_of_slot}),
                                    std::min(few, budget_bytes / bytes));
  return std::clamp<index>(affordable, 1, std::max<index>(1, tiles));
}

// The slots of one gradient.
template <class T>
class Slots {
 public:
  Slots(index tiles, std::span<T> gradient)
      : tiles_(tiles),
        gradient_(gradient),
        count_(slots_for(tiles, size() * index{sizeof(T)})),
        partial_(static_cast<std::size_t>(count_ == 1 ? 0 : count_ * size()) * sizeof(T)) {}

  index count() const { return count_; }
  // A slot has the tiles from its first one up to the first one of the next slot.
  index first_tile(index slot) const { return slot * tiles_ / count_; }

  // The sink of the tiles of a slot, cleared.
  kernels::Sink<T> cleared(index slot) const {
    T* const sums = of_slot(slot);
    std::fill_n(sums, size(), T(0));
    return {.gradient = sums};
  }

  // Adding up takes tasks of task_size parameters each; none if a single slot sums in place.
  index tasks() const { return count_ == 1 ? 0 : (size() + task_size - 1) / task_size; }
  void add_up(index task) const {
    const index first = task * task_size;
    const index count = std::min(task_size, size() - first);
    std::array<double, task_size> sums{};
    for (index slot = 0; slot < count_; ++slot) {
      const T* const from = of_slot(slot) + first;
      for (index i = 0; i < count; ++i) {
        sums[static_cast<std::size_t>(i)] += static_cast<double>(from[i]);
      }
    }
    for (index i = 0; i < count; ++i) {
      gradient_[static_cast<std::size_t>(first + i)] =
          static_cast<T>(sums[static_cast<std::size_t>(i)]);
    }
  }

 private:
  static constexpr index task_size = 512;

  index size() const { return static_cast<index>(gradient_.size()); }
  T* of_slot(index slot) const {
    return count_ == 1 ? gradient_.data() : static_cast<T*>(partial_.data()) + slot * size();
  }

  index tiles_;
  std::span<T> gradient_;
  index count_;
  Buffer partial_;
};

}  // namespace kanml
