// A layer of splines with many outputs, on many samples: only values, without directions.
//
// The samples are sorted by the interval in which an input lies. The Degree + 1 coefficient rows of
// an interval, or their gradient, then stay in registers while its samples stream past, so a
// multiply-add loads only a fraction of a number. From one interval to the next the rows move on by
// one. Outputs are taken in strips of as many registers as fit beside the rows.
#pragma once

#include "kernels/spline/overflow.hpp"
#include "kernels/spline/sorted_contract.hpp"
#include "point/orders.hpp"

namespace kanml::kernels::inline KANML_TARGET {

// Inputs whose columns are copied together, since they share a cache line of x.
inline constexpr index input_group = 16;

// Memory of one thread. Columns of a group of inputs are `stride` apart.
template <class T, int Degree>
class SheetScratch {
 public:
  static index bytes(const SplineView<T>& layer, int samples) {
    const index numbers =
        (2 * input_group + register_lanes<T> + padded(layer.n_out)) * column_stride<T>(samples);
    const index one_basis = SortedBasis<T, Degree, true>::bytes(samples, layer.most_intervals);
    return numbers * index{sizeof(T)} + (one_basis > cached ? one_basis : cached);
  }

  SheetScratch(const SplineView<T>& layer, int samples, void* memory)
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
  T* const y;     // or its cotangents, (samples, padded_outputs), strip by strip

  // The number of inputs whose bases exist at the same time: as many as stay in cache.
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
index values_scratch_bytes(const SplineView<T>& layer, int samples) {
  return SheetScratch<T, Degree>::bytes(layer, samples);
}

// Goes through a range of inputs in batches. Calls f(first input, number of inputs, whether a basis
// overflows) for each batch, after filling its bases, and done(first input, number of inputs) after
// each group of inputs.
template <class T, int Degree, bool with_slopes, class F, class Done>
[[gnu::always_inline]] inline Refusal for_sorted_inputs(const SplineView<T>& layer,
                                                        InputRange inputs, int samples, const T* x,
                                                        const SheetScratch<T, Degree>& scratch,
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

// Calls f(first output, its strip of scratch.y, OutputStrip) for all outputs.
template <class T, int Degree, class F>
[[gnu::always_inline]] inline void for_output_strips(const SheetScratch<T, Degree>& scratch,
                                                     int samples, index n_out, const F& f) {
  constexpr int lanes = register_lanes<T>;
  constexpr index width = strip_registers * lanes;
  for (index q = 0; q < n_out; q += width) {
    const index left = n_out - q < width ? n_out - q : width;
    const auto registers = static_cast<int>((left + lanes - 1) / lanes);
    const auto last = static_cast<int>(left) - (registers - 1) * lanes;
    point::for_order<strip_registers>(
        registers, [&](auto count) __attribute__((always_inline)) {
          if (last == lanes) {
            f(q, scratch.y + q * samples, OutputStrip<count, true>{last});
          } else {
            f(q, scratch.y + q * samples, OutputStrip<count, false>{last});
          }
        });
  }
}

template <class T, int Degree>
Refusal spline_values(const SplineView<T>& layer, const ValuesCall<T>& call) {
  const int samples = call.samples;
  const SheetScratch<T, Degree> scratch(layer, samples, call.scratch);
  const index n_out = layer.n_out;
  clear(samples * scratch.padded_outputs, scratch.y);
  bool overflows = false;
  const auto refusal = for_sorted_inputs<T, Degree, false>(
      layer, {0, layer.n_in}, samples, call.x, scratch,
      [&](index first, index count, bool in_batch) {
        overflows |= in_batch;
        for_output_strips(scratch, samples, n_out, [&](index q, T* strip, auto outputs) {
          for (index i = 0; i < count; ++i) {
            const index p = first + i;
            add_splines<T, Degree>(scratch.template basis<false>(i, layer.spaces[p].intervals),
                                   call.parameters + layer.rows[p] * n_out + q, n_out, outputs,
                                   strip);
          }
        });
      },
      [](index, index) {});
  if (refusal.sample >= 0) return refusal;
  for_output_strips(scratch, samples, n_out, [&](index q, const T* strip, auto outputs) {
    const OutputStrip<outputs.registers, true> padded{};
    for (int s = 0; s < samples; ++s, strip += outputs.registers * register_lanes<T>) {
      OutputVector<T> row[outputs.registers];
      padded.load_row(strip, row);
      outputs.store_row(row, call.y + s * n_out + q);
    }
  });
  for (int s = 0; overflows && s < samples; s += tile_size) {
    const T* const from = call.x + s * layer.n_in;
    T* const to = call.y + s * n_out;
    const int count = samples - s < tile_size ? samples - s : tile_size;
    sum_before_distances<T, Degree>(layer, {count, {}, &from, call.parameters, nullptr, &to, {}});
  }
  return {};
}

template <class T, int Degree, bool to_inputs>
Refusal values_gradients(const SplineView<T>& layer, const ValuesBackCall<T>& call) {
  const int samples = call.samples;
  const InputRange inputs = call.inputs;
  const SheetScratch<T, Degree> scratch(layer, samples, call.scratch);
  const index n_out = layer.n_out;
  for_output_strips(scratch, samples, n_out, [&](index q, T* strip, auto outputs) {
    const OutputStrip<outputs.registers, true> padded{};
    for (int s = 0; s < samples; ++s, strip += outputs.registers * register_lanes<T>) {
      OutputVector<T> row[outputs.registers];
      outputs.load_row(call.y_cotangent + s * n_out + q, row);
      padded.store_row(row, strip);
    }
  });
  const auto one_input = [&](index p, index place) {
    const index offset = layer.rows[p] * n_out;
    const auto basis = scratch.template basis<to_inputs>(place, layer.spaces[p].intervals);
    T* const column = scratch.x_cotangents + (p - inputs.first) % input_group * scratch.stride;
    if (to_inputs) clear(samples, column);
    for_output_strips(scratch, samples, n_out, [&](index q, const T* strip, auto outputs) {
      add_gradients<T, Degree, to_inputs>(basis, call.parameters + offset + q, strip, n_out,
                                          outputs, call.sink.from(offset + q), scratch.sums);
      if (to_inputs) add_sums_over_lanes<T>(samples, scratch.sums, column);
    });
  };
  return for_sorted_inputs<T, Degree, to_inputs>(
      layer, inputs, samples, call.x, scratch,
      [&](index first, index count, bool) {
        for (index i = 0; i < count; ++i) one_input(first + i, i);
      },
      [&](index first, index count) {
        if (!to_inputs) return;
        transpose_matrix(count, samples, scratch.x_cotangents, scratch.stride,
                         call.x_cotangent + first, layer.n_in);
      });
}

template <class T, int Degree>
Refusal spline_values_back(const SplineView<T>& layer, const ValuesBackCall<T>& call) {
  return call.x_cotangent != nullptr ? values_gradients<T, Degree, true>(layer, call)
                                     : values_gradients<T, Degree, false>(layer, call);
}

}  // namespace kanml::kernels::inline KANML_TARGET
