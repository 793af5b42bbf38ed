// The planes of a layer of splines, in groups that share coefficient rows.
#pragma once

#include "kernels/basis/tile_basis.hpp"
#include "kernels/orders.hpp"
#include "kernels/table.hpp"
#include "simd/vectors.hpp"

namespace kanml::kernels::inline KANML_TARGET {

// Planes that share coefficient rows, with their weights.
inline constexpr int group_capacity = 4;  // as many planes as keep their sums in registers
template <class T, int Degree>
struct PlaneGroup {
  int count;
  const Weights<T, Degree>* weights;  // (count)
  T* y[group_capacity];
};

// The largest number of planes in a group.
template <int Order>
inline constexpr int highest_count = Order == 0 ? 1 : group_capacity;

template <class T, int Degree, int Order, int Top>
using LayerBasis = TileBasis<T, Degree, Top, Order == 0 ? 1 : 1 + group_capacity>;

// The planes of a layer's inputs, input by input, in memory of the caller.
template <class T>
class Columns {
 public:
  // For a range of inputs. `scratch` holds those of all inputs: (n_planes, n_in, tile_size).
  Columns(int samples, int n_planes, InputRange inputs, index n_in, const T* const* x,
          void* scratch)
      : n_in_(n_in), memory_(static_cast<T*>(scratch)) {
    T* const memory = static_cast<T*>(scratch);
    for (int m = 0; m < n_planes; ++m) {
      transpose_matrix(samples, inputs.last - inputs.first, x[m] + inputs.first, n_in,
                       memory + (m * n_in + inputs.first) * tile_size, tile_size);
    }
  }

  const T* operator()(int plane, index input) const {
    return memory_ + (plane * n_in_ + input) * tile_size;
  }
  index plane_stride() const { return n_in_ * tile_size; }

 private:
  index n_in_;
  const T* memory_;
};

// Goes through the planes of all directions in groups: calls f(group) with the weights W_m of each
// plane and its values or cotangents in `y`, and before that along(direction, its curves).
template <class T, int Degree, int Order, int Top, class F, class Along>
[[gnu::always_inline]] inline void for_plane_groups(LayerBasis<T, Degree, Order, Top>& basis,
                                                    int samples, const Directions& directions,
                                                    const Columns<T>& x, index p, T* const* y,
                                                    const F& f, const Along& along) {
  PlaneGroup<T, Degree> group{1, basis.planes, {y[0]}};
  if constexpr (Order > 0) {
    for (int d = 0; d < directions.count; ++d) {
      const int plane = directions.planes[d];
      if (group.count + directions.orders[d] > group_capacity) {
        f(group);
        group = {0, basis.planes + 1, {}};
      }
      for_order<Order>(directions.orders[d], [&](auto order) {
        const TileCurves<T, Degree, order> curves(samples, x(plane, p), x.plane_stride());
        along(d, curves);
        const auto first = group.weights - basis.planes + group.count;
        curves.taylor(basis.derivatives, basis.planes + first);
        for (int m = 0; m < order; ++m) group.y[group.count++] = y[plane + m];
      });
    }
  }
  f(group);
}

}  // namespace kanml::kernels::inline KANML_TARGET
