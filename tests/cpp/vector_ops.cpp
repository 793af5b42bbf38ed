#include "kanml/vector_ops.hpp"

#include <algorithm>
#include <limits>

#include "check.hpp"
#include "inputs.hpp"

using kanml::index;

namespace {

template <class T>
constexpr double tolerance = 8.0 * std::numeric_limits<T>::epsilon();

template <class T>
void check_sums() {
  for (const index n : {0, 1, 7, 1000}) {
    const auto x = inputs::random<T>(n);
    const auto y = inputs::random<T>(n);
    long double sum = 0.0L;
    double greatest = 0.0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      sum += static_cast<long double>(x[i]) * y[i];
      greatest = std::max(greatest, std::fabs(static_cast<double>(x[i])));
    }
    CHECK_NEAR(kanml::dot<T>(x, y), static_cast<double>(sum), 1e-12);
    CHECK_EQUAL(kanml::max_abs<T>(x), greatest);
  }
}

template <class T>
void check_axpy() {
  const auto x = inputs::random<T>(100);
  const auto y = inputs::random<T>(100);
  std::vector<T> out(x.size());
  auto in_place = y;
  kanml::axpy<T>(0.3, x, y, out);
  kanml::axpy<T>(0.3, x, in_place, in_place);
  CHECK(out == in_place);
  for (std::size_t i = 0; i < x.size(); ++i) {
    CHECK_NEAR(out[i], static_cast<double>(y[i]) + 0.3 * static_cast<double>(x[i]), tolerance<T>);
  }
}

// Algorithm 1 of Kingma and Ba, three updates long.
template <class T>
void check_adam() {
  const std::size_t n = 50;
  std::vector<T> first(n, T{0});
  std::vector<T> second(n, T{0});
  std::vector<double> m(n, 0.0);
  std::vector<double> v(n, 0.0);
  for (index t = 1; t <= 3; ++t) {
    const auto gradient = inputs::random<T>(n);
    std::vector<T> direction(n);
    kanml::adam_direction<T>({0.01, 0.9, 0.999, 1e-8, t}, gradient, first, second, direction);
    for (std::size_t i = 0; i < n; ++i) {
      const double g = gradient[i];
      m[i] = 0.9 * m[i] + 0.1 * g;
      v[i] = 0.999 * v[i] + 0.001 * g * g;
      const double m_hat = m[i] / (1.0 - std::pow(0.9, t));
      const double v_hat = v[i] / (1.0 - std::pow(0.999, t));
      CHECK_NEAR(direction[i] / (-0.01 * m_hat / (std::sqrt(v_hat) + 1e-8)), 1.0,
                 10.0 * tolerance<T>);
    }
  }
}

}  // namespace

TEST(sums_are_those_of_extended_precision) {
  check_sums<float>();
  check_sums<double>();
}

TEST(the_greatest_entry_of_a_vector_with_nan_is_nan) {
  auto x = inputs::random(100);
  x[40] = std::numeric_limits<double>::quiet_NaN();
  CHECK(std::isnan(kanml::max_abs<double>(x)));
}

TEST(a_multiple_is_added_in_place_too) {
  check_axpy<float>();
  check_axpy<double>();
}

TEST(adam_takes_the_directions_of_the_paper) {
  check_adam<float>();
  check_adam<double>();
}

// H maps the latest change of the gradient to the latest step.
TEST(the_two_loop_recursion_has_the_secant_property) {
  const index n = 20;
  const auto steps = inputs::random(3 * n);
  auto changes = steps;
  for (std::size_t i = 0; i < changes.size(); ++i) changes[i] *= 1.0 + static_cast<double>(i % 7);
  const auto diagonal = inputs::random(n, 0.5, 2.0);
  std::vector<double> direction(static_cast<std::size_t>(n));
  std::vector<kanml::CurvaturePair<double>> pairs;
  for (std::size_t first = 0; first < steps.size(); first += direction.size()) {
    const auto s = std::span(steps).subspan(first, direction.size());
    const auto y = std::span(changes).subspan(first, direction.size());
    pairs.push_back({s, y});
    kanml::two_loop<double>(pairs, diagonal, y, direction);
    for (std::size_t i = 0; i < direction.size(); ++i) CHECK_NEAR(direction[i], -s[i], 1e-12);
  }
}

TEST(without_pairs_the_direction_is_down_the_scaled_gradient) {
  const auto diagonal = inputs::random(10, 0.5, 2.0);
  const auto gradient = inputs::random(10);
  std::vector<double> direction(10);
  kanml::two_loop<double>({}, diagonal, gradient, direction);
  for (std::size_t i = 0; i < 10; ++i) CHECK_NEAR(direction[i], -diagonal[i] * gradient[i], 1e-15);
}

// The diagonal of B - B s s^T B / (s^T B s) + y y^T / (s^T y) with B = r / diagonal, inverted.
TEST(the_diagonal_is_that_of_an_update_of_bfgs) {
  const index n = 30;
  const auto s = inputs::random(n);
  auto y = inputs::random(n);
  for (std::size_t i = 0; i < y.size(); ++i) y[i] += 2.0 * s[i];
  auto diagonal = inputs::random(n, 0.5, 2.0);
  double sy = 0.0;
  double yhy = 0.0;
  for (std::size_t i = 0; i < y.size(); ++i) {
    sy += s[i] * y[i];
    yhy += y[i] * diagonal[i] * y[i];
  }
  const double r = yhy / sy;
  double sbs = 0.0;
  for (std::size_t i = 0; i < y.size(); ++i) sbs += s[i] * s[i] * r / diagonal[i];
  std::vector<double> expected;
  for (std::size_t i = 0; i < y.size(); ++i) {
    const double b = r / diagonal[i];
    expected.push_back(1.0 / (b - b * b * s[i] * s[i] / sbs + y[i] * y[i] / sy));
  }
  kanml::update_diagonal<double>(s, y, diagonal);
  for (std::size_t i = 0; i < y.size(); ++i) CHECK_NEAR(diagonal[i], expected[i], 1e-12);
}
