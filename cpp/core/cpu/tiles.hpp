// The executor for any network: a tile of samples goes through all layers, and back, while it is in
// cache. Gradients are summed over slots.
#pragma once

#include "core/cpu/slots.hpp"
#include "core/cpu/tape.hpp"
#include "core/cpu/walk.hpp"

namespace kanml {

template <class T>
class Tiles {
 public:
  // Parameters are given as kernels read them.
  Tiles(const Walk<T>& walk, const Curves<T>& curves, const T* parameters)
      : walk_(walk), curves_(curves), parameters_(parameters) {}

  // The outputs, or their Taylor coefficients: y (n_planes, n, n_out).
  void evaluate(std::span<T> y, int requested, Tape<T>* tape) const {
    const int threads = walk_.team(requested, curves_.n, n_planes(), tiles());
    Workspaces<T> workspaces(threads, widths(), n_planes(), false, walk_.scratch_bytes(n_planes()));
    if (tape != nullptr) tape->resize(tape_size(walk_.plan, curves_));
    parallel_for(threads, tiles(), [&](index t, int thread) {
      const Tile tile = tile_at(t, curves_.n);
      Workspace<T>& workspace = workspaces[thread];
      bind_tape(tape, walk_.plan, t, workspace);
      walk_.bind_inputs(tile, curves_, workspace.features.front());
      walk_.bind_outputs(tile, curves_.n, y.data(), workspace.features.back());
      forward(tile, walk_.layers.size(), nullptr, workspace);
    });
  }

  // The derivative of the outputs along a direction in parameter space. The curves have one
  // direction, which is zero.
  void jvp(const T* parameter_tangent, std::span<T> y_tangent, int requested) const {
    const int threads = walk_.team(requested, curves_.n, n_planes(), tiles());
    Workspaces<T> workspaces(threads, widths(), n_planes(), false, walk_.scratch_bytes(n_planes()));
    parallel_for(threads, tiles(), [&](index t, int thread) {
      const Tile tile = tile_at(t, curves_.n);
      Workspace<T>& workspace = workspaces[thread];
      walk_.bind_inputs(tile, curves_, workspace.features.front());
      workspace.features.back()[1] = y_tangent.data() + tile.first * walk_.plan.n_out();
      forward(tile, walk_.layers.size(), parameter_tangent, workspace);
    });
  }

  // Forward, loss and backward in one pass; see losses.hpp. Returns the sum of the losses of tiles.
  template <class Loss>
  double gradient(const Loss& loss, std::span<T> parameter_gradient, std::span<T> input_gradient,
                  int requested, const Tape<T>* tape) const {
    const Slots<T> slots(tiles(), parameter_gradient);
    const int threads = walk_.team(requested, curves_.n, n_planes(), slots.count());
    std::vector<double> losses(static_cast<std::size_t>(slots.count()), 0.0);
    Workspaces<T> workspaces(threads, widths(), n_planes(), true, walk_.scratch_bytes(n_planes()));
    // The number of layers that run forwards here, and of those that keep data for the way back.
    const bool taped = tape != nullptr && !tape->empty();
    const std::size_t forwards = taped ? 0 : walk_.layers.size() - (Loss::reads_outputs ? 0 : 1);
    const std::size_t keeping = curves_.directions.count == 0 ? forwards : 0;
    const ThreadBuffer kept(threads, kept_bytes(keeping));
    for (int thread = 0; thread < threads; ++thread) {
      bind_kept(keeping, kept.of(thread), workspaces[thread]);
    }

    const auto run_slot = [&](index slot, int thread) {
      Workspace<T>& workspace = workspaces[thread];
      const kernels::Sum<T> sink = slots.cleared(slot);
      double sum = 0.0;
      for (index t = slots.first_tile(slot); t < slots.first_tile(slot + 1); ++t) {
        const Tile tile = tile_at(t, curves_.n);
        walk_.bind_inputs(tile, curves_, workspace.features.front());
        bind_tape(tape, walk_.plan, t, workspace);
        forward(tile, forwards, nullptr, workspace);
        sum += loss(tile, workspace);
        if (!input_gradient.empty()) {
          workspace.cotangents.front()[0] = input_gradient.data() + tile.first * walk_.plan.n_in();
        }
        backward(tile, workspace, sink, !input_gradient.empty());
      }
      losses[static_cast<std::size_t>(slot)] = sum;
    };
    parallel_phases(
        threads, 2, [&](index phase) { return phase == 0 ? slots.count() : slots.tasks(); },
        [&](index phase, index task, int thread) {
          if (phase == 0) {
            run_slot(task, thread);
          } else {
            slots.add_up(task);
          }
        });
    double total = 0.0;
    for (const double of_slot : losses) total += of_slot;
    return total;
  }

 private:
  int n_planes() const { return curves_.directions.n_planes; }
  index tiles() const { return n_tiles(curves_.n); }
  const std::vector<index>& widths() const { return walk_.plan.widths; }

  // Runs one tile through the first `count` layers; their planes stay in the workspace.
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
      walk_.require_accepted(refusal, l, tile, in[0]);
    }
  }

  // Carries the cotangents of the outputs back through the layers.
  void backward(const Tile& tile, const Workspace<T>& workspace, kernels::Sum<T> sink,
                bool to_inputs) const {
    const std::size_t lowest = walk_.lowest(to_inputs);
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
           .sink = sink.from(offset),
           .x_cotangent = further ? workspace.cotangents[l].data() : nullptr,
           .memory = {workspace.kept[l], workspace.scratch}});
      walk_.require_accepted(refusal, l, tile, in[0]);
    }
  }

  // The memory of the first `count` layers for one tile between the passes.
  std::size_t kept_bytes(std::size_t count) const {
    index bytes = 0;
    for (std::size_t l = 0; l < count; ++l) bytes += walk_.layers[l]->kept_bytes();
    return static_cast<std::size_t>(bytes);
  }
  void bind_kept(std::size_t count, void* memory, Workspace<T>& workspace) const {
    auto* next = static_cast<char*>(memory);
    for (std::size_t l = 0; l < count; ++l) {
      const index bytes = walk_.layers[l]->kept_bytes();
      if (bytes > 0) workspace.kept[l] = std::exchange(next, next + bytes);
    }
  }

  const Walk<T>& walk_;
  const Curves<T>& curves_;
  const T* parameters_;
};

}  // namespace kanml
