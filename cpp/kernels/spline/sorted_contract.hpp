// The contractions of a layer with many outputs: the coefficient rows of an interval stay in
// registers while its samples stream past.
#pragma once

#include "kernels/spline/sorted_basis.hpp"

namespace kanml::kernels::inline KANML_TARGET {

// The largest number of registers in a strip of outputs: Degree + 1 rows of them, and one more,
// should fit. Backwards, some of the differences of rows do not fit and are operands in memory.
inline constexpr int strip_registers = register_bytes == 64 ? 4 : 2;  // of 32 or of 16 registers

template <class T>
using OutputVector = Vector<T, register_lanes<T>>;

// A strip of outputs in `Registers` registers. If it is not whole, the last register holds `last`
// outputs, followed by zeros.
template <int Registers, bool whole>
struct OutputStrip {
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

// y += the splines of one input, in a strip of outputs: y is (samples, registers * lanes), rows of
// coefficients are n_out apart.
template <class T, int Degree, class Strip>
void add_splines(const SortedBasis<T, Degree, false> basis, const T* coefficients, index n_out,
                 const Strip outputs, T* y) {
  constexpr int registers = Strip::registers;
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

// Both gradients from a strip of outputs, (samples, registers * lanes). The contribution of the
// samples is added to the sink's gradient (dim, n_out), or written if it is fresh. With slopes,
// sums (samples, lanes) = the parts, one in each lane, of sum_q cy[q] sum_j slope(j) (c_{j+1}[q] -
// c_j[q]).
template <class T, int Degree, bool with_slopes, class Strip>
void add_gradients(const SortedBasis<T, Degree, with_slopes> basis, const T* coefficients,
                   const T* y_cotangent, index n_out, const Strip outputs, const Sum<T> sink,
                   T* sums) {
  constexpr int registers = Strip::registers;
  using V = OutputVector<T>;
  constexpr int lanes = register_lanes<T>;
  V rows[Degree + 1][registers] = {};
  const auto add_row = [&](std::int32_t i, V(&row)[registers]) {
    T* to = sink.gradient + i * n_out;
    if (!sink.fresh) {
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

// to (samples) += sums over the lanes of vectors (samples, lanes); samples come in full vectors.
template <class T>
void add_sums_over_lanes(int samples, const T* vectors, T* to) {
  constexpr int lanes = register_lanes<T>;
  for (int s = 0; s < samples; s += lanes) {
    Register<T, lanes> parts[lanes];
    for (int i = 0; i < lanes; ++i) parts[i] = load<lanes>(vectors + (s + i) * lanes);
    store<lanes>(to + s, load<lanes>(to + s) + sums_over_lanes<lanes / 2>(parts));
  }
}

}  // namespace kanml::kernels::inline KANML_TARGET
