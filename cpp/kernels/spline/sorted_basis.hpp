// The basis of one input at many samples, sorted by the intervals in which they lie.
#pragma once

#include "kernels/basis/tile_basis.hpp"
#include "kernels/table.hpp"
#include "simd/vectors.hpp"

namespace kanml::kernels::inline KANML_TARGET {

// The distance between columns of `samples` samples, in whole tiles. Columns are aligned to cache
// lines, but do not all begin in the same set of a cache.
template <class T>
index column_stride(int samples) {
  return (index{samples} + tile_size - 1) / tile_size * tile_size + cache_line / index{sizeof(T)};
}

// The basis of one input at many samples, and the samples of each interval, in memory of the
// caller.
template <class T, int Degree, bool with_slopes>
class SortedBasis {
 public:
  static index bytes(int samples, index intervals) {
    const index size = n_rows * column_stride<T>(samples) * index{sizeof(T)} +
                       (column_stride<T>(samples) + intervals) * index{sizeof(std::int32_t)};
    return (size + cache_line - 1) / cache_line * cache_line;
  }

  // `memory` is aligned to a cache line.
  SortedBasis(int samples, index intervals, void* memory)
      : samples_(samples),
        intervals_(static_cast<std::int32_t>(intervals)),
        stride_(column_stride<T>(samples)),
        weights_(static_cast<T*>(memory)),
        next_(reinterpret_cast<std::int32_t*>(weights_ + n_rows * stride_)),
        heads_(next_ + stride_) {}

  // Returns the first refused sample, or -1.
  int fill(const point::SpaceView<T>& space, Extrapolation rule, const T* x) {
    for (int s = 0; s < samples_; s += tile_size) {
      const int count = samples_ - s < tile_size ? samples_ - s : tile_size;
      TileBasis<T, Degree, with_slopes ? 1 : 0> tile;
      const int refused = tile.fill(space, rule, count, x + s);
      if (refused >= 0) return s + refused;
      overflows_ |= tile.overflows;
      keep(tile, padded<T>(count), s);
    }
    link();
    return -1;
  }

  bool overflows() const { return overflows_; }  // see overflow.hpp
  std::int32_t intervals() const { return intervals_; }
  // The first sample in interval i, and the one after a sample in the same interval; -1: none.
  std::int32_t first(std::int32_t i) const { return heads_[i]; }
  std::int32_t next(std::int32_t sample) const { return next_[sample]; }

  // The value of the j-th function that is nonzero at a sample.
  T value(int j, std::int32_t sample) const { return weights_[j * stride_ + sample]; }
  // The derivative of a spline is sum_j slope(j) (c_{j+1} - c_j).
  T slope(int j, std::int32_t sample) const {
    return weights_[(Degree + 1 + j) * stride_ + sample];
  }

 private:
  static constexpr index n_rows = Degree + 1 + (with_slopes ? Degree : 0);

  template <class Tile>
  void keep(const Tile& tile, int count, int s) {
    constexpr int lanes = full_lanes<T>;
    for (int i = 0; i < count; i += lanes) {
      T* to = weights_ + s + i;
      for (int j = 0; j <= Degree; ++j, to += stride_) {
        store<lanes>(to, load<lanes>(tile.derivatives[0][j] + i));
      }
      if constexpr (with_slopes) {
        FullVector<T> sum = {};
        for (int j = 0; j < Degree; ++j, to += stride_) {
          sum -= load<lanes>(tile.derivatives[1][j] + i);
          store<lanes>(to, sum);
        }
      }
      store<lanes>(next_ + s + i, load<lanes>(tile.first + i));  // until they are linked
    }
  }

  // Makes a sample the first of an interval, and returns the previous first one.
  std::int32_t lead(std::int32_t interval, std::int32_t sample) {
    const std::int32_t before = heads_[interval];
    heads_[interval] = sample;
    return before;
  }

  // Links the samples, whose intervals are in next_, from the last to the first, so that they end
  // up in order. It takes several at once, since a load of an interval would wait for the last
  // store.
  void link() {
    constexpr int some = 4;
    for (std::int32_t i = 0; i < intervals_; ++i) heads_[i] = -1;
    std::int32_t s = samples_;
    for (; s % some != 0; --s) next_[s - 1] = lead(next_[s - 1], s - 1);
    for (; s > 0; s -= some) {
      std::int32_t* const of_interval = next_ + s - some;
      std::int32_t found[some];
      for (int i = 0; i < some; ++i) found[i] = of_interval[i];
      for (int i = some; i-- > 0;) found[i] = lead(found[i], s - some + i);
      for (int i = 0; i < some; ++i) of_interval[i] = found[i];
    }
  }

  std::int32_t samples_;
  std::int32_t intervals_;
  index stride_;
  T* weights_;           // (n_rows, stride_): values, then slopes
  std::int32_t* next_;   // (stride_)
  std::int32_t* heads_;  // (intervals_)
  bool overflows_ = false;
};

}  // namespace kanml::kernels::inline KANML_TARGET
