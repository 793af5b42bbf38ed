// Samples in tiles, and the memory in which a tile goes through the layers.
#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include "kanml/buffer.hpp"
#include "kernels/table.hpp"

namespace kanml {

struct Tile {
  index first;
  int samples;
};

inline index n_tiles(index n, index size = kernels::tile_size) { return (n + size - 1) / size; }

inline Tile tile_at(index tile, index n, index size = kernels::tile_size) {
  const index first = tile * size;
  return {first, static_cast<int>(std::min(size, n - first))};
}

// The planes of one feature vector, by their first numbers.
template <class T>
using Planes = std::vector<T*>;

// The planes before, between and after the layers of a tile, and their cotangents. Planes in memory
// of the caller are pointed to instead, tile by tile.
template <class T>
struct Workspace {
  std::vector<Planes<T>> features;    // (layers + 1)
  std::vector<Planes<T>> cotangents;  // (layers + 1), for the backward pass
  std::vector<void*> kept;            // (layers): see kernels::Memory; null until given
  T* inputs = nullptr;                // for the values of a tile's inputs, if they are copied
  void* scratch = nullptr;            // for one layer at a time
};

// The workspaces of all threads, in one allocation, so that in the next evaluation each thread
// finds its own again in its cache.
template <class T>
class Workspaces {
 public:
  Workspaces(int threads, const std::vector<index>& widths, int n_planes, bool backward,
             std::size_t scratch_bytes, index samples = kernels::tile_size)
      : storage_(
            static_cast<std::size_t>(threads) *
            (size(widths, n_planes, backward, samples) * sizeof(T) + whole_lines(scratch_bytes))),
        of_threads_(static_cast<std::size_t>(threads)) {
    T* next = static_cast<T*>(storage_.data());
    const auto take = [&](std::vector<Planes<T>>& planes) {
      for (const index width : widths) {
        Planes<T>& one = planes.emplace_back();
        for (int m = 0; m < n_planes; ++m) {
          one.push_back(std::exchange(next, next + plane_size(width, samples)));
        }
      }
    };
    for (Workspace<T>& workspace : of_threads_) {
      take(workspace.features);
      workspace.inputs = workspace.features.front()[0];
      if (backward) take(workspace.cotangents);
      workspace.kept.assign(widths.size() - 1, nullptr);
      workspace.scratch = next;
      next += whole_lines(scratch_bytes) / sizeof(T);
    }
  }

  Workspace<T>& operator[](int thread) { return of_threads_[static_cast<std::size_t>(thread)]; }

 private:
  static std::size_t whole_lines(std::size_t bytes) { return (bytes + 63) / 64 * 64; }
  // Planes are aligned to cache lines.
  static index plane_size(index width, index samples) {
    constexpr index line = 64 / sizeof(T);
    return (width * samples + line - 1) / line * line;
  }
  static std::size_t size(const std::vector<index>& widths, int n_planes, bool backward,
                          index samples) {
    index size = 0;
    for (const index width : widths) size += plane_size(width, samples);
    return static_cast<std::size_t>(size * n_planes * (backward ? 2 : 1));
  }

  Buffer storage_;
  std::vector<Workspace<T>> of_threads_;
};

}  // namespace kanml
