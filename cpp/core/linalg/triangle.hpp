// Upper triangular factors of QR factorisations, which rows are folded into as they come.
#pragma once

#include <span>
#include <vector>

#include "core/linalg/zeros.hpp"
#include "kanml/types.hpp"

namespace kanml {

// The factor R of the rows that were folded in: R^T R is the sum of their products. Its diagonal
// has any signs. Numbers up to 1e150 do not overflow; columns of numbers below 1e-145 count as
// zero.
class Triangle {
 public:
  explicit Triangle(index n);  // n columns, no rows yet: zeros
  // A factor (n, n), of which what is below the diagonal is not read.
  Triangle(index n, std::span<const double> entries);

  void clear();

  // Folds in rows of n numbers, which are `stride` apart.
  void fold(index rows, const double* panel, index stride);
  // Folds in those of another triangle of the same size.
  void merge(const Triangle& other);

  // The same, bit for bit, by a team of threads; 0: the default number.
  void fold(index rows, const double* panel, index stride, int threads);
  void merge(const Triangle& other, int threads);

  std::span<const double> entries() const { return entries_; }  // (n, n), zeros below the diagonal

 private:
  struct Panel;

  int team(int requested, index rows) const;
  void fold(const Panel& panel, int threads);
  // The steps that fold a panel in, one strip of columns after another.
  void take(const Panel& panel, index strip);
  void reduce(const Panel& panel, index strip);
  void reflect(const Panel& panel, index reduced, index strip);
  double* strip_of(index strip);
  double* factor_of(index strip);

  index n_;
  index strips_;
  std::vector<double> entries_;
  Zeros panel_;    // (strips, panel_rows, strip_width): of the panel that is folded in
  Zeros factors_;  // (strips, strip_width, strip_width)
};

// How many triangles of n columns an evaluation of these rows folds into at once: at most 16, all
// within 128 MiB, for at least 2 n rows each.
index triangles_for(index rows, index n);

}  // namespace kanml
