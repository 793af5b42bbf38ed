#include <algorithm>
#include <limits>
#include <stdexcept>

#include "check.hpp"
#include "inputs.hpp"
#include "kanml/least_squares.hpp"

using kanml::DampedSteps;
using kanml::index;

namespace {

constexpr double epsilon = std::numeric_limits<double>::epsilon();

// The triangle (n + 1, n + 1) of random rows.
std::vector<double> triangle_of(index rows, index n) {
  const std::vector<double> nothing(static_cast<std::size_t>((n + 1) * (n + 1)));
  return kanml::fold_triangle(n + 1, nothing, inputs::random(rows * (n + 1)), 1);
}

}  // namespace

// (R^T R + damping) p = -R^T c
TEST(steps_solve_the_damped_normal_equations) {
  for (const index n : {1, 2, 33, 80}) {
    const auto triangle = triangle_of(3 * n + 10, n);
    const auto at = [&](index i, index j) {
      return triangle[static_cast<std::size_t>(i * (n + 1) + j)];
    };
    const DampedSteps steps(n, triangle, 3 * n + 10, epsilon, 1);
    CHECK_EQUAL(steps.rank(), n);
    const std::vector<double> dampings{0.0, 0.1, 10.0};
    const auto solutions = steps.solve(dampings);
    for (std::size_t d = 0; d < dampings.size(); ++d) {
      const double* const p = solutions.steps.data() + static_cast<index>(d) * n;
      std::vector<double> image;  // R p + c
      for (index i = 0; i < n; ++i) {
        image.push_back(at(i, n));
        for (index j = i; j < n; ++j) image.back() += at(i, j) * p[j];
      }
      for (index j = 0; j < n; ++j) {
        double sum = dampings[d] * p[j];
        for (index i = 0; i <= j; ++i) sum += at(i, j) * image[static_cast<std::size_t>(i)];
        CHECK_NEAR(sum, 0.0, 1e-12);
      }
    }
  }
}

TEST(any_number_of_threads_gives_the_same_bits) {
  const index n = 450;
  const auto triangle = triangle_of(500, n);
  const std::vector<double> dampings{0.0, 1e-3, 1.0};
  const auto expected = DampedSteps(n, triangle, 500, epsilon, 1).solve(dampings);
  for (const int threads : {2, 3, 8}) {
    const auto solutions = DampedSteps(n, triangle, 500, epsilon, threads).solve(dampings);
    CHECK(solutions.steps == expected.steps);
    CHECK(solutions.lengths == expected.lengths);
    CHECK(solutions.decreases == expected.decreases);
  }
}

TEST(dampings_give_the_radii) {
  const index n = 60;
  const DampedSteps steps(n, triangle_of(100, n), 100, epsilon, 1);
  const double longest = steps.solve(std::vector{0.0}).lengths[0];
  const std::vector<double> radii{2.0 * longest, 0.5 * longest, 1e-6 * longest};
  const auto dampings = steps.dampings(radii);
  CHECK_EQUAL(dampings[0], 0.0);
  const auto lengths = steps.solve(dampings).lengths;
  CHECK_NEAR(lengths[1] / radii[1], 1.0, 1e-13);
  CHECK_NEAR(lengths[2] / radii[2], 1.0, 1e-13);
}

TEST(a_triangle_that_is_not_finite_is_refused) {
  auto triangle = triangle_of(10, 3);
  triangle[6] = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS(DampedSteps(3, triangle, 10, epsilon, 1), std::invalid_argument,
               "triangle[1, 2] is nan");
}
