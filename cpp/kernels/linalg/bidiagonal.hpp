// What the reduction of a matrix to a bidiagonal one does at every step. It is bound by memory: a
// step reads the matrix once.
#pragma once

#include "kernels/linalg/products.hpp"
#include "kernels/linalg/table.hpp"

namespace kanml::kernels::inline KANML_TARGET {

inline void add_rows(index count, index columns, const double* factors, const double* rows,
                     index stride, double* to) {
  for (index q = 0; q < columns; q += double_lanes) {
    DoubleVector sums[2] = {load<double_lanes>(to + q)};
    index i = 0;
    for (; i + 2 <= count; i += 2) {
      for (int s = 0; s < 2; ++s) {
        sums[s] += factors[i + s] * load<double_lanes>(rows + (i + s) * stride + q);
      }
    }
    if (i < count) sums[0] += factors[i] * load<double_lanes>(rows + i * stride + q);
    store<double_lanes>(to + q, sums[0] + sums[1]);
  }
}

// Sums of products of Count rows with x.
template <int Count>
[[gnu::always_inline]] inline void dots(index columns, const double* const* rows, const double* x,
                                        DoubleVector* sums) {
  for (index q = 0; q < columns; q += double_lanes) {
    const auto factor = load<double_lanes>(x + q);
    for (int i = 0; i < Count; ++i) sums[i] += factor * load<double_lanes>(rows[i] + q);
  }
}

template <int Count>
[[gnu::always_inline]] inline void multiply_group(index columns, const double* from, index stride,
                                                  const double* x, double* products) {
  const double* rows[Count];
  DoubleVector sums[Count] = {};
  for (int i = 0; i < Count; ++i) rows[i] = from + i * stride;
  dots<Count>(columns, rows, x, sums);
  for (int i = 0; i < Count; ++i) products[i] = sum_of_lanes<double, double_lanes>(sums[i]);
}

inline void multiply_rows(index count, index columns, const double* rows, index stride,
                          const double* x, double* products) {
  index i = 0;
  for (; i + 4 <= count; i += 4) {
    multiply_group<4>(columns, rows + i * stride, stride, x, products + i);
  }
  for (; i < count; ++i) multiply_group<1>(columns, rows + i * stride, stride, x, products + i);
}

// Count rows of a pass, so that u and the sums are loaded once for all of them.
template <int Count>
[[gnu::always_inline]] inline void pass_group(const RowPass& pass, index first) {
  const double* a[Count];
  double* left[Count];
  for (int i = 0; i < Count; ++i) {
    a[i] = pass.a + (first + i) * pass.stride;
    left[i] = pass.left + (first + i) * most_updates;
  }
  const index count = pass.count;
  const index used = (count + double_lanes - 1) / double_lanes * double_lanes;
  DoubleVector times_u[Count] = {};
  DoubleVector entries[Count] = {};
  dots<Count>(pass.columns, a, pass.u, times_u);
  dots<Count>(used, left, pass.moved, times_u);
  dots<Count>(used, left, pass.entry, entries);
  double x[Count];
  double w[Count];
  for (int i = 0; i < Count; ++i) {
    x[i] = -pass.sigma * sum_of_lanes<double, double_lanes>(times_u[i]);
    w[i] = a[i][pass.place] + sum_of_lanes<double, double_lanes>(entries[i]) +
           x[i] * pass.u[pass.place];
  }
  if (pass.sums != nullptr) {
    const auto add = [&](index columns, auto rows, double* sums) {
      for (index q = 0; q < columns; q += double_lanes) {
        auto sum = load<double_lanes>(sums + q);
        for (int i = 0; i < Count; ++i) sum += w[i] * load<double_lanes>(rows[i] + q);
        store<double_lanes>(sums + q, sum);
      }
    };
    add(pass.columns, a, pass.sums);
    add(used, left, pass.left_sums);
    for (int i = 0; i < Count; ++i) {
      pass.new_sums[0] += w[i] * x[i];
      pass.new_sums[1] += w[i] * w[i];
    }
  }
  for (int i = 0; i < Count; ++i) {
    left[i][count] = x[i];
    left[i][count + 1] = w[i];
  }
}

inline void pass_rows(const RowPass& pass) {
  index r = 0;
  for (; r + 4 <= pass.rows; r += 4) pass_group<4>(pass, r);
  for (; r < pass.rows; ++r) pass_group<1>(pass, r);
}

}  // namespace kanml::kernels::inline KANML_TARGET
