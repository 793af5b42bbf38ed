// A spline space in double: the nonzero basis functions at points, and splines at points.
#include <algorithm>

#include "counters.hpp"
#include "network_case.hpp"
#include "reference.hpp"

namespace bench {

namespace {

constexpr index points = 4096;

kanml::SplineSpace make_space(const benchmark::State& state) {
  return {breakpoints(state.range(0), state.range(2) != 0), static_cast<int>(state.range(1))};
}

void basis(benchmark::State& state) {
  const kanml::SplineSpace space = make_space(state);
  const int derivative = static_cast<int>(state.range(3));
  const auto x = noise_vector<double>(Stream::points, points);
  const auto width = static_cast<std::size_t>(space.degree() + 1);
  std::vector<index> first(x.size());
  std::vector<double> values(x.size() * width);
  for (auto _ : state) {
    space.basis(x, derivative, first, values);
  }
  count_items(state, static_cast<double>(points));

  Check check;
  const auto knots =
      knots_with_ghosts(breakpoints(state.range(0), state.range(2) != 0), space.degree());
  const double scale = derivative == 0 ? 1.0 : static_cast<double>(space.intervals());
  for (std::size_t s = 0; s < x.size(); ++s) {
    const index expected_first = first_nonzero(knots, space.degree(), x[s]);
    check.close("interval", static_cast<double>(first[s]), static_cast<double>(expected_first), 0,
                0);
    for (std::size_t j = 0; j < width; ++j) {
      const Jet b = cox_de_boor(knots, expected_first + static_cast<index>(j), space.degree(),
                                Jet{x[s], 0.0, 1.0});
      check.close("basis", values[s * width + j], derivative == 0 ? b.value : b.by_inputs, scale,
                  1e-11);
    }
  }
  finish(state, check);
}

void spline_evaluate(benchmark::State& state) {
  constexpr index functions = 4;
  const kanml::SplineSpace space = make_space(state);
  const int derivative = static_cast<int>(state.range(3));
  const auto x = noise_vector<double>(Stream::points, points);
  const auto coefficients = noise_vector<double>(Stream::parameters, functions * space.dim());
  std::vector<double> values(static_cast<std::size_t>(functions * points));
  for (auto _ : state) {
    space.evaluate(functions, coefficients, x, derivative, values);
  }
  count_items(state, static_cast<double>(functions * points));

  Check check;
  const auto knots =
      knots_with_ghosts(breakpoints(state.range(0), state.range(2) != 0), space.degree());
  const double scale = derivative == 0 ? 1.0 : static_cast<double>(space.intervals());
  const auto dim = static_cast<std::size_t>(space.dim());
  for (std::size_t f = 0; f < functions; ++f) {
    const auto row = std::span(coefficients).subspan(f * dim, dim);
    for (std::size_t s = 0; s < x.size(); ++s) {
      const Jet expected = spline(knots, space.degree(), row, x[s]);
      check.close("spline", values[f * x.size() + s],
                  derivative == 0 ? expected.value : expected.by_inputs, scale, 1e-11);
    }
  }
  finish(state, check);
}

void sizes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"n", "degree", "graded", "derivative"})->Unit(benchmark::kMicrosecond);
  b->ArgsProduct({{5, 16, 64, 320, 512}, {3}, {0, 1}, {0}});
  b->ArgsProduct({{64}, {1, 2, 4, 5}, {0}, {0}});
  b->ArgsProduct({{64}, {3}, {0}, {1}});
}

BENCHMARK(basis)->Apply(sizes);
BENCHMARK(spline_evaluate)->Apply(sizes);

}  // namespace

}  // namespace bench
