// Bidiagonal least squares problems, from singular values to damped solutions: O(n) work each.
#pragma once

#include <span>
#include <vector>

#include "kanml/types.hpp"

namespace kanml {

// B y = c with an upper bidiagonal B, in the sense of least squares.
struct BidiagonalSystem {
  std::vector<double> diagonal;  // (n)
  std::vector<double> above;     // (n): above[i] is in row i and column i + 1; the last one is zero
  std::vector<double> right;     // (n): c

  index size() const { return static_cast<index>(diagonal.size()); }
};

// Maps (a, b) to (radius, 0).
struct Rotation {
  double cosine = 1.0;
  double sine = 0.0;
  double radius = 0.0;

  Rotation() = default;
  Rotation(double a, double b);
};

// Rotations of the neighbours first and first + 1, then first + 1 and first + 2, ...
struct RotationSweep {
  index first;
  std::vector<Rotation> rotations;
};

// The singular values of B below x; x > 0.
index values_below(const BidiagonalSystem& system, double x);

// The singular value that has `below` smaller ones, to rounding.
double singular_value(const BidiagonalSystem& system, index below);

// Makes the singular values below `tolerance` zero: their columns of B become zero. Solutions y of
// the new system are taken back by the rotations; see take_back.
std::vector<RotationSweep> deflate(BidiagonalSystem& system, double tolerance);

// values (n, stride): each of the first `count` columns is a solution of the deflated system, and
// becomes one of the system before.
void take_back(std::span<const RotationSweep> sweeps, index count, double* values, index stride);

// The y that minimises |B y + c|^2 + damping |y|^2; without damping the shortest of them.
class DampedSolution {
 public:
  DampedSolution(const BidiagonalSystem& system, double damping);

  std::span<const double> values() const { return y_; }
  double length() const { return length_; }
  double decrease() const { return decrease_; }  // |c|^2 - |B y + c|^2
  // The derivative of the logarithm of the length with respect to the damping.
  double relative_slope() const { return relative_slope_; }

 private:
  std::vector<double> y_;
  double length_ = 0.0;
  double decrease_ = 0.0;
  double relative_slope_ = 0.0;
};

}  // namespace kanml
