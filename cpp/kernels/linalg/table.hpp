// The kernels of dense matrices, in float64 alone. All matrices are row-major. A strip is a matrix
// of strip_width columns without gaps; a square is a strip of as many rows.
#pragma once

#include "kanml/types.hpp"

namespace kanml::kernels {

inline constexpr index strip_width = 32;
inline constexpr index strip_rows = 4;  // a strip has a multiple of these, others being zero
inline constexpr index square = strip_width * strip_width;

// Rows of a matrix A whose reduction to a bidiagonal one is under way: its present rows are those
// of A + L M, where M, with a row for each column of L, is wide. A reflection 1 - sigma u u^T from
// the right adds to L the column -sigma (A + L M) u, and to M the row u; then the first column of
// the present matrix, w, joins L.
struct RowPass {
  index rows;
  index columns;  // of A, a multiple of 8
  const double* a;
  index stride;         // between rows of A
  double* left;         // (rows, most_updates): L
  index count;          // its columns in use; the two new ones follow
  const double* u;      // (columns)
  const double* moved;  // (most_updates): M u, zero from `count` on
  double sigma;
  const double*
      entry;    // (most_updates): column `place` of M, without the new row; zero from `count` on
  index place;  // of the column of A that becomes w
  // Null, or where w^T A (columns), w^T L (most_updates) and those of the new columns (2) are
  // added.
  double* sums;
  double* left_sums;
  double* new_sums;
};

inline constexpr index most_updates = 64;

struct MatrixKernels {
  // y (rows, columns) += x (rows, terms) w (terms, columns), with the numbers between rows of each.
  // Rows are a multiple of strip_rows, columns of strip_width.
  void (*add_product)(index rows, index terms, index columns, const double* x, index x_stride,
                      const double* w, index w_stride, double* y, index y_stride);
  // w (a square) += a^T b for two strips.
  void (*add_transposed_product)(index rows, const double* a, const double* b, double* w);
  // The QR factorisation of [triangle; strip] by Householder reflections of the first `columns`
  // columns. The triangle (a square) becomes that of the factorisation; entries below its diagonal
  // are neither read nor written. The strip becomes V, and `factor` (a square) the upper triangle F
  // of the compact form Q = 1 + [1; V] F [1; V]^T.
  void (*reduce)(index columns, index rows, double* triangle, double* strip, double* factor);

  void (*pass_rows)(const RowPass& pass);
  // to (columns) += sum_i factors[i] rows_i; columns are a multiple of 8.
  void (*add_rows)(index count, index columns, const double* factors, const double* rows,
                   index stride, double* to);
  // products[i] = rows_i . x
  void (*multiply_rows)(index count, index columns, const double* rows, index stride,
                        const double* x, double* products);
};

}  // namespace kanml::kernels
