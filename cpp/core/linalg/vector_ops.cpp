#include "kanml/vector_ops.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

namespace kanml {

namespace {

// The number of independent partial results of a reduction. The order of summation is fixed, but
// the compiler can still use vector registers, and the chains are short enough to hide the latency
// of an addition.
constexpr std::size_t lanes = 8;

using Lanes = std::array<double, lanes>;

// Entry i belongs to lane i % lanes; accumulate(partial result, i) adds it there.
template <class Accumulate>
Lanes over_lanes(std::size_t n, Accumulate accumulate) {
  Lanes partial{};
  const std::size_t whole = n - n % lanes;
  for (std::size_t i = 0; i < whole; i += lanes) {
#pragma omp simd
    for (std::size_t lane = 0; lane < lanes; ++lane) accumulate(partial[lane], i + lane);
  }
  for (std::size_t i = whole; i < n; ++i) accumulate(partial[i - whole], i);
  return partial;
}

template <class Combine>
double reduce(Lanes partial, Combine combine) {
  for (std::size_t width = lanes / 2; width > 0; width /= 2) {
    for (std::size_t lane = 0; lane < width; ++lane) {
      partial[lane] = combine(partial[lane], partial[lane + width]);
    }
  }
  return partial[0];
}

// Unlike std::max, keeps a NaN on either side.
double larger(double a, double b) { return ((b > a) | (b != b)) ? b : a; }

}  // namespace

template <class T>
double dot(std::span<const T> x, std::span<const T> y) {
  const T* const px = x.data();
  const T* const py = y.data();
  const auto add_product = [px, py](double& sum, std::size_t i) {
    sum += static_cast<double>(px[i]) * static_cast<double>(py[i]);
  };
  return reduce(over_lanes(x.size(), add_product), [](double a, double b) { return a + b; });
}

template <class T>
double max_abs(std::span<const T> x) {
  const T* const px = x.data();
  const auto keep_larger = [px](double& largest, std::size_t i) {
    largest = larger(largest, std::abs(static_cast<double>(px[i])));
  };
  return reduce(over_lanes(x.size(), keep_larger), larger);
}

// In the elementwise loops below an output may also be an input. No iteration reads what another
// one writes, as the simd pragma tells the compiler.

template <class T>
void axpy(double a, std::span<const T> x, std::span<const T> y, std::span<T> out) {
  const std::size_t n = out.size();
  const T* const px = x.data();
  const T* const py = y.data();
  T* const po = out.data();
#pragma omp simd
  for (std::size_t i = 0; i < n; ++i) {
    po[i] = static_cast<T>(static_cast<double>(py[i]) + a * static_cast<double>(px[i]));
  }
}

template <class T>
void adam_direction(const AdamCoefficients& coefficients, std::span<const T> gradient,
                    std::span<T> first_moment, std::span<T> second_moment, std::span<T> direction) {
  const double beta1 = coefficients.beta1;
  const double beta2 = coefficients.beta2;
  const double eps = coefficients.eps;
  const double rate = coefficients.learning_rate;
  const auto updates = static_cast<double>(coefficients.updates);
  const double correction1 = 1 - std::pow(beta1, updates);
  const double correction2 = 1 - std::pow(beta2, updates);

  const std::size_t n = direction.size();
  const T* const pg = gradient.data();
  T* const pm = first_moment.data();
  T* const pv = second_moment.data();
  T* const pd = direction.data();
#pragma omp simd
  for (std::size_t i = 0; i < n; ++i) {
    const auto g = static_cast<double>(pg[i]);
    const double m = beta1 * static_cast<double>(pm[i]) + (1 - beta1) * g;
    const double v = beta2 * static_cast<double>(pv[i]) + (1 - beta2) * (g * g);
    pm[i] = static_cast<T>(m);
    pv[i] = static_cast<T>(v);
    pd[i] = static_cast<T>(-rate * (m / correction1) / (std::sqrt(v / correction2) + eps));
  }
}

template <class T>
void two_loop(std::span<const CurvaturePair<T>> pairs, std::span<const T> diagonal,
              std::span<const T> gradient, std::span<T> direction) {
  const std::size_t count = pairs.size();
  const std::span<const T> q = direction;  // the vector that Algorithm 7.4 calls q, then r

  std::transform(gradient.begin(), gradient.end(), direction.begin(), [](T g) { return -g; });

  std::vector<double> curvature(count);  // s.y
  std::vector<double> alpha(count);
  for (std::size_t i = count; i-- > 0;) {
    const auto [s, y] = pairs[i];
    curvature[i] = dot(s, y);
    alpha[i] = dot(s, q) / curvature[i];
    axpy(-alpha[i], y, q, direction);
  }

  for (std::size_t i = 0; i < direction.size(); ++i) direction[i] *= diagonal[i];

  for (std::size_t i = 0; i < count; ++i) {
    const auto [s, y] = pairs[i];
    const double beta = dot(y, q) / curvature[i];
    axpy(alpha[i] - beta, s, q, direction);
  }
}

template <class T>
void update_diagonal(std::span<const T> step, std::span<const T> gradient_change,
                     std::span<T> diagonal) {
  const std::size_t n = diagonal.size();
  const auto as_double = [](T value) { return static_cast<double>(value); };
  double curvature = 0.0;        // s . y
  double inverse_product = 0.0;  // y . D y
  double direct_product = 0.0;   // s . D^{-1} s
  for (std::size_t i = 0; i < n; ++i) {
    const double s = as_double(step[i]);
    const double y = as_double(gradient_change[i]);
    const double d = as_double(diagonal[i]);
    curvature += s * y;
    inverse_product += y * d * y;
    direct_product += s / d * s;
  }
  const double r = inverse_product / curvature;
  for (std::size_t i = 0; i < n; ++i) {
    const double y = as_double(gradient_change[i]);
    const double b = 1 / as_double(diagonal[i]);
    const double bs = b * as_double(step[i]);
    // Positive by the Cauchy-Schwarz inequality, except for rounding if s has a single entry.
    const double updated = r * (b - bs * bs / direct_product) + y * y / curvature;
    const double entry = 1 / std::max(updated, std::numeric_limits<double>::epsilon() * r * b);
    const T rounded = static_cast<T>(entry);
    if (std::isfinite(rounded) && rounded > 0) diagonal[i] = rounded;
  }
}

template double dot(std::span<const float>, std::span<const float>);
template double dot(std::span<const double>, std::span<const double>);
template double max_abs(std::span<const float>);
template double max_abs(std::span<const double>);
template void axpy(double, std::span<const float>, std::span<const float>, std::span<float>);
template void axpy(double, std::span<const double>, std::span<const double>, std::span<double>);
template void adam_direction(const AdamCoefficients&, std::span<const float>, std::span<float>,
                             std::span<float>, std::span<float>);
template void adam_direction(const AdamCoefficients&, std::span<const double>, std::span<double>,
                             std::span<double>, std::span<double>);
template void two_loop(std::span<const CurvaturePair<float>>, std::span<const float>,
                       std::span<const float>, std::span<float>);
template void two_loop(std::span<const CurvaturePair<double>>, std::span<const double>,
                       std::span<const double>, std::span<double>);
template void update_diagonal(std::span<const float>, std::span<const float>, std::span<float>);
template void update_diagonal(std::span<const double>, std::span<const double>, std::span<double>);

}  // namespace kanml
