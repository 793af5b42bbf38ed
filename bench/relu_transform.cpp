// The change of basis between B-splines and powers of ReLUs, on graded knots and with m columns:
// products with A and its transpose, and solutions with them.
#include <algorithm>
#include <cmath>
#include <type_traits>

#include "counters.hpp"
#include "kanml/relu_transform.hpp"
#include "network_case.hpp"
#include "reference.hpp"

namespace bench {

namespace {

constexpr int degree = 3;

// Every entry of y against the product of a dense matrix with x, relative to the size of its
// terms; entry(i, j) is the matrix.
template <class T>
void check_product(Check& check, index dim, index m, const auto& entry, const std::vector<T>& x,
                   const std::vector<T>& y) {
  const auto rows = static_cast<std::size_t>(dim);
  const auto columns = static_cast<std::size_t>(m);
  std::vector<double> sums(columns);
  std::vector<double> sizes(columns);
  for (std::size_t i = 0; i < rows; ++i) {
    std::fill(sums.begin(), sums.end(), 0.0);
    std::fill(sizes.begin(), sizes.end(), 0.0);
    for (std::size_t j = 0; j < rows; ++j) {
      const double a = entry(i, j);
      if (a == 0.0) continue;
      for (std::size_t c = 0; c < columns; ++c) {
        const double term = a * static_cast<double>(x[j * columns + c]);
        sums[c] += term;
        sizes[c] += std::fabs(term);
      }
    }
    for (std::size_t c = 0; c < columns; ++c) {
      check.close("row", static_cast<double>(y[i * columns + c]), sums[c], sizes[c],
                  std::is_same_v<T, float> ? 1e-7 : 1e-12);
    }
  }
}

// Times map(transform, m, x, y), which must be the product with entry(knots, i, j).
template <class T>
void time_map(benchmark::State& state, const auto& map, const auto& entry) {
  const auto t = breakpoints(state.range(0), true);
  const kanml::ReluTransform transform(kanml::SplineSpace(t, degree));
  const index m = state.range(1);
  const auto x = noise_vector<T>(Stream::parameters, transform.dim() * m);
  std::vector<T> y(x.size());
  for (auto _ : state) {
    map(transform, m, std::span<const T>(x), std::span<T>(y));
  }
  count_items(state, static_cast<double>(x.size()));

  Check check;
  const auto knots = knots_with_ghosts(t, degree);
  check_product(
      check, transform.dim(), m, [&](std::size_t i, std::size_t j) { return entry(knots, i, j); },
      x, y);
  finish(state, check);
}

using Knots = std::vector<double>;

template <class T>
void relu_apply(benchmark::State& state) {
  time_map<T>(
      state, [](const auto& a, index m, auto x, auto y) { a.template apply<T>(1, m, x, y); },
      [](const Knots& t, std::size_t i, std::size_t j) {
        return change_of_basis(t, degree, i, j);
      });
}

template <class T>
void relu_apply_transpose(benchmark::State& state) {
  time_map<T>(
      state,
      [](const auto& a, index m, auto x, auto y) { a.template apply_transpose<T>(1, m, x, y); },
      [](const Knots& t, std::size_t i, std::size_t j) {
        return change_of_basis(t, degree, j, i);
      });
}

template <class T>
void relu_solve(benchmark::State& state) {
  time_map<T>(
      state, [](const auto& a, index m, auto x, auto y) { a.template solve<T>(1, m, x, y); },
      [](const Knots& t, std::size_t i, std::size_t j) {
        return inverse_change_of_basis(t, degree, i, j);
      });
}

template <class T>
void relu_solve_transpose(benchmark::State& state) {
  time_map<T>(
      state,
      [](const auto& a, index m, auto x, auto y) { a.template solve_transpose<T>(1, m, x, y); },
      [](const Knots& t, std::size_t i, std::size_t j) {
        return inverse_change_of_basis(t, degree, j, i);
      });
}

void sizes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"n", "columns"})->Unit(benchmark::kMicrosecond);
  b->ArgsProduct({{8, 64, 512}, {1, 64}});
}

BENCHMARK(relu_apply<float>)->Apply(sizes);
BENCHMARK(relu_apply<double>)->Apply(sizes);
BENCHMARK(relu_apply_transpose<float>)->Apply(sizes);
BENCHMARK(relu_apply_transpose<double>)->Apply(sizes);
BENCHMARK(relu_solve<float>)->Apply(sizes);
BENCHMARK(relu_solve<double>)->Apply(sizes);
BENCHMARK(relu_solve_transpose<float>)->Apply(sizes);
BENCHMARK(relu_solve_transpose<double>)->Apply(sizes);

}  // namespace

}  // namespace bench
