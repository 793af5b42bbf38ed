#include "core/linalg/bidiagonal_system.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace kanml {

Rotation::Rotation(double a, double b) : radius(a) {
  if (b == 0.0) return;
  radius = std::hypot(a, b);
  cosine = a / radius;
  sine = b / radius;
}

namespace {

constexpr double smallest = std::numeric_limits<double>::min();
constexpr double rounding = std::numeric_limits<double>::epsilon();

std::size_t at(index i) { return static_cast<std::size_t>(i); }

// Rotates (a, b) forwards.
void rotate(const Rotation& rotation, double& a, double& b) {
  const double rotated = rotation.cosine * a + rotation.sine * b;
  b = rotation.cosine * b - rotation.sine * a;
  a = rotated;
}

// The singular values below x of the block first .. last: the eigenvalues below x of the symmetric
// tridiagonal matrix with zeros on its diagonal and d_1, e_1, d_2, ... beside it (Golub and Kahan),
// but for their negatives. Each negative pivot of its difference to x stands for one (Sturm).
index values_below(const BidiagonalSystem& system, index first, index last, double x) {
  index negative = 0;
  double pivot = -x;
  const auto next = [&](double beside) {
    if (std::abs(pivot) < smallest) pivot = -smallest;
    negative += pivot < 0.0 ? 1 : 0;
    pivot = -x - beside * (beside / pivot);
  };
  for (index i = first; i <= last; ++i) {
    next(system.diagonal[at(i)]);
    next(i < last ? system.above[at(i)] : 0.0);
  }
  return negative - (last - first + 1);
}

// Sweeps of the QR iteration over a block, which move a singular value to its last place. Each
// returns its rotations of columns.
//
// The first is Demmel and Kahan's (1990), without shift: it takes no differences, and so finds the
// smallest value where no entry of B shows it.
RotationSweep plain_sweep(BidiagonalSystem& system, index first, index last) {
  RotationSweep sweep{first, {}};
  Rotation columns;
  Rotation rows;
  for (index i = first; i < last; ++i) {
    double& next = system.diagonal[at(i + 1)];
    columns = Rotation(system.diagonal[at(i)] * columns.cosine, system.above[at(i)]);
    if (i > first) system.above[at(i - 1)] = rows.sine * columns.radius;
    rows = Rotation(rows.cosine * columns.radius, next * columns.sine);
    system.diagonal[at(i)] = rows.radius;
    sweep.rotations.push_back(columns);
    rotate(rows, system.right[at(i)], system.right[at(i + 1)]);
  }
  const double left = system.diagonal[at(last)] * columns.cosine;
  system.diagonal[at(last)] = left * rows.cosine;
  system.above[at(last - 1)] = left * rows.sine;
  return sweep;
}

// The second tells values of similar size apart: it moves that next to `shift` (Golub and Van Loan,
// Algorithm 8.6.1).
RotationSweep shifted_sweep(BidiagonalSystem& system, index first, index last, double shift) {
  RotationSweep sweep{first, {}};
  const double corner = system.diagonal[at(first)];
  double target = (std::abs(corner) - shift) * (std::abs(corner) + shift);
  double fill = corner * system.above[at(first)];
  for (index i = first; i < last; ++i) {
    double& diagonal = system.diagonal[at(i)];
    double& above = system.above[at(i)];
    double& next = system.diagonal[at(i + 1)];
    const Rotation columns(target, fill);
    if (i > first) system.above[at(i - 1)] = columns.radius;
    sweep.rotations.push_back(columns);
    rotate(columns, diagonal, above);
    double below = 0.0;
    rotate(columns, below, next);
    const Rotation rows(diagonal, below);
    diagonal = rows.radius;
    rotate(rows, above, next);
    rotate(rows, system.right[at(i)], system.right[at(i + 1)]);
    target = above;
    fill = 0.0;
    if (i + 1 < last) rotate(rows, fill, system.above[at(i + 1)]);
  }
  return sweep;
}

// The smaller singular value of [a b; 0 c].
double smaller_value(double a, double b, double c) {
  const double sum = std::hypot(std::abs(a) + std::abs(c), b);
  const double difference = std::hypot(std::abs(a) - std::abs(c), b);
  return sum == 0.0 ? 0.0 : std::abs(a) * std::abs(c) / (0.5 * (sum + difference));
}

double column_length(const BidiagonalSystem& system, index column) {
  return std::hypot(system.diagonal[at(column)], column > 0 ? system.above[at(column - 1)] : 0.0);
}

}  // namespace

index values_below(const BidiagonalSystem& system, double x) {
  return values_below(system, 0, system.size() - 1, x);
}

double singular_value(const BidiagonalSystem& system, index below) {
  // No singular value is larger than twice the largest entry.
  double upper = 0.0;
  for (index i = 0; i < system.size(); ++i) {
    upper = std::max({upper, std::abs(system.diagonal[at(i)]), std::abs(system.above[at(i)])});
  }
  upper *= 2.0 * (1.0 + 8.0 * rounding);
  if (upper < smallest) return 0.0;
  const double negligible = rounding * rounding * upper;
  if (values_below(system, negligible) > below) return 0.0;
  double lower = negligible;
  while (upper - lower > 2.0 * rounding * upper) {
    const double middle =
        upper > 4.0 * lower ? std::sqrt(lower * upper) : lower + 0.5 * (upper - lower);
    (values_below(system, middle) > below ? upper : lower) = middle;
  }
  return upper;
}

// The QR iteration, for as long as the last block, up to a zero above the diagonal, has negligible
// singular values. Plain sweeps move them to its end, nearly always the first one. Only then do
// shifts help; before, their rounding errors would hide a value that no entry shows.
std::vector<RotationSweep> deflate(BidiagonalSystem& system, double tolerance) {
  // For one value; two or three are the rule. What they do not tell apart are neighbours at the
  // tolerance whose ratio is next to one.
  constexpr int most_sweeps = 40;
  constexpr double far_below = 1e-3;
  const double nothing = 16.0 * rounding * tolerance;
  std::vector<RotationSweep> sweeps;
  int tried = 0;
  for (index last = system.size() - 1; last >= 0;) {
    index first = last;
    while (first > 0 && std::abs(system.above[at(first - 1)]) > nothing) --first;
    if (values_below(system, first, last, tolerance) == 0) {
      last = first - 1;
      continue;
    }
    double& value = system.diagonal[at(last)];
    const bool single = first == last || column_length(system, last) <= far_below * tolerance;
    if (!single && tried < most_sweeps) {
      const double shift =
          smaller_value(system.diagonal[at(last - 1)], system.above[at(last - 1)], value);
      const bool plain = tried == 0 || shift >= tolerance;
      sweeps.push_back(plain ? plain_sweep(system, first, last)
                             : shifted_sweep(system, first, last, shift));
      ++tried;
      continue;
    }
    if (last > 0) system.above[at(last - 1)] = 0.0;
    if (std::abs(value) <= tolerance) value = 0.0;
    --last;
    tried = 0;
  }
  return sweeps;
}

void take_back(std::span<const RotationSweep> sweeps, index count, double* values, index stride) {
  for (std::size_t s = sweeps.size(); s-- > 0;) {
    const RotationSweep& sweep = sweeps[s];
    for (std::size_t r = sweep.rotations.size(); r-- > 0;) {
      const double cosine = sweep.rotations[r].cosine;  // Clang takes no structured bindings below
      const double sine = sweep.rotations[r].sine;
      double* const upper = values + (sweep.first + static_cast<index>(r)) * stride;
      double* const lower = upper + stride;
#pragma omp simd
      for (index j = 0; j < count; ++j) {
        const double rotated = cosine * upper[j] - sine * lower[j];
        lower[j] = sine * upper[j] + cosine * lower[j];
        upper[j] = rotated;
      }
    }
  }
}

// The triangle of [B; sqrt(damping)] is bidiagonal again, and takes two rotations a column (Elden
// 1977): the damping of a column meets what the column before left of its own, and the result meets
// the row of B.
DampedSolution::DampedSolution(const BidiagonalSystem& system, double damping)
    : y_(system.diagonal.size()) {
  const index n = system.size();
  const double root = std::sqrt(damping);
  std::vector<double> diagonal(y_.size());
  std::vector<double> above(y_.size());
  double fill = 0.0;  // what is left in this column, and its right side
  double fill_right = 0.0;
  for (index i = 0; i < n; ++i) {
    const Rotation below(root, fill);
    const double carried = below.sine * fill_right;
    const Rotation rotation(system.diagonal[at(i)], below.radius);
    diagonal[at(i)] = rotation.radius;
    above[at(i)] = rotation.cosine * system.above[at(i)];
    y_[at(i)] = rotation.cosine * system.right[at(i)] + rotation.sine * carried;
    fill = -rotation.sine * system.above[at(i)];
    fill_right = rotation.cosine * carried - rotation.sine * system.right[at(i)];
  }
  // Columns that are zero have no part in the solution.
  const auto divided = [&](double value, index i) {
    return diagonal[at(i)] == 0.0 ? 0.0 : value / diagonal[at(i)];
  };
  double behind = 0.0;
  for (index i = n; i-- > 0;) behind = y_[at(i)] = divided(-y_[at(i)] - above[at(i)] * behind, i);

  // Of y over its largest entry: the squares of a step with a large damping would underflow.
  double largest = 0.0;
  for (const double y : y_) largest = std::max(largest, std::abs(y));
  if (largest == 0.0) return;
  double squares = 0.0;
  double squares_of_image = 0.0;   // B y
  double squares_of_solved = 0.0;  // z of R^T z = y, where R is the triangle
  double z = 0.0;
  for (index i = 0; i < n; ++i) {
    const double y = y_[at(i)] / largest;
    const double next = i + 1 < n ? y_[at(i + 1)] / largest : 0.0;
    const double image = system.diagonal[at(i)] * y + system.above[at(i)] * next;
    z = divided(y - (i > 0 ? above[at(i - 1)] * z : 0.0), i);
    squares += y * y;
    squares_of_image += image * image;
    squares_of_solved += z * z;
  }
  length_ = largest * std::sqrt(squares);
  decrease_ = largest * (largest * (squares_of_image + 2.0 * damping * squares));
  relative_slope_ = -squares_of_solved / squares;
}

}  // namespace kanml
