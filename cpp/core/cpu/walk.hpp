// A plan in the form that runs on processors: its layers in one scalar type, and the steps between
// them that all executors share.
#pragma once

#include <algorithm>
#include <iomanip>
#include <limits>
#include <memory>
#include <span>
#include <sstream>
#include <type_traits>
#include <vector>

#include "core/cpu/curves.hpp"
#include "core/cpu/workspace.hpp"
#include "core/network/plan.hpp"
#include "core/network/tile_layer.hpp"
#include "core/runtime/parallel.hpp"

namespace kanml {

template <class T>
class Walk {
 public:
  // Throws std::invalid_argument if knots coincide once rounded to T.
  explicit Walk(Plan given) : plan(std::move(given)) {
    for (const auto& layer : plan.layers) {
      if constexpr (std::is_same_v<T, float>) {
        layers.push_back(layer->in_float());
      } else {
        layers.push_back(layer->in_double());
      }
      work_ += layers.back()->work();
    }
  }

  const Plan plan;
  std::vector<std::unique_ptr<const TileLayer<T>>> layers;

  // The number of threads for the tasks of an evaluation.
  int team(int requested, index planes_of_samples, index tasks) const {
    constexpr index serial_work = 50'000;  // multiply-adds below which waking threads does not pay
    return planes_of_samples * work_ < serial_work ? 1 : team_size(requested, tasks);
  }

  // Points the plane of order 0 at the inputs of a tile, and fills those of the directions.
  void bind_inputs(const Tile& tile, const Curves<T>& curves, Workspace<T>& workspace) const {
    const index n_in = plan.n_in();
    Planes<T>& planes = workspace.features.front();
    if (curves.rows.empty() || curves.gathered) {
      // Planes are writable, but no kernel writes the inputs.
      planes[0] = const_cast<T*>(curves.x.data()) + tile.first * n_in;
    } else {
      planes[0] = workspace.inputs;
      copy_samples(tile, curves, curves.x.data(), planes[0]);
    }
    const index size = tile.samples * n_in;
    for (int d = 0; d < curves.directions.count; ++d) {
      const int plane = curves.directions.planes[d];
      T* first = planes[static_cast<std::size_t>(plane)];
      if (curves.per_sample) {
        copy_samples(tile, curves, curves.vectors.data() + d * curves.points * n_in, first);
      } else {
        const T* vector = curves.vectors.data() + d * n_in;
        for (int s = 0; s < tile.samples; ++s) std::copy_n(vector, n_in, first + s * n_in);
      }
      for (int m = 2; m <= curves.directions.orders[d]; ++m) {
        std::fill_n(planes[static_cast<std::size_t>(plane + m - 1)], size, T(0));
      }
    }
  }

  // Points planes at their parts of an array (n_planes, n, n_out).
  void bind_outputs(const Tile& tile, index n, T* y, Planes<T>& planes) const {
    for (T*& plane : planes) {
      plane = y + tile.first * plan.n_out();
      y += n * plan.n_out();
    }
  }

  // Throws if layer l refused an input; `in` holds the inputs of the tile.
  void require_accepted(const kernels::Refusal& refusal, std::size_t l, const Tile& tile,
                        const Curves<T>& curves, const T* in) const {
    if (refusal.sample < 0) return;
    refuse(in[refusal.sample * plan.widths[l] + refusal.input], l, refusal.input,
           curves.row(tile.first + refusal.sample), curves.where);
  }
  [[noreturn]] static void refuse(T value, std::size_t l, index input, index point,
                                  std::string_view where) {
    std::ostringstream message;
    message << where << std::showpoint << std::setprecision(std::numeric_limits<T>::max_digits10)
            << "layer " << l << " refuses the value " << value << " of its input " << input
            << " at sample " << point
            << ": it lies outside the domain, and extrapolation is \"error\"";
    throw OutsideDomain(message.str());
  }

  // The scratch memory of one thread, for tiles of `samples` samples.
  std::size_t scratch_bytes(int n_planes, index samples = kernels::tile_size) const {
    index bytes = 0;
    for (const auto& layer : layers) {
      bytes = std::max(bytes, layer->scratch_bytes(static_cast<int>(samples), n_planes));
    }
    return static_cast<std::size_t>(bytes);
  }

  // The lowest layer that cotangents are carried to.
  std::size_t lowest(bool to_inputs) const { return to_inputs ? 0 : plan.first_trained; }

 private:
  // Copies the rows of a tile from an array (points, n_in).
  void copy_samples(const Tile& tile, const Curves<T>& curves, const T* from, T* to) const {
    const index n_in = plan.n_in();
    for (index s = 0; s < tile.samples; ++s) {
      std::copy_n(from + curves.row(tile.first + s) * n_in, n_in, to + s * n_in);
    }
  }

  index work_ = 0;
};

}  // namespace kanml
