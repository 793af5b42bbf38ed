// Numbers and spaces that several tests compute with.
#pragma once

#include <cmath>
#include <cstddef>
#include <random>
#include <span>
#include <vector>

#include "kanml/spline_space.hpp"

namespace inputs {

using kanml::index;

// The same numbers in every run; uniform on [a, b).
template <class T = double>
std::vector<T> random(index n, double a = -1.0, double b = 1.0) {
  static std::mt19937_64 engine(0);
  std::uniform_real_distribution<double> distribution(a, b);
  std::vector<T> numbers(static_cast<std::size_t>(n));
  for (T& number : numbers) number = static_cast<T>(distribution(engine));
  return numbers;
}

inline std::vector<double> uniform_breakpoints(int n, double a = -1.0, double b = 1.0) {
  std::vector<double> breakpoints;
  for (int i = 0; i <= n; ++i) breakpoints.push_back(((n - i) * a + i * b) / n);
  return breakpoints;
}

// Intervals whose lengths differ by up to a factor of five.
inline std::vector<double> graded_breakpoints(int n) {
  std::vector<double> breakpoints{-1.0};
  for (const double length : random(n, 1.0, 5.0)) {
    breakpoints.push_back(breakpoints.back() + length / n);
  }
  return breakpoints;
}

// Uniform and graded spaces of each degree.
inline std::vector<kanml::SplineSpace> spaces(int n) {
  std::vector<kanml::SplineSpace> all;
  for (int degree = kanml::min_degree; degree <= kanml::max_degree; ++degree) {
    all.emplace_back(uniform_breakpoints(n), degree);
    all.emplace_back(graded_breakpoints(n), degree);
  }
  return all;
}

// Random points of a space, its breakpoints, and the numbers next to them.
inline std::vector<double> points(const kanml::SplineSpace& space) {
  auto x = random(50, space.lower(), space.upper());
  for (const double t : space.breakpoints()) {
    x.push_back(t);
    if (t > space.lower()) x.push_back(std::nextafter(t, space.lower()));
    if (t < space.upper()) x.push_back(std::nextafter(t, space.upper()));
  }
  return x;
}

inline double binomial(int n, int k) {
  double value = 1.0;
  for (int i = 1; i <= k; ++i) value = value * (n - k + i) / i;
  return value;
}

inline double factorial(int n) { return n <= 1 ? 1.0 : n * factorial(n - 1); }

// The derivative of a given order of x^power.
inline double monomial(int power, int derivative, double x) {
  double factor = 1.0;
  for (int i = 0; i < derivative; ++i) factor *= power - i;
  return derivative > power ? 0.0 : factor * std::pow(x, power - derivative);
}

// The B-spline coefficients of x^power, by Marsden's identity: the elementary symmetric polynomial
// of the knots inside of each support, over the number of its terms.
inline std::vector<double> monomial_coefficients(const kanml::SplineSpace& space, int power) {
  const int degree = space.degree();
  std::vector<double> coefficients;
  for (index j = 0; j < space.dim(); ++j) {
    std::vector<double> symmetric(static_cast<std::size_t>(degree) + 1, 0.0);
    symmetric[0] = 1.0;
    for (int i = 1; i <= degree; ++i) {
      const double knot = space.knots()[static_cast<std::size_t>(j + i)];
      for (auto m = static_cast<std::size_t>(i); m >= 1; --m)
        symmetric[m] += knot * symmetric[m - 1];
    }
    coefficients.push_back(symmetric[static_cast<std::size_t>(power)] / binomial(degree, power));
  }
  return coefficients;
}

}  // namespace inputs
