// How values go through networks with wide layers: in tiles that are large enough for sorting, and
// backwards in parts of the layers. Used by network.cpp alone.
#pragma once

#include <limits>

#include "core/cpu/tiles.hpp"

namespace kanml {

// Wide layers take values alone, in tiles that are large enough for sorting.
template <class T>
bool Network<T>::Program::goes_wide(const Curves<T>& curves) const {
  return wide_tile > 0 && curves.directions.count == 0 && curves.n > kernels::tile_size;
}

// A few tiles at least, for threads to take.
template <class T>
index Network<T>::Program::wide_tile_for(index n) const {
  const index half = (n / 2 + kernels::tile_size - 1) / kernels::tile_size * kernels::tile_size;
  return std::min<index>(wide_tile, std::max<index>(128, half));
}

template <class T>
void Network<T>::Program::wide_forward(const Tile& tile, std::size_t count, const T* parameters,
                                       const Workspace<T>& workspace) const {
  for (std::size_t l = 0; l < count; ++l) {
    const T* in = workspace.features[l][0];
    const auto refusal = layers[l]->values(tile.samples, in, parameters + offsets[l],
                                           workspace.features[l + 1][0], workspace.scratch);
    require_accepted(refusal, l, tile, in);
  }
}

template <class T>
void Network<T>::Program::wide_values(const Curves<T>& curves, const T* parameters, std::span<T> y,
                                      int requested) const {
  const index size = wide_tile_for(curves.n);
  const index tiles = n_tiles(curves.n, size);
  const int threads = team(requested, curves.n, 1, tiles);
  Workspaces<T> spaces(threads, widths, 1, false, scratch_bytes(1, size), size);
  parallel_for(threads, tiles, [&](index t, int thread) {
    const Tile tile = tile_at(t, curves.n, size);
    Workspace<T>& workspace = spaces[thread];
    bind_inputs(tile, curves, workspace.features.front());
    bind_outputs(tile, curves.n, y.data(), workspace.features.back());
    wide_forward(tile, layers.size(), parameters, workspace);
  });
}

// As `gradient`, for values alone. The gradient is large, so threads do not sum copies of it but
// own parts. A *sheet* of samples goes forwards tile by tile, and then backwards layer by layer,
// each in parts that collect what the whole sheet contributes, in the order of the samples.
template <class T>
template <bool reads_outputs, class Loss>
double Network<T>::Program::wide_gradient(const Curves<T>& curves, const T* parameters,
                                          const Loss& loss, std::span<T> parameter_gradient,
                                          std::span<T> input_gradient, int requested) const {
  constexpr index sheet_bytes = index{16} << 20;
  const index n = curves.n;
  const index size = wide_tile_for(n);
  index bytes_a_sample = 0;
  for (const index width : widths) bytes_a_sample += 2 * width * index{sizeof(T)};
  const index tiles_a_sheet =
      std::clamp<index>(sheet_bytes / (bytes_a_sample * size), 1, n_tiles(n, size));
  const index sheet_size = tiles_a_sheet * size;
  const auto samples_of = [&](index sheet) { return tile_at(sheet, n, sheet_size); };

  const int threads = team(requested, n, 1, std::numeric_limits<index>::max());
  Workspaces<T> sheets(1, widths, 1, true, 0, std::min(n, sheet_size));
  const Workspace<T>& sheet = sheets[0];
  Workspaces<T> windows(threads, widths, 1, true, scratch_bytes(1, size), 0);  // on the sheet
  std::vector<double> partial_loss(static_cast<std::size_t>(n_tiles(n, size)), 0.0);
  for (std::size_t l = 0; l < layers.size(); ++l) {
    if (layers[l]->writes_fresh()) continue;
    const index end = l + 1 < layers.size() ? offsets[l + 1] : n_parameters;
    std::fill(parameter_gradient.begin() + offsets[l], parameter_gradient.begin() + end, T(0));
  }

  const T* of_outputs = nullptr;  // the cotangents of the sheet
  const auto there = [&](const Tile& whole, index t, Workspace<T>& window) {
    Tile tile = tile_at(t, whole.samples, size);
    for (std::size_t l = 0; l <= layers.size(); ++l) {
      window.features[l][0] = sheet.features[l][0] + tile.first * widths[l];
    }
    window.cotangents.back()[0] = sheet.cotangents.back()[0] + tile.first * widths.back();
    tile.first += whole.first;
    bind_inputs(tile, curves, window.features.front());
    wide_forward(tile, layers.size() - (reads_outputs ? 0 : 1), parameters, window);
    partial_loss[static_cast<std::size_t>(tile.first / size)] = loss(tile, window);
    if (t == 0) of_outputs = window.cotangents.back()[0];  // or where the caller has them
  };
  const std::size_t lowest = input_gradient.empty() ? first_trained : 0;
  const auto back = [&](const Tile& whole, std::size_t l, Part part, void* scratch) {
    const bool fresh = whole.first == 0;
    const T* in = l == 0 ? curves.x.data() + whole.first * widths[0] : sheet.features[l][0];
    T* to = l > lowest               ? sheet.cotangents[l][0]
            : input_gradient.empty() ? nullptr
                                     : input_gradient.data() + whole.first * widths[0];
    const auto refusal =
        layers[l]->backward_part(part, whole.samples, in, parameters + offsets[l],
                                 l + 1 < layers.size() ? sheet.cotangents[l + 1][0] : of_outputs,
                                 parameter_gradient.data() + offsets[l], fresh, to, scratch);
    require_accepted(refusal, l, whole, in);
  };
  // The phases of a sheet: forwards, then the layers from the last to the lowest.
  const auto phases = static_cast<index>(widths.size() - lowest);
  const auto layer_of = [&](index phase) {
    return lowest + static_cast<std::size_t>(phases - 1 - phase % phases);
  };
  parallel_phases(
      threads, phases * n_tiles(n, sheet_size),
      [&](index phase) {
        const int samples = samples_of(phase / phases).samples;
        return phase % phases == 0 ? n_tiles(samples, size)
                                   : layers[layer_of(phase)]->parts(samples, threads);
      },
      [&](index phase, index task, int thread) {
        const Tile whole = samples_of(phase / phases);
        if (phase % phases == 0) {
          there(whole, task, windows[thread]);
        } else {
          const std::size_t l = layer_of(phase);
          back(whole, l, {task, layers[l]->parts(whole.samples, threads)}, windows[thread].scratch);
        }
      });
  double total = 0.0;
  for (const double tile_loss : partial_loss) total += tile_loss;
  return total;
}

}  // namespace kanml
