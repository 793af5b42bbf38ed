// The executor for values of networks with wide layers: tiles are large enough for sorting, and the
// backward pass goes through parts of the layers.
#pragma once

#include <limits>

#include "core/cpu/pass.hpp"

namespace kanml {

template <class T>
class Sheets {
 public:
  // Whether sheets suit a network better than tiles.
  static bool suit(const Walk<T>& walk, const Curves<T>& curves) {
    return curves.directions.count == 0 && curves.n > kernels::tile_size && wide_tile(walk) > 0;
  }

  // Parameters are given as kernels read them.
  Sheets(const Walk<T>& walk, const Curves<T>& curves, const T* parameters)
      : walk_(walk),
        curves_(curves),
        parameters_(parameters),
        tile_size_(tile_size_for(wide_tile(walk), curves.n)) {}

  void evaluate(std::span<T> y, int requested) const {
    const int threads = walk_.team(requested, curves_.n, tiles());
    Workspaces<T> workspaces(threads, widths(), 1, false, walk_.scratch_bytes(1, tile_size_),
                             tile_size_);
    parallel_for(threads, tiles(), [&](index t, int thread) {
      const Tile tile = tile_at(t, curves_.n, tile_size_);
      Workspace<T>& workspace = workspaces[thread];
      walk_.bind_inputs(tile, curves_, workspace);
      walk_.bind_outputs(tile, curves_.n, y.data(), workspace.features.back());
      forward(tile, walk_.layers.size(), workspace);
    });
  }

  // The losses alone; see losses.hpp.
  template <class Loss>
  void evaluate(Loss& loss, int requested) const {
    const int threads = walk_.team(requested, curves_.n, tiles());
    loss.prepare(threads, tiles());
    Workspaces<T> workspaces(threads, widths(), 1, false, walk_.scratch_bytes(1, tile_size_),
                             tile_size_);
    parallel_for(threads, tiles(), [&](index t, int thread) {
      const Tile tile = tile_at(t, curves_.n, tile_size_);
      walk_.bind_inputs(tile, curves_, workspaces[thread]);
      forward(tile, walk_.layers.size(), workspaces[thread]);
      loss({t, 0, tile}, thread, &workspaces[thread], false);
    });
  }

  // The losses and the gradient of their sum; see losses.hpp. The gradient is large, so threads do
  // not sum copies of it but own parts. A *sheet* of samples goes forwards tile by tile, and then
  // backwards layer by layer. A part of a layer collects the contributions of the whole sheet in
  // the order of the samples.
  template <class Loss>
  void gradient(Loss& loss, std::span<T> parameter_gradient, std::span<T> input_gradient,
                int requested) const {
    const index n = curves_.n;
    const index sheet_size = tiles_a_sheet() * tile_size_;
    const auto samples_of = [&](index sheet) { return tile_at(sheet, n, sheet_size); };
    const int threads = walk_.team(requested, n, std::numeric_limits<index>::max());
    loss.prepare(threads, tiles());
    Workspaces<T> sheets(1, widths(), 1, true, 0, std::min(n, sheet_size));
    const Workspace<T>& sheet = sheets[0];
    Workspaces<T> windows(threads, widths(), 1, true, walk_.scratch_bytes(1, tile_size_), 0);
    clear_where_layers_add(parameter_gradient);

    const T* output_cotangents = nullptr;  // of the sheet
    const auto forward_tile = [&](const Tile& whole, index t, int thread) {
      Workspace<T>& window = windows[thread];
      const Tile tile = bind_window(sheet, whole, t, window);
      forward(tile, walk_.layers.size() - (Loss::reads_outputs ? 0 : 1), window);
      loss({tile.first / tile_size_, 0, tile}, thread, &window, true);
      if (t == 0) output_cotangents = window.cotangents.back()[0];  // maybe memory of the caller
    };
    const std::size_t lowest = walk_.lowest(!input_gradient.empty());
    const auto backward_part = [&](const Tile& whole, std::size_t l, Part part, void* scratch) {
      const index offset = walk_.plan.offsets[l];
      const T* in = l == 0 ? curves_.x.data() + whole.first * widths()[0] : sheet.features[l][0];
      T* to = l > lowest               ? sheet.cotangents[l][0]
              : input_gradient.empty() ? nullptr
                                       : input_gradient.data() + whole.first * widths()[0];
      const auto refusal = walk_.layers[l]->part_back(
          part, {.samples = whole.samples,
                 .inputs = {},
                 .x = in,
                 .parameters = parameters_ + offset,
                 .y_cotangent =
                     l + 1 < walk_.layers.size() ? sheet.cotangents[l + 1][0] : output_cotangents,
                 .sink = {parameter_gradient.data() + offset, whole.first == 0},
                 .x_cotangent = to,
                 .scratch = scratch});
      walk_.require_accepted(refusal, l, whole, curves_, in);
    };
    // The phases of a sheet: forwards, then the layers from the last to the lowest.
    const auto phases = static_cast<index>(widths().size() - lowest);
    const auto layer_of = [&](index phase) {
      return lowest + static_cast<std::size_t>(phases - 1 - phase % phases);
    };
    parallel_phases(
        threads, phases * n_tiles(n, sheet_size),
        [&](index phase) {
          const int samples = samples_of(phase / phases).samples;
          return phase % phases == 0 ? n_tiles(samples, tile_size_)
                                     : walk_.layers[layer_of(phase)]->parts(samples, threads);
        },
        [&](index phase, index task, int thread) {
          const Tile whole = samples_of(phase / phases);
          if (phase % phases == 0) {
            forward_tile(whole, task, thread);
          } else {
            const std::size_t l = layer_of(phase);
            const index parts = walk_.layers[l]->parts(whole.samples, threads);
            backward_part(whole, l, {task, parts}, windows[thread].scratch);
          }
        });
  }

 private:
  static int wide_tile(const Walk<T>& walk) {
    int samples = 0;
    for (const auto& layer : walk.layers) samples = std::max(samples, layer->wide_tile());
    return samples;
  }
  // At least a few tiles, for threads to share.
  static index tile_size_for(index wide_tile, index n) {
    const index half = (n / 2 + kernels::tile_size - 1) / kernels::tile_size * kernels::tile_size;
    return std::min<index>(wide_tile, std::max<index>(128, half));
  }
  index tiles_a_sheet() const {
    constexpr index sheet_bytes = index{16} << 20;
    index bytes_a_sample = 0;
    for (const index width : widths()) bytes_a_sample += 2 * width * index{sizeof(T)};
    return std::clamp<index>(sheet_bytes / (bytes_a_sample * tile_size_), 1,
                             n_tiles(curves_.n, tile_size_));
  }
  index tiles() const { return n_tiles(curves_.n, tile_size_); }
  const std::vector<index>& widths() const { return walk_.plan.widths; }

  void clear_where_layers_add(std::span<T> gradient) const {
    const auto& offsets = walk_.plan.offsets;
    for (std::size_t l = 0; l < walk_.layers.size(); ++l) {
      if (walk_.layers[l]->writes_fresh()) continue;
      std::fill(gradient.begin() + offsets[l], gradient.begin() + offsets[l + 1], T(0));
    }
  }

  // Points a window at tile t of a sheet, and returns that tile.
  Tile bind_window(const Workspace<T>& sheet, const Tile& whole, index t,
                   Workspace<T>& window) const {
    Tile tile = tile_at(t, whole.samples, tile_size_);
    for (std::size_t l = 0; l < widths().size(); ++l) {
      window.features[l][0] = sheet.features[l][0] + tile.first * widths()[l];
    }
    window.cotangents.back()[0] = sheet.cotangents.back()[0] + tile.first * widths().back();
    tile.first += whole.first;
    walk_.bind_inputs(tile, curves_, window);
    return tile;
  }

  // Runs one tile through the first `count` layers; their values stay in the workspace.
  void forward(const Tile& tile, std::size_t count, const Workspace<T>& workspace) const {
    for (std::size_t l = 0; l < count; ++l) {
      const T* in = workspace.features[l][0];
      const auto refusal =
          walk_.layers[l]->values({.samples = tile.samples,
                                   .x = in,
                                   .parameters = parameters_ + walk_.plan.offsets[l],
                                   .y = workspace.features[l + 1][0],
                                   .scratch = workspace.scratch});
      walk_.require_accepted(refusal, l, tile, curves_, in);
    }
  }

  const Walk<T>& walk_;
  const Curves<T>& curves_;
  const T* parameters_;
  index tile_size_;
};

}  // namespace kanml
