// Products of matrices.
#pragma once

#include <algorithm>

#include "kernels/linalg/table.hpp"
#include "simd/vectors.hpp"

namespace kanml::kernels::inline KANML_TARGET {

inline constexpr int double_lanes = register_lanes<double>;
using DoubleVector = Vector<double, double_lanes>;

// As many sums as registers hold beside the factors.
inline constexpr int tile_registers = register_bytes == 64 ? 4 : 2;
inline constexpr index tile_width = tile_registers * double_lanes;

// A tile of strip_rows rows: y_i += sum_p x[i x_row + p x_column] w_p for rows y_i and w_p.
[[gnu::always_inline]] inline void add_to_tile(index terms, const double* x, index x_row,
                                               index x_column, const double* w, index w_stride,
                                               double* y, index y_stride) {
  DoubleVector sums[strip_rows][tile_registers];
  for (int i = 0; i < strip_rows; ++i) {
    for (int q = 0; q < tile_registers; ++q) {
      sums[i][q] = load<double_lanes>(y + i * y_stride + q * double_lanes);
    }
  }
  for (index p = 0; p < terms; ++p) {
    DoubleVector row[tile_registers];
    for (int q = 0; q < tile_registers; ++q) {
      row[q] = load<double_lanes>(w + p * w_stride + q * double_lanes);
    }
    for (int i = 0; i < strip_rows; ++i) {
      const double factor = x[i * x_row + p * x_column];
      for (int q = 0; q < tile_registers; ++q) sums[i][q] += factor * row[q];
    }
  }
  for (int i = 0; i < strip_rows; ++i) {
    for (int q = 0; q < tile_registers; ++q) {
      store<double_lanes>(y + i * y_stride + q * double_lanes, sums[i][q]);
    }
  }
}

inline void add_product(index rows, index terms, index columns, const double* x, index x_stride,
                        const double* w, index w_stride, double* y, index y_stride) {
  for (index q = 0; q < columns; q += tile_width) {
    for (index r = 0; r < rows; r += strip_rows) {
      add_to_tile(terms, x + r * x_stride, x_stride, 1, w + q, w_stride, y + r * y_stride + q,
                  y_stride);
    }
  }
}

// Rows go in chunks that stay in the fastest cache.
inline void add_transposed_product(index rows, const double* a, const double* b, double* w) {
  constexpr index chunk = 64;
  for (index r = 0; r < rows; r += chunk) {
    const index terms = std::min(chunk, rows - r);
    for (index q = 0; q < strip_width; q += tile_width) {
      for (index i = 0; i < strip_width; i += strip_rows) {
        add_to_tile(terms, a + r * strip_width + i, 1, strip_width, b + r * strip_width + q,
                    strip_width, w + i * strip_width + q, strip_width);
      }
    }
  }
}

}  // namespace kanml::kernels::inline KANML_TARGET
