#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <utility>

#include "core/linalg/bidiagonal_system.hpp"
#include "core/linalg/bidiagonalisation.hpp"
#include "core/linalg/zeros.hpp"
#include "core/runtime/parallel.hpp"
#include "kanml/least_squares.hpp"

namespace kanml {

namespace {

using kernels::strip_width;

std::size_t at(index i) { return static_cast<std::size_t>(i); }

// R and c (n, n + 1), each divided by a power of two, so that no square over- or underflows.
struct Scaled {
  std::vector<double> matrix;
  double scale = 0.0;  // of R
  double right_scale = 0.0;
};

double power_of_two_near(double size) {
  if (size == 0.0) return 1.0;
  int exponent;
  std::frexp(size, &exponent);
  return std::ldexp(1.0, std::clamp(exponent, -1000, 1000));
}

Scaled scaled(index n, std::span<const double> triangle) {
  Scaled result{std::vector<double>(at(n * (n + 1)))};
  for (index i = 0; i < n; ++i) {
    for (index j = i; j <= n; ++j) {
      const double entry = triangle[at(i * (n + 1) + j)];
      if (!std::isfinite(entry)) {
        throw std::invalid_argument("triangle[" + std::to_string(i) + ", " + std::to_string(j) +
                                    "] is " + std::to_string(entry) + ", expected a finite number");
      }
      double& largest = j < n ? result.scale : result.right_scale;
      largest = std::max(largest, std::abs(entry));
    }
  }
  result.scale = power_of_two_near(result.scale);
  result.right_scale = power_of_two_near(result.right_scale);
  for (index i = 0; i < n; ++i) {
    for (index j = i; j <= n; ++j) {
      const auto place = at(i * (n + 1) + j);
      result.matrix[place] = triangle[place] / (j < n ? result.scale : result.right_scale);
    }
  }
  return result;
}

}  // namespace

// In terms of the scaled triangle: its dampings are those of the caller over scale^2, its steps
// over right_scale / scale.
struct DampedSteps::Reduced {
  double scale;
  double right_scale;
  BidiagonalSystem system;  // deflated
  std::vector<RotationSweep> sweeps;
  Reflections right;
  index rank;
  double largest;
  double smallest;
  DampedSolution undamped;

  double own_damping(double damping) const { return damping / scale / scale; }
  double step_scale() const { return right_scale / scale; }
};

DampedSteps::DampedSteps(index n, std::span<const double> triangle, index rows, double epsilon,
                         int threads)
    : threads_(threads) {
  Scaled problem = scaled(n, triangle);
  auto [system, right] = bidiagonalise(n, problem.matrix, threads);
  const double largest = singular_value(system, n - 1);
  const double tolerance = static_cast<double>(std::max(rows, n)) * epsilon * largest;
  auto sweeps = deflate(system, tolerance);
  const index rank =
      n - static_cast<index>(std::count(system.diagonal.begin(), system.diagonal.end(), 0.0));
  const double smallest = rank == 0 ? 0.0 : singular_value(system, n - rank);
  DampedSolution undamped(system, 0.0);
  reduced_ = std::make_unique<const Reduced>(Reduced{
      problem.scale, problem.right_scale, std::move(system), std::move(sweeps), std::move(right),
      rank, problem.scale * largest, problem.scale * smallest, std::move(undamped)});
}

DampedSteps::~DampedSteps() = default;
DampedSteps::DampedSteps(DampedSteps&&) noexcept = default;

index DampedSteps::size() const { return reduced_->system.size(); }
index DampedSteps::rank() const { return reduced_->rank; }
double DampedSteps::largest() const { return reduced_->largest; }
double DampedSteps::smallest() const { return reduced_->smallest; }

DampedSteps::Solutions DampedSteps::solve(std::span<const double> dampings) const {
  const Reduced& reduced = *reduced_;
  const index n = size();
  const auto count = static_cast<index>(dampings.size());
  Solutions solutions{std::vector<double>(at(count * n)), std::vector<double>(at(count)),
                      std::vector<double>(at(count))};
  const double right_scale = reduced.right_scale;
  const double step_scale = reduced.step_scale();
  // A strip holds strip_width solutions in its columns.
  const index strips = (count + strip_width - 1) / strip_width;
  parallel_for(
      team_size(threads_, strips, strips * n * n * strip_width), strips, [&](index s, int) {
        const index first = s * strip_width;
        const index width = std::min(strip_width, count - first);
        const Zeros strip(reduced.right.padded() * strip_width);
        for (index j = 0; j < width; ++j) {
          const DampedSolution solution(reduced.system,
                                        reduced.own_damping(dampings[at(first + j)]));
          const auto y = solution.values();
          for (index i = 0; i < n; ++i) strip.data()[i * strip_width + j] = y[at(i)];
          solutions.lengths[at(first + j)] = step_scale * solution.length();
          solutions.decreases[at(first + j)] = right_scale * (right_scale * solution.decrease());
        }
        take_back(reduced.sweeps, width, strip.data(), strip_width);
        reduced.right.apply(strip.data());
        for (index j = 0; j < width; ++j) {
          for (index i = 0; i < n; ++i) {
            solutions.steps[at((first + j) * n + i)] =
                step_scale * strip.data()[i * strip_width + j];
          }
        }
      });
  return solutions;
}

// 1 / |p| is a concave function of the damping: Newton's iteration for it, begun without damping,
// comes nearer from below and never passes the root (More and Sorensen 1983).
std::vector<double> DampedSteps::dampings(std::span<const double> radii) const {
  constexpr int most_iterations = 100;
  const Reduced& reduced = *reduced_;
  const auto count = static_cast<index>(radii.size());
  std::vector<double> dampings(radii.size());
  constexpr index work = 1000;  // about that of all iterations for a radius and a column
  parallel_for(team_size(threads_, count, count * size() * work), count, [&](index r, int) {
    const double radius = radii[at(r)] / reduced.step_scale();
    double damping = 0.0;
    DampedSolution solution = reduced.undamped;
    for (int i = 0; i < most_iterations && solution.length() > radius; ++i) {
      const double change = (solution.length() / radius - 1.0) / -solution.relative_slope();
      if (damping + change == damping) break;
      damping += change;
      solution = DampedSolution(reduced.system, damping);
    }
    dampings[at(r)] = damping * reduced.scale * reduced.scale;
  });
  return dampings;
}

}  // namespace kanml
