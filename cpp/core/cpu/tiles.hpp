// The executor for outputs and their derivatives: a tile of samples goes through all layers while
// it is in cache.
#pragma once

#include "core/cpu/tile_path.hpp"

namespace kanml {

template <class T>
class Tiles {
 public:
  // Parameters are given as kernels read them.
  Tiles(const Walk<T>& walk, const Curves<T>& curves, const T* parameters)
      : walk_(walk), curves_(curves), path_(walk, curves, parameters) {}

  // The outputs, or their Taylor coefficients: y (n_planes, n, n_out).
  void evaluate(std::span<T> y, int requested) const {
    for_tiles(requested, [&](const Tile& tile, Workspace<T>& workspace) {
      walk_.bind_outputs(tile, curves_.n, y.data(), workspace.features.back());
      path_.forward(tile, walk_.layers.size(), nullptr, workspace);
    });
  }

  // The derivative of the outputs along a direction in parameter space. The curves have one
  // direction, which is zero.
  void jvp(const T* parameter_tangent, std::span<T> y_tangent, int requested) const {
    for_tiles(requested, [&](const Tile& tile, Workspace<T>& workspace) {
      workspace.features.back()[1] = y_tangent.data() + tile.first * walk_.plan.n_out();
      path_.forward(tile, walk_.layers.size(), parameter_tangent, workspace);
    });
  }

 private:
  // Calls f(tile, workspace), with the inputs of the tile in the workspace.
  template <class F>
  void for_tiles(int requested, const F& f) const {
    const int n_planes = curves_.directions.n_planes;
    const index tiles = n_tiles(curves_.n);
    const int threads = walk_.team(requested, curves_.n * n_planes, tiles);
    Workspaces<T> workspaces(threads, walk_.plan.widths, n_planes, false,
                             walk_.scratch_bytes(n_planes));
    parallel_for(threads, tiles, [&](index t, int thread) {
      const Tile tile = tile_at(t, curves_.n);
      walk_.bind_inputs(tile, curves_, workspaces[thread]);
      f(tile, workspaces[thread]);
    });
  }

  const Walk<T>& walk_;
  const Curves<T>& curves_;
  TilePath<T> path_;
};

}  // namespace kanml
