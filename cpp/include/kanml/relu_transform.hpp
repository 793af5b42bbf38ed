// The change of basis between B-splines and powers of ReLUs on one space.
#pragma once

#include <span>
#include <vector>

#include "kanml/spline_space.hpp"

namespace kanml {

// The matrix A of shape (dim, dim) with b = A psi on [a, b], for the B-splines b_i and the
// truncated powers psi_j(x) = max(x - knots[j], 0)^degree. It is upper triangular with degree + 2
// entries in each row. If u are the B-spline coefficients and w the power-ReLU weights of one
// function, then w = A^T u.
//
// All four maps act on the middle axis of arrays (copies, dim, m); y may be x. They compute in
// double. For each entry, a product takes degree + 2 multiply-adds, a solution degree + 1 running
// sums.
class ReluTransform {
 public:
  // Throws std::invalid_argument if an entry of A or its inverse is outside the range of double.
  explicit ReluTransform(const SplineSpace& space);

  int degree() const { return degree_; }
  index dim() const { return dim_; }

  // Row i holds A_ij for j = i .. i + degree + 1, or zero if j >= dim.
  std::span<const double> band() const { return band_; }  // (dim, degree + 2)

  // The largest entry of |A^-T| |A^T| 1 (Skeel's condition number): relative errors e in the
  // weights w cause errors up to condition() e, relative to the largest, in the coefficients u.
  double condition() const { return condition_; }

  template <class T>
  void apply(index copies, index m, std::span<const T> x, std::span<T> y) const;  // y = A x
  template <class T>
  void apply_transpose(index copies, index m, std::span<const T> x,
                       std::span<T> y) const;  // y = A^T x
  template <class T>
  void solve(index copies, index m, std::span<const T> x, std::span<T> y) const;  // A y = x
  template <class T>
  void solve_transpose(index copies, index m, std::span<const T> x,
                       std::span<T> y) const;  // A^T y = x

 private:
  int degree_;
  index dim_;
  std::vector<double> band_;
  std::vector<double> spans_;  // (degree, dim): row d - 1 holds knots[i + d] - knots[i]
  double condition_;

  double entry(index i, index j) const {
    return band_[static_cast<std::size_t>(i * (degree_ + 2) + j - i)];
  }
  double span(int d, index i) const { return spans_[static_cast<std::size_t>((d - 1) * dim_ + i)]; }
  template <class T, class Sweeps>
  void cascade(index copies, index m, std::span<const T> x, std::span<T> y,
               const Sweeps& sweeps) const;
};

}  // namespace kanml
