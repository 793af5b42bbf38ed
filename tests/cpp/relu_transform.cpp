#include "kanml/relu_transform.hpp"

#include <algorithm>
#include <stdexcept>

#include "check.hpp"
#include "inputs.hpp"

using kanml::index;
using kanml::ReluTransform;
using kanml::SplineSpace;

TEST(entries_on_uniform_knots_are_binomials) {
  const int n = 6;
  const double h = 0.25;
  for (int degree = kanml::min_degree; degree <= kanml::max_degree; ++degree) {
    const SplineSpace space(inputs::uniform_breakpoints(n, 0.0, n * h), degree);
    const ReluTransform transform(space);
    const double scale = inputs::factorial(degree) * std::pow(h, degree);
    for (index i = 0; i < space.dim(); ++i) {
      for (int c = 0; c <= degree + 1; ++c) {
        const double sign = c % 2 == 0 ? 1.0 : -1.0;
        const double expected =
            i + c < space.dim() ? sign * inputs::binomial(degree + 1, c) / scale : 0.0;
        const auto place = static_cast<std::size_t>(i * (degree + 2) + c);
        CHECK_NEAR(transform.band()[place], expected, 1e-14);
      }
    }
  }
}

TEST(the_powers_make_the_same_spline) {
  for (const SplineSpace& space : inputs::spaces(4)) {
    const ReluTransform transform(space);
    const auto coefficients = inputs::random(space.dim());
    std::vector<double> weights(coefficients.size());
    transform.apply_transpose<double>(1, 1, coefficients, weights);
    const auto x = inputs::points(space);
    std::vector<double> expected(x.size());
    space.evaluate(1, coefficients, x, 0, expected);
    for (std::size_t i = 0; i < x.size(); ++i) {
      double sum = 0.0;
      double magnitude = 1.0;
      for (std::size_t j = 0; j < weights.size(); ++j) {
        const double power = std::pow(std::max(x[i] - space.knots()[j], 0.0), space.degree());
        sum += weights[j] * power;
        magnitude = std::max(magnitude, std::fabs(weights[j]) * power);
      }
      CHECK_NEAR(sum / magnitude, expected[i] / magnitude, 1e-13);
    }
  }
}

TEST(solutions_undo_products) {
  const index copies = 2;
  const index m = 3;
  for (const SplineSpace& space : inputs::spaces(4)) {
    const ReluTransform transform(space);
    const auto x = inputs::random(copies * space.dim() * m);
    std::vector<double> y(x.size());
    const double tolerance = 1e-14 * std::max(1.0, transform.condition());
    transform.solve<double>(copies, m, x, y);
    transform.apply<double>(copies, m, y, y);
    for (std::size_t i = 0; i < x.size(); ++i) CHECK_NEAR(y[i], x[i], tolerance);
    transform.apply_transpose<double>(copies, m, x, y);
    transform.solve_transpose<double>(copies, m, y, y);
    for (std::size_t i = 0; i < x.size(); ++i) CHECK_NEAR(y[i], x[i], tolerance);
  }
}

TEST(entries_beyond_the_range_of_double_are_refused) {
  const SplineSpace space(inputs::uniform_breakpoints(4, 0.0, 1e-70), 5);
  CHECK_THROWS(ReluTransform(space), std::invalid_argument, "range");
}
