// A layer of splines with many outputs, on many samples: the values alone, without directions.
//
// The samples are sorted by the interval that an input lies in. The Degree + 1 coefficient rows of
// an interval, or their gradient, then stay in registers while its samples stream past, so that
// a multiply-add loads a fraction of a number; and going from one interval to the next moves the
// rows on by one. Outputs are taken in blocks of as many registers as leave room for that.
#pragma once

#include "kernels/basis/tile_basis.hpp"
#include "kernels/orders.hpp"
#include "kernels/spline/overflow.hpp"
#include "kernels/table.hpp"
#include "simd/vectors.hpp"

namespace kanml::kernels::inline KANML_TARGET {

// Registers of outputs that are taken at once, at most: Degree + 1 rows of them should fit beside
// one more. Backwards some of the differences of rows do not, and are operands in memory.
inline constexpr int block_registers = register_bytes == 64 ? 4 : 2;  // of 32 or of 16 registers

// Columns of so many samples, in whole tiles, are this far apart. They begin with a cache line, and
// not all of them in the same set of a cache.
template <class T>
index column_stride(int samples) {
  return (index{samples} + tile_size - 1) / tile_size * tile_size + cache_line / index{sizeof(T)};
}

// The basis of one input at many samples, and the samples of each interval. Lives in memory of the
// caller.
template <class T, int Degree, bool with_slopes>
class SortedBasis {
 public:
  static index bytes(int samples, index intervals) {
    const index size = n_rows * column_stride<T>(samples) * index{sizeof(T)} +
                       (column_stride<T>(samples) + intervals) * index{sizeof(std::int32_t)};
    return (size + cache_line - 1) / cache_line * cache_line;
  }

  // `memory` begins with a cache line.
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
  // The first sample in interval i and the one that follows a sample in its interval; -1: none.
  std::int32_t first(std::int32_t i) const { return heads_[i]; }
  std::int32_t next(std::int32_t sample) const { return next_[sample]; }

  // The value of function j of those that are nonzero at a sample.
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
        store<lanes>(to, load<lanes>(tile.values[j] + i));
      }
      if constexpr (with_slopes) {
        FullVector<T> sum = {};
        for (int j = 0; j < Degree; ++j, to += stride_) {
          sum -= load<lanes>(tile.derivatives[0][j] + i);
          store<lanes>(to, sum);
        }
      }
      store<lanes>(next_ + s + i, load<lanes>(tile.first + i));  // until they are linked
    }
  }

  // Makes a sample the first of an interval; returns which one was.
  std::int32_t lead(std::int32_t interval, std::int32_t sample) {
    const std::int32_t before = heads_[interval];
    heads_[interval] = sample;
    return before;
  }

  // Links the samples, whose intervals are in next_, from the last to the first, so that they are
  // in order. Some at once: a load of an interval would wait for the head stored before it.
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

template <class T>
using OutputVector = Vector<T, register_lanes<T>>;

// A block of outputs, in so many registers. Where it is not whole the last register holds `last`
// outputs, and zeros.
template <int Registers, bool whole>
struct OutputBlock {
  static constexpr int registers = Registers;
  int last;

  template <class T>
  [[gnu::always_inline]] void load_row(const T* from, OutputVector<T> (&row)[Registers]) const {
    constexpr int lanes = register_lanes<T>;
    for (int r = 0; r < Registers; ++r, from += lanes) {
      row[r] = whole || r < Registers - 1 ? load<lanes>(from) : load_first<lanes>(from, last);
    }
  }
  template <class T>
  [[gnu::always_inline]] void store_row(const OutputVector<T> (&row)[Registers], T* to) const {
    constexpr int lanes = register_lanes<T>;
    for (int r = 0; r < Registers; ++r, to += lanes) {
      if (whole || r < Registers - 1) {
        store<lanes>(to, row[r]);
      } else {
        store_first<lanes>(to, row[r], last);
      }
    }
  }
};

// y += the splines of one input, in a block of outputs: y is (samples, registers * lanes), rows of
// coefficients are n_out apart.
template <class T, int Degree, class Block>
void add_splines(const SortedBasis<T, Degree, false> basis, const T* coefficients, index n_out,
                 const Block outputs, T* y) {
  constexpr int registers = Block::registers;
  using V = OutputVector<T>;
  constexpr int lanes = register_lanes<T>;
  for (std::int32_t i = 0; i < basis.intervals(); ++i) {
    std::int32_t sample = basis.first(i);
    if (sample < 0) continue;
    V rows[Degree + 1][registers];
    for (int j = 0; j <= Degree; ++j) outputs.load_row(coefficients + (i + j) * n_out, rows[j]);
    for (; sample >= 0; sample = basis.next(sample)) {
      T* to = y + index{sample} * (registers * lanes);
      V sums[registers];
      for (int r = 0; r < registers; ++r) sums[r] = load<lanes>(to + r * lanes);
      for (int j = 0; j <= Degree; ++j) {
        for (int r = 0; r < registers; ++r) sums[r] += basis.value(j, sample) * rows[j][r];
      }
      for (int r = 0; r < registers; ++r) store<lanes>(to + r * lanes, sums[r]);
    }
  }
}

// Both gradients from a block of outputs, (samples, registers * lanes): gradient (dim, n_out) +=
// (or, if it is fresh, =) what the samples contribute, and with slopes sums (samples, lanes) = the
// parts, one a lane, of sum_q cy[q] sum_j slope(j) (c_{j+1}[q] - c_j[q]).
template <class T, int Degree, bool with_slopes, class Block>
void add_gradients(const SortedBasis<T, Degree, with_slopes> basis, const T* coefficients,
                   const T* y_cotangent, index n_out, const Block outputs, T* gradient, bool fresh,
                   T* sums) {
  constexpr int registers = Block::registers;
  using V = OutputVector<T>;
  constexpr int lanes = register_lanes<T>;
  V rows[Degree + 1][registers] = {};
  const auto add_row = [&](std::int32_t i, V(&row)[registers]) {
    T* to = gradient + i * n_out;
    if (!fresh) {
      V before[registers];
      outputs.load_row(to, before);
      for (int r = 0; r < registers; ++r) row[r] += before[r];
    }
    outputs.store_row(row, to);
  };
  const std::int32_t intervals = basis.intervals();
  for (std::int32_t i = 0; i < intervals; ++i) {
    std::int32_t sample = basis.first(i);
    V differences[Degree][registers];
    if constexpr (with_slopes) {
      if (sample >= 0) {
        V below[registers];
        outputs.load_row(coefficients + i * n_out, below);
        for (int j = 0; j < Degree; ++j) {
          V above[registers];
          outputs.load_row(coefficients + (i + j + 1) * n_out, above);
          for (int r = 0; r < registers; ++r) {
            differences[j][r] = above[r] - below[r];
            below[r] = above[r];
          }
        }
      }
    }
    for (; sample >= 0; sample = basis.next(sample)) {
      const T* from = y_cotangent + index{sample} * (registers * lanes);
      V cotangents[registers];
      for (int r = 0; r < registers; ++r) cotangents[r] = load<lanes>(from + r * lanes);
      for (int j = 0; j <= Degree; ++j) {
        for (int r = 0; r < registers; ++r) rows[j][r] += basis.value(j, sample) * cotangents[r];
      }
      if constexpr (with_slopes) {
        V sum = {};
        for (int j = 0; j < Degree; ++j) {
          V product = differences[j][0] * cotangents[0];
          for (int r = 1; r < registers; ++r) product += differences[j][r] * cotangents[r];
          sum += basis.slope(j, sample) * product;
        }
        store<lanes>(sums + index{sample} * lanes, sum);
      }
    }
    add_row(i, rows[0]);  // complete: later intervals do not reach it
    for (int j = 0; j < Degree; ++j) {
      for (int r = 0; r < registers; ++r) rows[j][r] = rows[j + 1][r];
    }
    for (int r = 0; r < registers; ++r) rows[Degree][r] = V{};
  }
  for (int j = 0; j < Degree; ++j) add_row(intervals + j, rows[j]);
}

// to (samples) += sums over the lanes of vectors (samples, lanes); the samples of full vectors.
template <class T>
void add_sums_over_lanes(int samples, const T* vectors, T* to) {
  constexpr int lanes = register_lanes<T>;
  for (int s = 0; s < samples; s += lanes) {
    Register<T, lanes> parts[lanes];
    for (int i = 0; i < lanes; ++i) parts[i] = load<lanes>(vectors + (s + i) * lanes);
    store<lanes>(to + s, load<lanes>(to + s) + sums_over_lanes<lanes / 2>(parts));
  }
}

// Inputs whose columns are copied at once: what shares a cache line of x.
inline constexpr index input_group = 16;

// Memory of one thread. Columns of a group of inputs are `stride` apart.
template <class T, int Degree>
class WideScratch {
 public:
  static index bytes(const SplineLayerView<T>& layer, int samples) {
    const index numbers =
        (2 * input_group + register_lanes<T> + padded(layer.n_out)) * column_stride<T>(samples);
    const index one_basis = SortedBasis<T, Degree, true>::bytes(samples, layer.most_intervals);
    return numbers * index{sizeof(T)} + (one_basis > cached ? one_basis : cached);
  }

  WideScratch(const SplineLayerView<T>& layer, int samples, void* memory)
      : stride(column_stride<T>(samples)),
        padded_outputs(padded(layer.n_out)),
        x(static_cast<T*>(memory)),
        x_cotangents(x + input_group * stride),
        sums(x_cotangents + input_group * stride),
        y(sums + register_lanes<T> * stride),
        samples_(samples),
        intervals_(layer.most_intervals),
        bases_(reinterpret_cast<char*>(y + padded_outputs * stride)) {}

  const index stride;
  const index padded_outputs;  // to full registers
  T* const x;                  // (input_group, stride)
  T* const x_cotangents;       // (input_group, stride)
  T* const sums;  // (stride, register_lanes): x_cotangent of one input, spread over lanes
  T* const y;     // or its cotangents, (samples, padded_outputs), block by block

  // Inputs of which there is a basis at one time: as many as stay in cache.
  template <bool with_slopes>
  index batch() const {
    const index affordable =
        cached / SortedBasis<T, Degree, with_slopes>::bytes(samples_, intervals_);
    return affordable < 1 ? 1 : affordable < input_group ? affordable : input_group;
  }
  template <bool with_slopes>
  SortedBasis<T, Degree, with_slopes> basis(index place, index intervals) const {
    using Basis = SortedBasis<T, Degree, with_slopes>;
    return {samples_, intervals, bases_ + place * Basis::bytes(samples_, intervals_)};
  }

 private:
  static constexpr index cached = index{64} << 10;
  static index padded(index outputs) {
    return (outputs + register_lanes<T> - 1) / register_lanes<T> * register_lanes<T>;
  }

  int samples_;
  index intervals_;
  char* bases_;
};

template <class T, int Degree>
index wide_scratch_bytes(const SplineLayerView<T>& layer, int samples) {
  return WideScratch<T, Degree>::bytes(layer, samples);
}

// Calls f(first input, their number, whether a basis overflows) for the inputs of a range, batch by
// batch, when their bases are filled, and done(first input, their number) after each group of
// inputs.
template <class T, int Degree, bool with_slopes, class F, class Done>
[[gnu::always_inline]] inline Refusal for_sorted_inputs(const SplineLayerView<T>& layer,
                                                        InputRange inputs, int samples, const T* x,
                                                        const WideScratch<T, Degree>& scratch,
                                                        const F& f, const Done& done) {
  const auto least = [](index a, index b) { return a < b ? a : b; };
  for (index group = inputs.first; group < inputs.last; group += input_group) {
    const index end = least(inputs.last, group + input_group);
    transpose_matrix(samples, end - group, x + group, layer.n_in, scratch.x, scratch.stride);
    const index batch = scratch.template batch<with_slopes>();
    for (index first = group; first < end; first += batch) {
      const index count = least(batch, end - first);
      bool overflows = false;
      for (index i = 0; i < count; ++i) {
        const auto& space = layer.spaces[first + i];
        auto basis = scratch.template basis<with_slopes>(i, space.intervals);
        const int refused = basis.fill(space, layer.extrapolation,
                                       scratch.x + (first + i - group) * scratch.stride);
        if (refused >= 0) return {refused, first + i};
        overflows |= basis.overflows();
      }
      f(first, count, overflows);
    }
    done(group, end - group);
  }
  return {};
}

// Calls f(first output, its block of scratch.y, OutputBlock) for all outputs.
template <class T, int Degree, class F>
[[gnu::always_inline]] inline void for_output_blocks(const WideScratch<T, Degree>& scratch,
                                                     int samples, index n_out, const F& f) {
  constexpr int lanes = register_lanes<T>;
  constexpr index width = block_registers * lanes;
  for (index q = 0; q < n_out; q += width) {
    const index left = n_out - q < width ? n_out - q : width;
    const auto registers = static_cast<int>((left + lanes - 1) / lanes);
    const auto last = static_cast<int>(left) - (registers - 1) * lanes;
    for_order<block_registers>(
        registers, [&](auto count) __attribute__((always_inline)) {
          if (last == lanes) {
            f(q, scratch.y + q * samples, OutputBlock<count, true>{last});
          } else {
            f(q, scratch.y + q * samples, OutputBlock<count, false>{last});
          }
        });
  }
}

template <class T, int Degree>
Refusal wide_forward(const SplineLayerView<T>& layer, int samples, const T* x, const T* parameters,
                     T* y, void* memory) {
  const WideScratch<T, Degree> scratch(layer, samples, memory);
  const index n_out = layer.n_out;
  clear(samples * scratch.padded_outputs, scratch.y);
  bool overflows = false;
  const auto refusal = for_sorted_inputs<T, Degree, false>(
      layer, {0, layer.n_in}, samples, x, scratch,
      [&](index first, index count, bool in_batch) {
        overflows |= in_batch;
        for_output_blocks(scratch, samples, n_out, [&](index q, T* block, auto outputs) {
          for (index i = 0; i < count; ++i) {
            const index p = first + i;
            add_splines<T, Degree>(scratch.template basis<false>(i, layer.spaces[p].intervals),
                                   parameters + layer.rows[p] * n_out + q, n_out, outputs, block);
          }
        });
      },
      [](index, index) {});
  if (refusal.sample >= 0) return refusal;
  for_output_blocks(scratch, samples, n_out, [&](index q, const T* block, auto outputs) {
    const OutputBlock<outputs.registers, true> padded{};
    for (int s = 0; s < samples; ++s, block += outputs.registers * register_lanes<T>) {
      OutputVector<T> row[outputs.registers];
      padded.load_row(block, row);
      outputs.store_row(row, y + s * n_out + q);
    }
  });
  for (int s = 0; overflows && s < samples; s += tile_size) {
    const T* const from = x + s * layer.n_in;
    T* const to = y + s * n_out;
    const int count = samples - s < tile_size ? samples - s : tile_size;
    sum_before_distances<T, Degree>(layer, count, &from, parameters, nullptr, &to);
  }
  return {};
}

template <class T, int Degree, bool to_inputs>
Refusal wide_gradients(const SplineLayerView<T>& layer, InputRange inputs, int samples, const T* x,
                       const T* parameters, const T* y_cotangent, T* parameter_gradient, bool fresh,
                       T* x_cotangent, const WideScratch<T, Degree>& scratch) {
  const index n_out = layer.n_out;
  for_output_blocks(scratch, samples, n_out, [&](index q, T* block, auto outputs) {
    const OutputBlock<outputs.registers, true> padded{};
    for (int s = 0; s < samples; ++s, block += outputs.registers * register_lanes<T>) {
      OutputVector<T> row[outputs.registers];
      outputs.load_row(y_cotangent + s * n_out + q, row);
      padded.store_row(row, block);
    }
  });
  const auto one_input = [&](index p, index place) {
    const index offset = layer.rows[p] * n_out;
    const auto basis = scratch.template basis<to_inputs>(place, layer.spaces[p].intervals);
    T* const column = scratch.x_cotangents + (p - inputs.first) % input_group * scratch.stride;
    if (to_inputs) clear(samples, column);
    for_output_blocks(scratch, samples, n_out, [&](index q, const T* block, auto outputs) {
      add_gradients<T, Degree, to_inputs>(basis, parameters + offset + q, block, n_out, outputs,
                                          parameter_gradient + offset + q, fresh, scratch.sums);
      if (to_inputs) add_sums_over_lanes<T>(samples, scratch.sums, column);
    });
  };
  return for_sorted_inputs<T, Degree, to_inputs>(
      layer, inputs, samples, x, scratch,
      [&](index first, index count, bool) {
        for (index i = 0; i < count; ++i) one_input(first + i, i);
      },
      [&](index first, index count) {
        if (!to_inputs) return;
        transpose_matrix(count, samples, scratch.x_cotangents, scratch.stride, x_cotangent + first,
                         layer.n_in);
      });
}

template <class T, int Degree>
Refusal wide_backward(const SplineLayerView<T>& layer, InputRange inputs, int samples, const T* x,
                      const T* parameters, const T* y_cotangent, T* parameter_gradient, bool fresh,
                      T* x_cotangent, void* memory) {
  const auto run =
      x_cotangent != nullptr ? wide_gradients<T, Degree, true> : wide_gradients<T, Degree, false>;
  return run(layer, inputs, samples, x, parameters, y_cotangent, parameter_gradient, fresh,
             x_cotangent, WideScratch<T, Degree>(layer, samples, memory));
}

}  // namespace kanml::kernels::inline KANML_TARGET
