// Exact transfer between nested spline spaces.
#pragma once

#include <span>
#include <vector>

#include "kanml/spline_space.hpp"

namespace kanml {

// The matrix P of shape (fine.dim, coarse.dim): the coarse spline with coefficients c is the fine
// spline with coefficients P c. Row j holds degree + 1 numbers, from column first_column()[j] on.
class Prolongation {
 public:
  // Throws std::invalid_argument unless the degrees and domains agree and every coarse breakpoint
  // is also a fine one.
  Prolongation(const SplineSpace& coarse, const SplineSpace& fine);

  index rows() const { return static_cast<index>(first_column_.size()); }
  index columns() const { return columns_; }
  int degree() const { return degree_; }
  std::span<const index> first_column() const { return first_column_; }  // (rows)
  std::span<const double> values() const { return values_; }             // (rows, degree + 1)

  // The maps act on the middle axis of arrays (copies, columns, m) or (copies, rows, m).

  template <class T>
  void apply(index copies, index m,
             std::span<const T> x,   // (copies, columns, m)
             std::span<T> y) const;  // (copies, rows, m) out

  // P^T: restricts gradients, <P c, d> = <c, P^T d>.
  template <class T>
  void apply_transpose(index copies, index m,
                       std::span<const T> x,   // (copies, rows, m)
                       std::span<T> y) const;  // (copies, columns, m) out

  // P (P^T P)^{-1}: carries gradients to the fine space; P^T is its left inverse.
  template <class T>
  void apply_dual(index copies, index m,
                  std::span<const T> x,   // (copies, columns, m)
                  std::span<T> y) const;  // (copies, rows, m) out

 private:
  index columns_;
  int degree_;
  std::vector<index> first_column_;
  std::vector<double> values_;
  std::vector<double> gram_factor_;  // (columns, degree + 1): banded Cholesky factor of P^T P

  void factor_gram();
};

}  // namespace kanml
