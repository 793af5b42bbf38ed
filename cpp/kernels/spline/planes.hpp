// The planes of a layer of splines, along the directions of a tile.
#pragma once

#include "kernels/basis/tile_basis.hpp"
#include "kernels/table.hpp"
#include "point/orders.hpp"
#include "point/taylor.hpp"
#include "simd/vectors.hpp"

namespace kanml::kernels::inline KANML_TARGET {

// The planes of a layer's inputs, input by input, in memory of the caller. Going backwards, the
// cotangents of an input replace its planes.
template <class T>
class Columns {
 public:
  // `memory` is (n_planes, n_in, tile_size).
  Columns(int samples, int n_planes, InputRange inputs, index n_in, T* memory)
      : samples_(samples), n_planes_(n_planes), inputs_(inputs), n_in_(n_in), memory_(memory) {}

  void read(const T* const* x) const {
    for (int m = 0; m < n_planes_; ++m) {
      transpose_matrix(samples_, count(), x[m] + inputs_.first, n_in_, (*this)(m, inputs_.first),
                       tile_size);
    }
  }
  void write(T* const* x) const {
    for (int m = 0; m < n_planes_; ++m) {
      transpose_matrix(count(), samples_, (*this)(m, inputs_.first), tile_size,
                       x[m] + inputs_.first, n_in_);
    }
  }

  T* operator()(int plane, index input) const {
    return memory_ + (plane * n_in_ + input) * tile_size;
  }
  index plane_stride() const { return n_in_ * tile_size; }
  int n_planes() const { return n_planes_; }

 private:
  index count() const { return inputs_.last - inputs_.first; }

  int samples_;
  int n_planes_;
  InputRange inputs_;
  index n_in_;
  T* memory_;
};

// The composition weights C_rm, 1 <= r <= m <= order, of one direction are columns of tile_size
// numbers: those of m = 1 first.
constexpr int composition_columns(int order) { return order * (order + 1) / 2; }
constexpr int composition_column(int r, int m) { return composition_columns(m - 1) + r - 1; }

// The number of columns of all directions, and the most that it can be.
inline int composition_columns(const Directions& directions) {
  int count = 0;
  for (int d = 0; d < directions.count; ++d) count += composition_columns(directions.orders[d]);
  return count;
}
constexpr int most_composition_columns(int n_planes) {
  return (n_planes - 1) * (max_taylor_order + 1) / 2;
}

// One direction of a tile.
template <class T>
struct Along {
  int order;
  int plane;                    // of order 1
  int composition;              // where its composition weights begin
  T* planes[max_taylor_order];  // of the layer's outputs: orders 1..order
};

// All of them, in memory of the caller, so that loops over samples find at once what they need.
template <class T>
struct AllAlong {
  const Along<T>* first;
  const Along<T>* last;

  AllAlong(const Directions& directions, T* const* outputs, Along<T>* memory)
      : first(memory), last(memory + directions.count) {
    int column = 0;
    for (int d = 0; d < directions.count; ++d) {
      const int order = directions.orders[d];
      const int plane = directions.planes[d];
      memory[d] = {order, plane, column * tile_size, {}};
      for (int m = 0; m < order; ++m) memory[d].planes[m] = outputs[plane + m];
      column += composition_columns(order);
    }
  }
};

// Calls f(order, direction) for each direction. The order is an integral constant.
template <int Highest, class T, class F>
[[gnu::always_inline]] inline void for_directions(const AllAlong<T>& directions, const F& f) {
  if constexpr (Highest > 0) {
    for (const Along<T>* along = directions.first; along != directions.last; ++along) {
      point::for_order<Highest>(
          along->order, [&](auto order) __attribute__((always_inline)) { f(order, *along); });
    }
  }
}

// Fills the composition weights of input p.
template <int Highest, class T>
void compose(int samples, const AllAlong<T>& directions, const Columns<T>& x, index p,
             T* composition) {
  for_directions<Highest>(directions, [&](auto order, const Along<T>& along) {
    T* const weights = composition + along.composition;
    for (int s = 0; s < samples; s += full_lanes<T>) {
      FullVector<T> curve[order + 1];
      for (int m = 1; m <= order; ++m) {
        curve[m] = load_column(x(along.plane + m - 1, p) + s, 1, samples - s, T(0));
      }
      FullVector<T> found[order + 1][order + 1];
      point::composition_weights<T, order>(curve, found);
      for (int m = 1; m <= order; ++m) {
        for (int r = 1; r <= m; ++r) {
          store<full_lanes<T>>(weights + composition_column(r, m) * tile_size + s, found[r][m]);
        }
      }
    }
  });
}

// A vector that several multiply-adds use. Compilers would load it anew for each of them.
template <class Number>
[[gnu::always_inline]] inline Number in_register(Number loaded) {
#if defined(__x86_64__)
  if constexpr (sizeof(Number) <= register_bytes) asm("" : "+v"(loaded));
#endif
  return loaded;
}

// The weights of one direction at one sample, or at those of a full vector, by (r, m).
template <class T>
struct WeightsAtSample {
  const T* first;
  T operator()(int r, int m) const { return first[composition_column(r, m) * tile_size]; }
};
template <class T>
struct WeightsAtSamples {
  const T* first;
  FullVector<T> operator()(int r, int m) const {
    return load<full_lanes<T>>(first + composition_column(r, m) * tile_size);
  }
};

}  // namespace kanml::kernels::inline KANML_TARGET
