// A tile of samples in shared memory, and how the threads of a block share the work on it.
#pragma once

#include <cstdint>

#include "kanml/types.hpp"
#include "point/device.hpp"
#include "point/orders.hpp"

namespace kanml::block {

// Each thread has a sample and a group. The threads of a group take neighbouring samples, and share
// out the features of a layer with the other groups.
struct Team {
  int samples;
  int groups;

  KANML_DEVICE int threads() const { return samples * groups; }
  KANML_DEVICE int sample_of(int thread) const { return thread % samples; }
  KANML_DEVICE int group_of(int thread) const { return thread / samples; }
  KANML_DEVICE int thread_of(int sample, int group) const { return group * samples + sample; }
};

// Taylor planes of the features of a tile. Neighbouring samples lie side by side; the stride is
// odd, so that neighbouring features lie in different banks of memory too.
template <class Array>
struct Planes {
  Array numbers;
  index first;  // of the array
  int width;
  int stride;

  KANML_DEVICE decltype(auto) operator()(int plane, int feature, int sample) const {
    return numbers[first + (plane * width + feature) * stride + sample];
  }
};
template <class Array>
Planes(Array, index, int, int) -> Planes<Array>;

// As many numbers as planes of a tile take.
KANML_DEVICE inline int stride_of(const Team& team) { return team.samples + 1; }
KANML_DEVICE inline index plane_numbers(const Team& team, int n_planes, int width) {
  return index{n_planes} * width * stride_of(team);
}

// The samples of an evaluation, and the directions along which they move. Plane 0 holds values; the
// coefficients of orders 1 .. orders[d] of direction d are in the planes from planes[d] on.
template <class T>
struct CurvesView {
  index n;            // samples
  const T* x;         // (points, n_in)
  index points;       // as many as samples, unless rows choose them
  const index* rows;  // (n): the points of the samples, or null
  int n_directions;
  const int* orders;
  const int* planes;
  int n_planes;
  const T* vectors;  // (n_directions, n_in), or (n_directions, points, n_in)
  bool one_a_point;

  KANML_DEVICE index point_of(index sample) const {
    return rows == nullptr ? sample : rows[sample];
  }
};

// Calls f(order, first plane) for each direction. The order is an integral constant.
template <int Highest, class T, class F>
[[gnu::always_inline]] KANML_DEVICE inline void for_directions(const CurvesView<T>& curves,
                                                               const F& f) {
  if constexpr (Highest > 0) {
    for (int d = 0; d < curves.n_directions; ++d) {
      point::for_order<Highest>(curves.orders[d], [&](auto order) { f(order, curves.planes[d]); });
    }
  }
}

// The samples first .. first + count - 1.
struct Tile {
  index first;
  int count;
};
KANML_DEVICE inline index n_tiles(index n, const Team& team) {
  return (n + team.samples - 1) / team.samples;
}
KANML_DEVICE inline Tile tile_at(index tile, index n, const Team& team) {
  const index first = tile * team.samples;
  const index left = n - first;
  return {first, static_cast<int>(left < team.samples ? left : team.samples)};
}

// Calls f(sample, group) for each thread that has a sample.
template <class Block, class F>
KANML_DEVICE void for_samples(Block& block, const Team& team, const Tile& tile, const F& f) {
  block.for_each_thread([&](int thread) {
    const int sample = team.sample_of(thread);
    if (sample < tile.count) f(sample, team.group_of(thread));
  });
}

// The same in a phase.
template <class Block, class F>
KANML_DEVICE void phase_of_samples(Block& block, const Team& team, const Tile& tile, const F& f) {
  for_samples(block, team, tile, f);
  block.sync();
}

// Fills the planes of the inputs of a network. Calls begin(s) by one thread of each sample.
template <class T, class Block, class Array, class F>
KANML_DEVICE void read_inputs(Block& block, const Team& team, const CurvesView<T>& curves,
                              const Tile& tile, const Planes<Array>& in, const F& begin) {
  phase_of_samples(block, team, tile, [&](int s, int group) {
    if (group == 0) begin(s);
    const index at = curves.point_of(tile.first + s);
    for (int p = group; p < in.width; p += team.groups) {
      in(0, p, s) = curves.x[at * in.width + p];
      for (int d = 0; d < curves.n_directions; ++d) {
        const index vector = curves.one_a_point ? d * curves.points + at : d;
        const int plane = curves.planes[d];
        in(plane, p, s) = curves.vectors[vector * in.width + p];
        for (int m = 1; m < curves.orders[d]; ++m) in(plane + m, p, s) = T(0);
      }
    }
  });
}

}  // namespace kanml::block
