// The layout of a tape: the planes between the layers, tile by tile.
#pragma once

#include <utility>

#include "core/cpu/curves.hpp"
#include "core/cpu/workspace.hpp"
#include "core/network/plan.hpp"

namespace kanml {

// The count of numbers between the layers of one tile, in all planes.
inline index numbers_between(const Plan& plan, int n_planes) {
  index width = 0;
  for (std::size_t l = 1; l + 1 < plan.widths.size(); ++l) width += plan.widths[l];
  return width * n_planes * kernels::tile_size;
}

// The count of numbers on the tape of an evaluation; 0 if it would be too large.
template <class T>
index tape_size(const Plan& plan, const Curves<T>& curves) {
  constexpr index most = (index{16} << 20) / index{sizeof(T)};
  const index size = n_tiles(curves.n) * numbers_between(plan, curves.directions.n_planes);
  return size <= most ? size : 0;
}

// Points the planes between the layers at a tape, if there is one.
template <class T>
void bind_tape(const Tape<T>* tape, const Plan& plan, index tile, Workspace<T>& workspace) {
  if (tape == nullptr || tape->empty()) return;
  const auto n_planes = static_cast<int>(workspace.features.front().size());
  T* next = tape->features() + tile * numbers_between(plan, n_planes);
  for (std::size_t l = 1; l + 1 < plan.widths.size(); ++l) {
    for (T*& plane : workspace.features[l]) {
      plane = std::exchange(next, next + plan.widths[l] * kernels::tile_size);
    }
  }
}

}  // namespace kanml
