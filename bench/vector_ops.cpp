// The vector operations that optimizers are made of.
#include "kanml/vector_ops.hpp"

#include <cmath>

#include "counters.hpp"
#include "noise.hpp"
#include "verify.hpp"

namespace bench {

namespace {

template <class T>
void dot(benchmark::State& state) {
  const auto x = noise_vector<T>(Stream::points, state.range(0));
  const auto y = noise_vector<T>(Stream::other, state.range(0));
  double result = 0.0;
  for (auto _ : state) result = kanml::dot<T>(x, y);
  count_items(state, static_cast<double>(x.size()));

  Check check;
  long double expected = 0.0L;
  for (std::size_t i = 0; i < x.size(); ++i) {
    expected += static_cast<long double>(x[i]) * static_cast<long double>(y[i]);
  }
  check.close("dot", result, static_cast<double>(expected), static_cast<double>(x.size()), 1e-15);
  finish(state, check);
}

template <class T>
void axpy(benchmark::State& state) {
  constexpr double a = 0.7;
  const auto x = noise_vector<T>(Stream::points, state.range(0));
  const auto y = noise_vector<T>(Stream::other, state.range(0));
  std::vector<T> out(x.size());
  for (auto _ : state) {
    kanml::axpy<T>(a, x, y, out);
  }
  count_items(state, static_cast<double>(x.size()));

  Check check;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double expected = static_cast<double>(y[i]) + a * static_cast<double>(x[i]);
    check.close("axpy", static_cast<double>(out[i]), expected, 1.0, tolerance<T>());
  }
  finish(state, check);
}

// Under one gradient g, K updates leave the moments at beta^K m_0 + (1 - beta^K) g, and likewise
// for g^2.
template <class T>
void adam_direction(benchmark::State& state) {
  const auto gradient = noise_vector<T>(Stream::points, state.range(0));
  const std::vector<T> start(gradient.size(), T(0.25));
  std::vector<T> first_moment = start;
  std::vector<T> second_moment = start;
  std::vector<T> direction(gradient.size());
  kanml::AdamCoefficients adam{};
  adam.learning_rate = 1e-2;
  adam.beta1 = 0.9;
  adam.beta2 = 0.999;
  adam.eps = 1e-8;
  for (auto _ : state) {
    ++adam.updates;
    kanml::adam_direction<T>(adam, gradient, first_moment, second_moment, direction);
  }
  count_items(state, static_cast<double>(gradient.size()));

  Check check;
  const auto updates = static_cast<double>(adam.updates);
  const double left1 = std::pow(adam.beta1, updates);
  const double left2 = std::pow(adam.beta2, updates);
  for (std::size_t i = 0; i < gradient.size(); ++i) {
    const auto g = static_cast<double>(gradient[i]);
    const auto start_i = static_cast<double>(start[i]);
    const double m = left1 * start_i + (1 - left1) * g;
    const double v = left2 * start_i + (1 - left2) * g * g;
    const double expected =
        -adam.learning_rate * (m / (1 - left1)) / (std::sqrt(v / (1 - left2)) + adam.eps);
    check.close("first moment", static_cast<double>(first_moment[i]), m, 1.0, tolerance<T>());
    check.close("second moment", static_cast<double>(second_moment[i]), v, v, tolerance<T>());
    check.close("Adam direction", static_cast<double>(direction[i]), expected, adam.learning_rate,
                10 * tolerance<T>());
  }
  finish(state, check);
}

double inner(std::span<const double> x, std::span<const double> y) {
  double sum = 0.0;
  for (std::size_t i = 0; i < x.size(); ++i) sum += x[i] * y[i];
  return sum;
}

// H_k v by the BFGS update itself (Nocedal and Wright 2006, equation 6.17),
//   H_{k+1} = (I - rho s y^T) H_k (I - rho y s^T) + rho s s^T,  rho = 1 / s.y.
std::vector<double> inverse_hessian(std::size_t pairs, std::span<const double> diagonal,
                                    std::span<const double> steps, std::span<const double> changes,
                                    std::vector<double> v) {
  const std::size_t n = v.size();
  if (pairs == 0) {
    for (std::size_t i = 0; i < n; ++i) v[i] *= diagonal[i];
    return v;
  }
  const auto s = steps.subspan((pairs - 1) * n, n);
  const auto y = changes.subspan((pairs - 1) * n, n);
  const double rho = 1.0 / inner(s, y);
  const double sv = inner(s, v);
  for (std::size_t i = 0; i < n; ++i) v[i] -= rho * sv * y[i];
  v = inverse_hessian(pairs - 1, diagonal, steps, changes, std::move(v));
  const double yv = inner(y, v);
  for (std::size_t i = 0; i < n; ++i) v[i] += rho * (sv - yv) * s[i];
  return v;
}

template <class T>
void two_loop(benchmark::State& state) {
  const index n = state.range(0);
  const index pairs = state.range(1);
  const auto gradient = noise_vector<T>(Stream::points, n);
  const auto steps = noise_vector<T>(Stream::parameters, pairs * n);
  std::vector<T> changes = noise_vector<T>(Stream::other, pairs * n, 0.2);
  for (std::size_t i = 0; i < changes.size(); ++i) changes[i] += steps[i];  // s.y > 0
  std::vector<T> diagonal = noise_vector<T>(Stream::diagonal, n, 0.5);
  for (T& entry : diagonal) entry += T(1);
  std::vector<T> direction(gradient.size());
  std::vector<kanml::CurvaturePair<T>> memory;
  for (std::size_t first = 0; first < steps.size(); first += gradient.size()) {
    memory.push_back({std::span(steps).subspan(first, gradient.size()),
                      std::span(changes).subspan(first, gradient.size())});
  }
  for (auto _ : state) {
    kanml::two_loop<T>(memory, diagonal, gradient, direction);
  }
  count_multiply_adds(state, static_cast<double>((5 * pairs + 1) * n));

  Check check;
  const std::vector<double> s(steps.begin(), steps.end());
  const std::vector<double> y(changes.begin(), changes.end());
  const std::vector<double> h(diagonal.begin(), diagonal.end());
  const auto expected =
      inverse_hessian(static_cast<std::size_t>(pairs), h, s, y, {gradient.begin(), gradient.end()});
  for (std::size_t i = 0; i < expected.size(); ++i) {
    check.close("two-loop direction", static_cast<double>(direction[i]), -expected[i], 1.0,
                tolerance<T>());
  }
  finish(state, check);
}

// 55 and 1630 are the regression network's parameters at n = 5 and n = 320.
void sizes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"size"})->ArgsProduct({{55, 1630, 100'000, 4'000'000}});
}

void memory_sizes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"size", "pairs"})->ArgsProduct({{55, 1630, 100'000}, {10}});
}

BENCHMARK(dot<float>)->Apply(sizes);
BENCHMARK(dot<double>)->Apply(sizes);
BENCHMARK(axpy<float>)->Apply(sizes);
BENCHMARK(axpy<double>)->Apply(sizes);
BENCHMARK(adam_direction<float>)->Apply(sizes);
BENCHMARK(adam_direction<double>)->Apply(sizes);
BENCHMARK(two_loop<float>)->Apply(memory_sizes);
BENCHMARK(two_loop<double>)->Apply(memory_sizes);

}  // namespace

}  // namespace bench
