// Exact transfer between nested spline spaces.
#pragma once

#include <span>
#include <vector>

#include "kanml/spline_space.hpp"

namespace kanml {

// P, of shape (fine.dim, coarse.dim): the coarse spline with coefficients c is the fine spline
// with coefficients P c. Row j holds degree + 1 numbers, in the columns from first_column()[j].
class Prolongation {
 public:
  // Throws std::invalid_argument unless the degrees and domains agree and every coarse breakpoint
  // is a fine one.
  Prolongation(const SplineSpace& coarse, const SplineSpace& fine);

  index rows() const { return static_cast<index>(first_column_.size()); }
  index columns() const { return columns_; }
  int degree() const { return degree_; }
  std::span<const index> first_column() const { return first_column_; }  // (rows)
  std::span<const double> values() const { return values_; }             // (rows, degree + 1)

  template <class T>
  void apply(index m, std::span<const T> x, std::span<T> y) const;  // (columns, m) -> (rows, m)

  // P^T: restricts gradients, <P c, d> = <c, P^T d>.
  template <class T>
  void apply_transpose(index m, std::span<const T> x,
                       std::span<T> y) const;  // (rows, m) -> (columns, m)

  // P (P^T P)^{-1}: carries gradients to the fine space, so that P^T undoes it.
  template <class T>
  void apply_dual(index m, std::span<const T> x,
                  std::span<T> y) const;  // (columns, m) -> (rows, m)

 private:
  index columns_;
  int degree_;
  std::vector<index> first_column_;
  std::vector<double> values_;
  std::vector<double> gram_factor_;  // (columns, degree + 1): banded Cholesky factor of P^T P

  void factor_gram();
};

}  // namespace kanml
