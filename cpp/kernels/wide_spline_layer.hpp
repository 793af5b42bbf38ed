// A layer of splines with many outputs, on many samples: the values alone, without directions.
//
// The samples are sorted by the interval that an input lies in. The Degree + 1 coefficient rows of
// an interval, or their gradient, then stay in registers while its samples stream past, so that
// a multiply-add loads a fraction of a number; and going from one interval to the next moves the
// rows on by one. Outputs are taken in blocks of as many registers as leave room for that.
#pragma once

#include "kernels/table.hpp"
#include "kernels/tile_basis.hpp"
#include "kernels/vectors.hpp"

namespace kanml::kernels::inline KANML_TARGET {

// Registers of outputs that are taken at once: Degree + 1 rows of them must fit beside one more.
inline constexpr int block_registers = register_bytes == 64 ? 4 : 2;  // of 32 or of 16 registers

// The basis of one input at many samples, sorted by interval. Lives in memory of the caller.
template <class T, int Degree, int Top>
class SortedBasis {
 public:
  static index bytes(int samples, index intervals) {
    return n_strips(samples) * index{sizeof(Strip)} +
           (n_strips(samples) * tile_size + samples + chains * intervals) *
               index{sizeof(std::int32_t)};
  }

  SortedBasis(int samples, index intervals, void* memory)
      : intervals_(static_cast<std::int32_t>(intervals)),
        strips_(static_cast<Strip*>(memory)),
        interval_of_(reinterpret_cast<std::int32_t*>(strips_ + n_strips(samples))),
        samples_(interval_of_ + n_strips(samples) * tile_size),
        ends_(samples_ + samples) {}

  // Returns the first refused sample, or -1.
  int fill(const point::SpaceView<T>& space, Extrapolation rule, int samples, const T* x) {
    for (int s = 0; s < samples; s += tile_size) {
      const int count = samples - s < tile_size ? samples - s : tile_size;
      Strip& strip = strips_[s / tile_size];
      const int refused = strip.fill(space, rule, count, x + s, 1);
      if (refused >= 0) return s + refused;
      for (int i = 0; i < tile_size; ++i) interval_of_[s + i] = strip.first[i];
    }
    sort(samples);
    return -1;
  }

  std::int32_t intervals() const { return intervals_; }
  // The samples in interval i.
  const std::int32_t* begin(std::int32_t i) const {
    return samples_ + (i == 0 ? 0 : ends_[chains * i - 1]);
  }
  const std::int32_t* end(std::int32_t i) const {
    return samples_ + ends_[chains * i + chains - 1];
  }
  // The weights of a sample are `tile_size` apart.
  const T* values(std::int32_t sample) const {
    return strips_[sample / tile_size].values[0] + sample % tile_size;
  }
  const T* slopes(std::int32_t sample) const {
    return strips_[sample / tile_size].derivatives[0][0] + sample % tile_size;
  }

 private:
  using Strip = TileBasis<T, Degree, Top>;

  // Counters of one interval, each for a stretch of the samples: one counter would have to wait
  // for itself at every sample.
  static constexpr std::int32_t chains = 4;

  static index n_strips(int samples) { return (samples + tile_size - 1) / tile_size; }

  // Counting sort; samples of one interval stay in order.
  void sort(int samples) {
    for (std::int32_t i = 0; i < chains * intervals_; ++i) ends_[i] = 0;
    const int stretch = samples / chains;
    const auto for_samples = [&](const auto& f) {
      for (int s = 0; s < stretch; ++s) {
        for (int chain = 0; chain < chains; ++chain) f(s + chain * stretch, chain);
      }
      for (int s = chains * stretch; s < samples; ++s) f(s, chains - 1);
    };
    for_samples([&](int s, int chain) { ++ends_[counter(s, chain)]; });
    std::int32_t begin = 0;
    for (std::int32_t i = 0; i < chains * intervals_; ++i) {
      const std::int32_t count = ends_[i];
      ends_[i] = begin;  // until the samples are in place
      begin += count;
    }
    for_samples([&](int s, int chain) { samples_[ends_[counter(s, chain)]++] = s; });
  }
  std::int32_t counter(int s, int chain) const { return chains * interval_of_[s] + chain; }

  std::int32_t intervals_;
  Strip* strips_;
  std::int32_t* interval_of_;  // in whole strips
  std::int32_t* samples_;      // sorted
  std::int32_t* ends_;         // (intervals, chains)
};

// Calls f(first output, integral constants of registers and lanes) for all outputs.
template <int Registers, int Lanes, class F>
[[gnu::always_inline]] inline void for_wide_blocks(index q, index n_out, const F& f) {
  constexpr int width = Registers * Lanes;
  for (; q + width <= n_out; q += width) {
    f(q, std::integral_constant<int, Registers>{}, std::integral_constant<int, Lanes>{});
  }
  if constexpr (Registers > 1) {
    for_wide_blocks<1, Lanes>(q, n_out, f);
  } else if constexpr (Lanes > 1) {
    for_wide_blocks<1, (Lanes > 4 ? Lanes / 2 : 1)>(q, n_out, f);
  }
}

// Calls f(sample, rows) for all samples, with the coefficient rows of its interval.
template <class T, int Degree, int Registers, int Lanes, int Top, class F>
[[gnu::always_inline]] inline void for_samples_with_rows(const SortedBasis<T, Degree, Top>& basis,
                                                         const T* coefficients, index n_out,
                                                         const F& f) {
  for (std::int32_t i = 0; i < basis.intervals(); ++i) {
    const auto end = basis.end(i);
    auto sample = basis.begin(i);
    if (sample == end) continue;
    Vector<T, Lanes> rows[Degree + 1][Registers];
    for (int j = 0; j <= Degree; ++j) {
      const T* row = coefficients + (i + j) * n_out;
      for (int r = 0; r < Registers; ++r) rows[j][r] = load<Lanes>(row + r * Lanes);
    }
    for (; sample != end; ++sample) f(*sample, rows);
  }
}

// y (samples, n_out) += the splines of one input; pointers are those of the block.
template <class T, int Degree, int Registers, int Lanes>
void add_splines(const SortedBasis<T, Degree, 0>& basis, const T* coefficients, index n_out, T* y) {
  for_samples_with_rows<T, Degree, Registers, Lanes>(
      basis, coefficients,
      n_out, [&](std::int32_t sample, const auto& rows) __attribute__((always_inline)) {
        const T* weights = basis.values(sample);
        T* to = y + sample * n_out;
        Vector<T, Lanes> sums[Registers];
        for (int r = 0; r < Registers; ++r) sums[r] = load<Lanes>(to + r * Lanes);
        for (int j = 0; j <= Degree; ++j) {
          for (int r = 0; r < Registers; ++r) sums[r] += weights[j * tile_size] * rows[j][r];
        }
        for (int r = 0; r < Registers; ++r) store<Lanes>(to + r * Lanes, sums[r]);
      });
}

// gradient (dim, n_out) += what the samples contribute.
template <class T, int Degree, int Registers, int Lanes>
void add_gradient(const SortedBasis<T, Degree, 1>& basis, const T* y_cotangent, index n_out,
                  T* gradient) {
  using V = Vector<T, Lanes>;
  V sums[Degree + 1][Registers] = {};
  const auto add_row = [&](std::int32_t row, const V(&sum)[Registers]) {
    T* to = gradient + row * n_out;
    for (int r = 0; r < Registers; ++r) {
      store<Lanes>(to + r * Lanes, load<Lanes>(to + r * Lanes) + sum[r]);
    }
  };
  const std::int32_t intervals = basis.intervals();
  for (std::int32_t i = 0; i < intervals; ++i) {
    const auto end = basis.end(i);
    for (auto sample = basis.begin(i); sample != end; ++sample) {
      const T* weights = basis.values(*sample);
      const T* from = y_cotangent + *sample * n_out;
      V cotangents[Registers];
      for (int r = 0; r < Registers; ++r) cotangents[r] = load<Lanes>(from + r * Lanes);
      for (int j = 0; j <= Degree; ++j) {
        for (int r = 0; r < Registers; ++r) sums[j][r] += weights[j * tile_size] * cotangents[r];
      }
    }
    add_row(i, sums[0]);  // complete: later intervals do not reach it
    for (int j = 0; j < Degree; ++j) {
      for (int r = 0; r < Registers; ++r) sums[j][r] = sums[j + 1][r];
    }
    for (int r = 0; r < Registers; ++r) sums[Degree][r] = V{};
  }
  for (int j = 0; j < Degree; ++j) add_row(intervals + j, sums[j]);
}

// x_cotangent (samples) += sum_q cy[q] sum_j slopes[j] c_j[q]
template <class T, int Degree, int Registers, int Lanes>
void add_slopes(const SortedBasis<T, Degree, 1>& basis, const T* coefficients, const T* y_cotangent,
                index n_out, T* x_cotangent) {
  using V = Vector<T, Lanes>;
  for_samples_with_rows<T, Degree, Registers, Lanes>(
      basis, coefficients,
      n_out, [&](std::int32_t sample, const auto& rows) __attribute__((always_inline)) {
        const T* slopes = basis.slopes(sample);
        const T* from = y_cotangent + sample * n_out;
        V products[Degree + 1];
        for (int r = 0; r < Registers; ++r) {
          const V cotangent = load<Lanes>(from + r * Lanes);
          for (int j = 0; j <= Degree; ++j) {
            products[j] = r == 0 ? rows[j][r] * cotangent : products[j] + rows[j][r] * cotangent;
          }
        }
        V sum = slopes[0] * products[0];
        for (int j = 1; j <= Degree; ++j) sum += slopes[j * tile_size] * products[j];
        x_cotangent[sample] += sum_of_lanes<T, Lanes>(sum);
      });
}

// Inputs whose columns are copied at once: what shares a cache line of x.
inline constexpr int input_group = 8;

// Memory of one thread: columns of a group of inputs, those of the cotangents, and the sorted
// basis.
template <class T, int Degree>
index wide_scratch_bytes(int samples, index intervals) {
  return (2 * input_group * index{sizeof(T)}) * samples +
         SortedBasis<T, Degree, 1>::bytes(samples, intervals);
}

// Calls f(input, its place in the group, inputs left in the group, sorted basis). `scratch` begins
// with room for two groups of columns: those of x and those that the caller fills.
template <class T, int Degree, int Top, class F>
[[gnu::always_inline]] inline Refusal for_sorted_inputs(const SplineLayerView<T>& layer,
                                                        InputRange inputs, int samples, const T* x,
                                                        void* scratch, const F& f) {
  T* const columns = static_cast<T*>(scratch);
  T* const memory = columns + 2 * input_group * samples;
  for (index group = inputs.first; group < inputs.last; group += input_group) {
    const index left = inputs.last - group;
    const index count = left < input_group ? left : input_group;
    for (int s = 0; s < samples; ++s) {
      for (index p = 0; p < count; ++p) columns[p * samples + s] = x[s * layer.n_in + group + p];
    }
    for (index p = group; p < group + count; ++p) {
      SortedBasis<T, Degree, Top> basis(samples, layer.spaces[p].intervals, memory);
      const int refused = basis.fill(layer.spaces[p], layer.extrapolation, samples,
                                     columns + (p - group) * samples);
      if (refused >= 0) return {refused, p};
      f(p, p - group, group + count - p, basis);
    }
  }
  return {};
}

template <class T, int Degree>
Refusal wide_forward(const SplineLayerView<T>& layer, int samples, const T* x, const T* parameters,
                     T* y, void* scratch) {
  clear(samples * layer.n_out, y);
  return for_sorted_inputs<T, Degree, 0>(
      layer, {0, layer.n_in}, samples, x, scratch, [&](index p, index, index, const auto& basis) {
        const T* coefficients = parameters + layer.rows[p] * layer.n_out;
        for_wide_blocks<block_registers, full_lanes<T>>(
            0, layer.n_out, [&](index q, auto registers, auto lanes) {
              add_splines<T, Degree, registers, lanes>(basis, coefficients + q, layer.n_out, y + q);
            });
      });
}

template <class T, int Degree>
Refusal wide_backward(const SplineLayerView<T>& layer, InputRange inputs, int samples, const T* x,
                      const T* parameters, const T* y_cotangent, T* parameter_gradient,
                      T* x_cotangent, void* scratch) {
  T* const columns = static_cast<T*>(scratch) + input_group * samples;
  return for_sorted_inputs<T, Degree, 1>(
      layer, inputs, samples, x, scratch, [&](index p, index place, index left, const auto& basis) {
        const index offset = layer.rows[p] * layer.n_out;
        T* const column = columns + place * samples;
        clear(samples, column);
        for_wide_blocks<block_registers, full_lanes<T>>(
            0, layer.n_out, [&](index q, auto registers, auto lanes) {
              add_gradient<T, Degree, registers, lanes>(basis, y_cotangent + q, layer.n_out,
                                                        parameter_gradient + offset + q);
              if (x_cotangent == nullptr) return;
              add_slopes<T, Degree, registers, lanes>(basis, parameters + offset + q,
                                                      y_cotangent + q, layer.n_out, column);
            });
        if (x_cotangent == nullptr || left > 1) return;
        for (int s = 0; s < samples; ++s) {  // the group is complete
          T* to = x_cotangent + s * layer.n_in + p - place;
          for (index i = 0; i <= place; ++i) to[i] = columns[i * samples + s];
        }
      });
}

}  // namespace kanml::kernels::inline KANML_TARGET
