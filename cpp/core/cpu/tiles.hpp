// A network, ready to run: its layers, and how samples go through them. Used by network.cpp alone.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <iomanip>
#include <limits>
#include <memory>
#include <span>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "core/cpu/workspace.hpp"
#include "core/network/tile_layer.hpp"
#include "core/runtime/parallel.hpp"
#include "kanml/network.hpp"
#include "kanml/relu_transform.hpp"

namespace kanml {

// A gradient is summed over slots of consecutive tiles, in order, whatever the number of threads.
// Each slot has a copy of the gradient, to be cleared and added up: many slots as long as all
// copies stay in cache and a slot has some tiles, a few as long as they stay in the memory budget,
// else one.
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

// Work below this many multiply-adds does not pay for waking threads.
constexpr index serial_work = 50'000;

template <class... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};
template <class... Cases>
Overloaded(Cases...) -> Overloaded<Cases...>;

// The ReLU weights of consecutive inputs of a layer that have one space, and their transform.
struct ReluBlock {
  index offset;  // where they begin in the parameter vector
  index copies;  // inputs
  index n_out;
  std::shared_ptr<const ReluTransform> transform;

  index size() const { return copies * transform->dim() * n_out; }
};

// The samples of an evaluation, and the directions in which they move.
template <class T>
struct Curves {
  index n;
  std::span<const T> x;        // (n, n_in)
  std::span<const T> vectors;  // (count, n_in) or (count, n, n_in)
  bool per_sample = false;
  std::vector<int> planes;
  kernels::Directions directions;

  Curves(index samples, std::span<const T> points) : n(samples), x(points) {}
  Curves(index samples, std::span<const T> points, index n_in, const Directions<T>& given)
      : n(samples), x(points), vectors(given.vectors) {
    const auto count = static_cast<index>(given.orders.size());
    per_sample = given.one_a_sample;
    int next = 1;
    for (const int order : given.orders) planes.push_back(std::exchange(next, next + order));
    directions = {.count = static_cast<int>(count),
                  .orders = given.orders.data(),
                  .planes = planes.data(),
                  .n_planes = next};
    if (static_cast<index>(vectors.size()) != count * n_in * (per_sample ? n : 1)) {
      throw std::invalid_argument("the vectors of the directions have a wrong size");
    }
  }
  Curves(const Curves&) = delete;  // the directions point into it
};

template <class T>
struct Network<T>::Program {
  std::vector<std::unique_ptr<const TileLayer<T>>> layers;
  std::vector<index> offsets;  // (layers): where the parameters of each begin
  std::vector<index> widths;   // (layers + 1): inputs, between the layers, outputs
  std::vector<ReluBlock> relu_blocks;
  index n_parameters = 0;
  std::size_t first_trained = 0;  // the first layer with parameters; gradients stop there
  index work = 0;
  int max_order = max_taylor_order;  // derivatives of splines above their degree are zero
  int wide_tile = 0;                 // samples, if a layer is wide; else 0

  explicit Program(const std::vector<Layer>& descriptions) {
    if (descriptions.empty()) throw std::invalid_argument("a network needs at least one layer");
    typename SplineTileLayer<T>::TableCache cache;
    widths.push_back(kanml::n_in(descriptions.front()));
    for (const Layer& layer : descriptions) {
      require_width(kanml::n_in(layer));
      require_width(kanml::n_out(layer));
      if (kanml::n_in(layer) != widths.back()) {
        throw std::invalid_argument("layer " + std::to_string(layers.size()) + " takes " +
                                    std::to_string(kanml::n_in(layer)) + " inputs, but receives " +
                                    std::to_string(widths.back()));
      }
      offsets.push_back(n_parameters);
      if (const auto* splines = std::get_if<SplineLayer>(&layer)) add_relu_blocks(*splines);
      if (n_parameters == 0 && kanml::n_parameters(layer) > 0) first_trained = layers.size();
      n_parameters += kanml::n_parameters(layer);
      widths.push_back(kanml::n_out(layer));
      layers.push_back(
          std::visit(Overloaded{
                         [&](const SplineLayer& l) -> std::unique_ptr<const TileLayer<T>> {
                           return std::make_unique<SplineTileLayer<T>>(l, cache);
                         },
                         [](const LinearLayer& l) -> std::unique_ptr<const TileLayer<T>> {
                           return std::make_unique<LinearTileLayer<T>>(l);
                         },
                         [](const ActivationLayer& l) -> std::unique_ptr<const TileLayer<T>> {
                           return std::make_unique<ActivationTileLayer<T>>(l);
                         },
                         [](const AffineLayer& l) -> std::unique_ptr<const TileLayer<T>> {
                           return std::make_unique<AffineTileLayer<T>>(l);
                         },
                         [](const EmbeddingLayer& l) -> std::unique_ptr<const TileLayer<T>> {
                           return std::make_unique<EmbeddingTileLayer<T>>(l);
                         },
                     },
                     layer));
      work += layers.back()->work();
      wide_tile = std::max(wide_tile, layers.back()->wide_tile());
      if (const auto* splines = std::get_if<SplineLayer>(&layer)) {
        max_order = std::min(max_order, splines->spaces.front()->degree());
      }
    }
  }

  void require_width(index width) const {
    constexpr index most = std::numeric_limits<std::int32_t>::max();
    if (width < 1 || width > most) {
      throw std::invalid_argument("layer " + std::to_string(layers.size()) + " has the width " +
                                  std::to_string(width) + ", expected 1 to " +
                                  std::to_string(most));
    }
  }

  void require_orders(std::span<const int> orders) const {
    for (const int order : orders) {
      if (order < 1 || order > max_order) {
        throw std::invalid_argument("Taylor order " + std::to_string(order) +
                                    " is not one of 1 .. " + std::to_string(max_order) +
                                    ", which the degrees of the spline layers allow");
      }
    }
  }

  void add_relu_blocks(const SplineLayer& layer) {
    if (layer.basis != Basis::relu) return;
    index offset = n_parameters;
    const SplineSpace* previous = nullptr;
    for (const auto& space : layer.spaces) {
      if (space.get() == previous) {
        ++relu_blocks.back().copies;
      } else {
        const auto transform = std::make_shared<const ReluTransform>(*space);
        relu_blocks.push_back({offset, 1, layer.n_out, transform});
      }
      previous = space.get();
      offset += space->dim() * layer.n_out;
    }
  }

  // The parameters with B-spline coefficients in the place of ReLU weights: u = A^-T w. `storage`
  // holds them where that is another vector.
  const T* in_splines(std::span<const T> parameters, std::vector<T>& storage) const {
    if (relu_blocks.empty()) return parameters.data();
    storage.assign(parameters.begin(), parameters.end());
    for (const ReluBlock& block : relu_blocks) {
      const std::span<T> part(storage.data() + block.offset, std::size_t(block.size()));
      block.transform->template solve_transpose<T>(block.copies, block.n_out, part, part);
    }
    return storage.data();
  }

  // The gradient by ReLU weights in the place of that by B-spline coefficients: A^-1 g.
  void gradient_by_weights(std::span<T> gradient) const {
    for (const ReluBlock& block : relu_blocks) {
      const std::span<T> part(gradient.data() + block.offset, std::size_t(block.size()));
      block.transform->template solve<T>(block.copies, block.n_out, part, part);
    }
  }

  int team(int requested, index n, int n_planes, index tasks) const {
    return n * work * n_planes < serial_work ? 1 : team_size(requested, tasks);
  }

  // Points the planes of order 0 at the inputs of a tile, and fills those of the directions.
  void bind_inputs(const Tile& tile, const Curves<T>& curves, Planes<T>& planes) const {
    const index n_in = widths.front();
    // Kernels take planes they may write; nothing writes the input.
    planes[0] = const_cast<T*>(curves.x.data()) + tile.first * n_in;
    const index size = tile.samples * n_in;
    for (int d = 0; d < curves.directions.count; ++d) {
      const int plane = curves.directions.planes[d];
      T* first = planes[static_cast<std::size_t>(plane)];
      if (curves.per_sample) {
        std::copy_n(curves.vectors.data() + (d * curves.n + tile.first) * n_in, size, first);
      } else {
        const T* vector = curves.vectors.data() + d * n_in;
        for (int s = 0; s < tile.samples; ++s) std::copy_n(vector, n_in, first + s * n_in);
      }
      for (int m = 2; m <= curves.directions.orders[d]; ++m) {
        std::fill_n(planes[static_cast<std::size_t>(plane + m - 1)], size, T(0));
      }
    }
  }

  // Runs one tile through the first `count` layers; their planes stay in the workspace.
  void forward(const Tile& tile, const kernels::Directions& directions, std::size_t count,
               const T* parameters, const T* parameter_tangent,
               const Workspace<T>& workspace) const {
    for (std::size_t l = 0; l < count; ++l) {
      const T* const* in = workspace.features[l].data();
      const T* tangent = parameter_tangent == nullptr ? nullptr : parameter_tangent + offsets[l];
      const auto refusal = layers[l]->forward(tile.samples, directions, in, parameters + offsets[l],
                                              tangent, workspace.features[l + 1].data(),
                                              {workspace.kept[l], workspace.scratch});
      require_accepted(refusal, l, tile, in[0]);
    }
  }

  // Throws for an input that layer l refused.
  void require_accepted(const kernels::Refusal& refusal, std::size_t l, const Tile& tile,
                        const T* in) const {
    if (refusal.sample < 0) return;
    const T value = in[refusal.sample * widths[l] + refusal.input];
    std::ostringstream message;
    message << std::showpoint << std::setprecision(std::numeric_limits<T>::max_digits10) << "layer "
            << l << " refuses the value " << value << " of its input " << refusal.input
            << " at sample " << tile.first + refusal.sample
            << ": it lies outside the domain, and extrapolation is \"error\"";
    throw OutsideDomain(message.str());
  }

  // Carries the cotangent of the outputs back through the layers; adds to the gradient.
  void backward(const Tile& tile, const kernels::Directions& directions, const T* parameters,
                const Workspace<T>& workspace, T* gradient, bool to_inputs) const {
    const std::size_t lowest = to_inputs ? 0 : first_trained;
    for (std::size_t l = layers.size(); l-- > lowest;) {
      const T* const* in = workspace.features[l].data();
      const auto refusal =
          layers[l]->backward(tile.samples, directions, {0, widths[l]}, in, parameters + offsets[l],
                              workspace.cotangents[l + 1].data(), gradient + offsets[l],
                              l > lowest || to_inputs ? workspace.cotangents[l].data() : nullptr,
                              {workspace.kept[l], workspace.scratch});
      require_accepted(refusal, l, tile, in[0]);
    }
  }

  // Of one thread, for tiles of so many samples.
  std::size_t scratch_bytes(int n_planes, index samples = kernels::tile_size) const {
    index bytes = 0;
    for (const auto& layer : layers) {
      bytes = std::max(bytes, layer->scratch_bytes(static_cast<int>(samples), n_planes));
    }
    return static_cast<std::size_t>(bytes);
  }

  // What the first `count` layers keep of one tile between the passes.
  std::size_t kept_bytes(std::size_t count) const {
    index bytes = 0;
    for (std::size_t l = 0; l < count; ++l) bytes += layers[l]->kept_bytes();
    return static_cast<std::size_t>(bytes);
  }
  void bind_kept(std::size_t count, void* memory, Workspace<T>& workspace) const {
    auto* next = static_cast<char*>(memory);
    for (std::size_t l = 0; l < count; ++l) {
      const index bytes = layers[l]->kept_bytes();
      if (bytes > 0) workspace.kept[l] = std::exchange(next, next + bytes);
    }
  }

  // The numbers between the layers of one tile, in all planes.
  index numbers_between(int n_planes) const {
    index width = 0;
    for (std::size_t l = 1; l + 1 < widths.size(); ++l) width += widths[l];
    return width * n_planes * kernels::tile_size;
  }

  // Points the planes between the layers at a tape.
  void bind_tape(index tile, int n_planes, T* tape, Workspace<T>& workspace) const {
    T* next = tape + tile * numbers_between(n_planes);
    for (std::size_t l = 1; l + 1 < widths.size(); ++l) {
      for (T*& plane : workspace.features[l]) {
        plane = std::exchange(next, next + widths[l] * kernels::tile_size);
      }
    }
  }

  // The outputs, or their Taylor coefficients: (n_planes, n, n_out).
  void evaluate(const Curves<T>& curves, std::span<const T> given, std::span<T> y, int requested,
                Tape<T>* tape = nullptr) const {
    std::vector<T> storage;
    const T* const parameters = in_splines(given, storage);
    if (goes_wide(curves)) return wide_values(curves, parameters, y, requested);
    const int n_planes = curves.directions.n_planes;
    const int threads = team(requested, curves.n, n_planes, n_tiles(curves.n));
    Workspaces<T> spaces(threads, widths, n_planes, false, scratch_bytes(n_planes));
    if (tape != nullptr) {
      constexpr index most = (index{16} << 20) / index{sizeof(T)};
      const index size = n_tiles(curves.n) * numbers_between(n_planes);
      tape->resize(size <= most ? size : 0);
    }
    parallel_for(threads, n_tiles(curves.n), [&](index t, int thread) {
      const Tile tile = tile_at(t, curves.n);
      Workspace<T>& workspace = spaces[thread];
      if (tape != nullptr && tape->size_ > 0) bind_tape(t, n_planes, tape->features(), workspace);
      bind_inputs(tile, curves, workspace.features.front());
      bind_outputs(tile, curves.n, y.data(), workspace.features.back());
      forward(tile, curves.directions, layers.size(), parameters, nullptr, workspace);
    });
  }

  // Points planes at their part of an array (n_planes, n, n_out).
  void bind_outputs(const Tile& tile, index n, T* y, Planes<T>& planes) const {
    for (T*& plane : planes) {
      plane = y + tile.first * widths.back();
      y += n * widths.back();
    }
  }

  // Forward, loss and backward in one pass. `loss(tile, workspace)` returns the loss of a tile and
  // sees to the cotangents of the outputs, which it may read if `reads_outputs`.
  template <bool reads_outputs, class Loss>
  double gradient(const Curves<T>& curves, std::span<const T> given, const Loss& loss,
                  std::span<T> parameter_gradient, std::span<T> input_gradient, int requested,
                  const Tape<T>* tape = nullptr) const {
    const kernels::Directions& directions = curves.directions;
    const index n = curves.n;
    std::vector<T> storage;
    const T* const parameters = in_splines(given, storage);
    if (goes_wide(curves)) {
      const double total = wide_gradient<reads_outputs>(
          curves, parameters, loss, parameter_gradient, input_gradient, requested);
      gradient_by_weights(parameter_gradient);
      return total;
    }
    const index tiles = n_tiles(n);
    const index slots = slots_for(tiles, n_parameters * static_cast<index>(sizeof(T)));
    const int threads = team(requested, n, directions.n_planes, slots);
    // One slot sums in place.
    const Buffer partial(static_cast<std::size_t>(slots == 1 ? 0 : slots * n_parameters) *
                         sizeof(T));
    T* const gradients = slots == 1 ? parameter_gradient.data() : static_cast<T*>(partial.data());
    std::vector<double> partial_loss(static_cast<std::size_t>(slots), 0.0);
    Workspaces<T> spaces(threads, widths, directions.n_planes, true,
                         scratch_bytes(directions.n_planes));
    // The layers that run forwards here, and keep what the way back needs.
    const bool taped = tape != nullptr && tape->size_ > 0;
    const std::size_t forwards = taped ? 0 : layers.size() - (reads_outputs ? 0 : 1);
    const std::size_t keeping = directions.count == 0 ? forwards : 0;
    const ThreadBuffer kept(threads, kept_bytes(keeping));
    for (int thread = 0; thread < threads; ++thread) {
      bind_kept(keeping, kept.of(thread), spaces[thread]);
    }

    const auto run_slot = [&](index slot, int thread) {
      Workspace<T>& workspace = spaces[thread];
      T* slot_gradient = gradients + slot * n_parameters;
      std::fill_n(slot_gradient, n_parameters, T(0));
      double slot_loss = 0.0;
      for (index t = slot * tiles / slots; t < (slot + 1) * tiles / slots; ++t) {
        const Tile tile = tile_at(t, n);
        bind_inputs(tile, curves, workspace.features.front());
        if (taped) bind_tape(t, directions.n_planes, tape->features(), workspace);
        forward(tile, directions, forwards, parameters, nullptr, workspace);
        slot_loss += loss(tile, workspace);
        if (!input_gradient.empty()) {
          workspace.cotangents.front()[0] = input_gradient.data() + tile.first * widths.front();
        }
        backward(tile, directions, parameters, workspace, slot_gradient, !input_gradient.empty());
      }
      partial_loss[static_cast<std::size_t>(slot)] = slot_loss;
    };
    constexpr index block = 512;  // parameters that one task sums over the slots
    const auto sum_slots = [&](index first) {
      const index count = std::min(block, n_parameters - first);
      std::array<double, block> sums{};
      for (index slot = 0; slot < slots; ++slot) {
        const T* const from = gradients + slot * n_parameters + first;
        for (index i = 0; i < count; ++i) {
          sums[static_cast<std::size_t>(i)] += static_cast<double>(from[i]);
        }
      }
      for (index i = 0; i < count; ++i) {
        parameter_gradient[static_cast<std::size_t>(first + i)] =
            static_cast<T>(sums[static_cast<std::size_t>(i)]);
      }
    };
    const index blocks = slots == 1 ? 0 : (n_parameters + block - 1) / block;
    parallel_phases(
        threads, 2, [&](index phase) { return phase == 0 ? slots : blocks; },
        [&](index phase, index task, int thread) {
          if (phase == 0) {
            run_slot(task, thread);
          } else {
            sum_slots(task * block);
          }
        });
    gradient_by_weights(parameter_gradient);
    double total = 0.0;
    for (const double slot_loss : partial_loss) total += slot_loss;
    return total;
  }

  // Where a layer is wide; see network_wide.hpp.
  bool goes_wide(const Curves<T>& curves) const;
  index wide_tile_for(index n) const;
  void wide_forward(const Tile& tile, std::size_t count, const T* parameters,
                    const Workspace<T>& workspace) const;
  void wide_values(const Curves<T>& curves, const T* parameters, std::span<T> y,
                   int requested) const;
  template <bool reads_outputs, class Loss>
  double wide_gradient(const Curves<T>& curves, const T* parameters, const Loss& loss,
                       std::span<T> parameter_gradient, std::span<T> input_gradient,
                       int requested) const;
};

}  // namespace kanml
