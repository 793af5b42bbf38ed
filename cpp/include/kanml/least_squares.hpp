// Dense linear least squares, in float64.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "kanml/types.hpp"

namespace kanml {

// The upper triangular factor (n, n) of the QR factorisation of [triangle; rows], where `triangle`
// is such a factor and what it holds below its diagonal is not read. Numbers up to 1e150 do not
// overflow.
std::vector<double> fold_triangle(index n, std::span<const double> triangle,
                                  std::span<const double> rows, int threads);

// Steps p that minimise |R p + c|^2 + damping |p|^2, for many dampings from one bidiagonalisation
// (Elden 1977). Singular values of R below max(rows, n) epsilon times the largest count as zero,
// and p has no component there.
class DampedSteps {
 public:
  // The triangle (n + 1, n + 1) holds R and, as its last column, c, of a matrix with `rows` rows
  // whose numbers were rounded to `epsilon`. Throws std::invalid_argument unless it is finite.
  DampedSteps(index n, std::span<const double> triangle, index rows, double epsilon, int threads);
  ~DampedSteps();
  DampedSteps(DampedSteps&&) noexcept;

  index size() const;  // n
  index rank() const;
  double largest() const;   // singular value
  double smallest() const;  // of those that count; zero if there is none

  struct Solutions {
    std::vector<double> steps;      // (dampings, n)
    std::vector<double> lengths;    // (dampings)
    std::vector<double> decreases;  // (dampings): |c|^2 - |R p + c|^2
  };
  Solutions solve(std::span<const double> dampings) const;

  // The dampings at which |p| equals each radius; zero where the step without damping is no longer.
  std::vector<double> dampings(std::span<const double> radii) const;

 private:
  struct Reduced;
  std::unique_ptr<const Reduced> reduced_;
  int threads_;
};

}  // namespace kanml
