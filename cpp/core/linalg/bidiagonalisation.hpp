// The reduction of a matrix to a bidiagonal one, A = U B V^T, which keeps U^T c of one vector and
// V.
#pragma once

#include <span>

#include "core/linalg/bidiagonal_system.hpp"
#include "core/linalg/zeros.hpp"
#include "kanml/types.hpp"
#include "kernels/linalg/table.hpp"

namespace kanml {

// A product of n Householder reflections, in groups of strip_width.
class Reflections {
 public:
  explicit Reflections(index n);

  // Sets a group: reflection j is 1 - sigmas[j] u u^T with u in row j of `rows`, a stride apart.
  void set(index group, const double* rows, index stride, const double* sigmas);
  // strip (padded, strip_width) becomes the product times it.
  void apply(double* strip) const;
  index padded() const { return padded_; }

 private:
  double* vectors_of(index group) const {
    return vectors_.data() + group * padded_ * kernels::strip_width;
  }
  double* factor_of(index group) const { return factors_.data() + group * kernels::square; }

  index padded_;   // n and what fills the last group
  Zeros vectors_;  // (groups, padded, strip_width): u in columns
  Zeros factors_;  // (groups, strip_width, strip_width): of the compact form 1 + U F U^T
};

struct Bidiagonalisation {
  BidiagonalSystem system;
  Reflections right;  // V
};

// Of the first n columns of a matrix (n, n + 1), whose last column is the right side. The bits do
// not depend on threads.
Bidiagonalisation bidiagonalise(index n, std::span<const double> matrix, int threads);

}  // namespace kanml
