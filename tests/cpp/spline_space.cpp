#include "kanml/spline_space.hpp"

#include <algorithm>
#include <limits>
#include <numeric>
#include <stdexcept>

#include "check.hpp"
#include "inputs.hpp"

using kanml::index;
using kanml::SplineSpace;

TEST(the_functions_add_up_to_one_and_their_derivatives_to_zero) {
  for (const SplineSpace& space : inputs::spaces(7)) {
    const auto x = inputs::points(space);
    const auto width = static_cast<std::size_t>(space.degree()) + 1;
    std::vector<index> first(x.size());
    std::vector<double> values(x.size() * width);
    for (int derivative = 0; derivative <= space.degree(); ++derivative) {
      space.basis(x, derivative, first, values);
      for (std::size_t i = 0; i < x.size(); ++i) {
        const auto row = std::span(values).subspan(i * width, width);
        double magnitude = 1.0;
        for (const double value : row) magnitude = std::max(magnitude, std::fabs(value));
        const double sum = std::accumulate(row.begin(), row.end(), 0.0);
        CHECK_NEAR(sum / magnitude, derivative == 0 ? 1.0 : 0.0, 1e-14);
        CHECK(first[i] >= 0 && first[i] + space.degree() < space.dim());
        CHECK(derivative > 0 || *std::min_element(row.begin(), row.end()) >= 0.0);
      }
    }
  }
}

TEST(polynomials_are_reproduced_with_all_derivatives) {
  for (const SplineSpace& space : inputs::spaces(7)) {
    const auto x = inputs::points(space);
    std::vector<double> values(x.size());
    for (int power = 0; power <= space.degree(); ++power) {
      const auto coefficients = inputs::monomial_coefficients(space, power);
      for (int derivative = 0; derivative <= space.degree(); ++derivative) {
        space.evaluate(1, coefficients, x, derivative, values);
        for (std::size_t i = 0; i < x.size(); ++i) {
          CHECK_NEAR(values[i], inputs::monomial(power, derivative, x[i]), 1e-9);
        }
      }
    }
  }
}

TEST(ghost_knots_continue_the_end_intervals) {
  const SplineSpace space(std::vector{0.0, 1.0, 3.0}, 2);
  const std::vector expected{-2.0, -1.0, 0.0, 1.0, 3.0, 5.0, 7.0};
  CHECK(std::equal(expected.begin(), expected.end(), space.knots().begin(), space.knots().end()));
  CHECK_EQUAL(space.intervals(), 2);
  CHECK_EQUAL(space.dim(), 4);
  CHECK(!space.uniform());
  CHECK(SplineSpace(inputs::uniform_breakpoints(7), 3).uniform());
}

TEST(bad_breakpoints_and_degrees_are_refused) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  const std::vector<std::vector<double>> refused{
      {},         {0.0},           {0.0, 0.0},     {1.0, 0.0}, {0.0, 2.0, 1.0},
      {0.0, nan}, {0.0, infinity}, {-1e308, 1e308}};
  for (const auto& breakpoints : refused) {
    CHECK_THROWS(SplineSpace(breakpoints, 3), std::invalid_argument, "");
  }
  for (const int degree : {-1, kanml::min_degree - 1, kanml::max_degree + 1}) {
    CHECK_THROWS(SplineSpace(inputs::uniform_breakpoints(3), degree), std::invalid_argument,
                 "degree");
  }
}
