// The way of one tile through the layers, and back.
#pragma once

#include <algorithm>
#include <utility>

#include "core/cpu/curves.hpp"
#include "core/cpu/walk.hpp"

namespace kanml {

template <class T>
class TilePath {
 public:
  // Parameters are given as kernels read them. Cotangents are carried back to layer `lowest`.
  TilePath(const Walk<T>& walk, const Curves<T>& curves, const T* parameters,
           std::size_t lowest = 0)
      : walk_(walk), curves_(curves), parameters_(parameters), lowest_(lowest) {}

  // Runs the tile through the first `count` layers; their planes stay in the workspace.
  void forward(const Tile& tile, std::size_t count, const T* parameter_tangent,
               const Workspace<T>& workspace) const {
    for (std::size_t l = 0; l < count; ++l) {
      const index offset = walk_.plan.offsets[l];
      const T* const* in = workspace.features[l].data();
      const auto refusal = walk_.layers[l]->forward(
          {.samples = tile.samples,
           .directions = curves_.directions,
           .x = in,
           .parameters = parameters_ + offset,
           .parameter_tangent = parameter_tangent == nullptr ? nullptr : parameter_tangent + offset,
           .y = workspace.features[l + 1].data(),
           .memory = {workspace.kept[l], workspace.scratch}});
      walk_.require_accepted(refusal, l, tile, curves_, in[0]);
    }
  }

  // Carries the cotangents of the outputs back through the layers. The sink begins with the
  // parameters of the lowest of them.
  void backward(const Tile& tile, const Workspace<T>& workspace, kernels::Sink<T> sink,
                bool to_inputs) const {
    const std::size_t lowest = std::max(lowest_, walk_.lowest(to_inputs));
    for (std::size_t l = walk_.layers.size(); l-- > lowest;) {
      const index offset = walk_.plan.offsets[l];
      const T* const* in = workspace.features[l].data();
      const bool further = l > lowest || to_inputs;
      const auto refusal = walk_.layers[l]->backward(
          {.samples = tile.samples,
           .directions = curves_.directions,
           .inputs = {0, walk_.plan.widths[l]},
           .x = in,
           .parameters = parameters_ + offset,
           .y_cotangent = workspace.cotangents[l + 1].data(),
           .sink = sink.from(offset - walk_.plan.offsets[lowest_]),
           .x_cotangent = further ? workspace.cotangents[l].data() : nullptr,
           .memory = {workspace.kept[l], workspace.scratch}});
      walk_.require_accepted(refusal, l, tile, curves_, in[0]);
    }
  }

  // The memory that the first `count` layers keep of one tile between the passes.
  std::size_t kept_bytes(std::size_t count) const {
    index bytes = 0;
    for (std::size_t l = 0; l < count; ++l) bytes += of_layer(l);
    return static_cast<std::size_t>(bytes);
  }
  void bind_kept(std::size_t count, void* memory, Workspace<T>& workspace) const {
    auto* next = static_cast<char*>(memory);
    for (std::size_t l = 0; l < count; ++l) {
      const index bytes = of_layer(l);
      workspace.kept[l] = bytes > 0 ? std::exchange(next, next + bytes) : nullptr;
    }
  }

 private:
  // Keeping pays as long as what is kept stays near the processor: about the second cache.
  index of_layer(std::size_t l) const {
    constexpr index cached = index{1} << 20;
    constexpr index line = 64;
    const index bytes = walk_.layers[l]->kept_bytes(curves_.directions);
    return bytes <= cached ? (bytes + line - 1) / line * line : 0;
  }

  const Walk<T>& walk_;
  const Curves<T>& curves_;
  const T* parameters_;
  std::size_t lowest_;
};

}  // namespace kanml
