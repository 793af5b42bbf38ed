// Symmetric matrices of which the lower triangle is stored, row after row: entry (i, j) with j <= i
// is number i (i + 1) / 2 + j of n (n + 1) / 2. All sums are computed in double, in an order that
// depends on n alone. `threads` is as for an evaluation: 0 is the default.
#pragma once

#include <span>

#include "kanml/types.hpp"

namespace kanml {

constexpr index packed_size(index n) { return n * (n + 1) / 2; }

// out = matrix x.
template <class T>
void symmetric_product(std::span<const T> matrix, std::span<const T> x, std::span<T> out,
                       int threads);

// The matrix xx x x^T + xy (x y^T + y x^T) + yy y y^T.
template <class T>
struct RankTwo {
  std::span<const T> x;
  std::span<const T> y;
  double xx;
  double xy;
  double yy;
};

// out = scale matrix + added, each entry rounded once. Returns whether all entries of its diagonal
// are positive and finite, without which it is not positive definite. `out` may be the matrix.
template <class T>
bool symmetric_update(double scale, std::span<const T> matrix, const RankTwo<T>& added,
                      std::span<T> out, int threads);

}  // namespace kanml
