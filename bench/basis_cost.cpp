// The basis functions of a spline space at points, computed in three ways: all of them by the
// recursion of Cox and de Boor, degree by degree; all of them from powers of ReLUs; and by local
// evaluation, the nonzero ones only. bench/basis_cost.py prints and draws the comparison.
//
// The first two run over blocks of points, so that their inner loops are vectors of points and
// their intermediate values stay in cache.
#include <algorithm>
#include <array>
#include <cmath>

#include "counters.hpp"
#include "kanml/relu_transform.hpp"
#include "network_case.hpp"
#include "reference.hpp"

namespace bench {

namespace {

constexpr std::size_t points = 4096;
constexpr std::size_t block = 32;
static_assert(points % block == 0);

// Arguments: n, degree. The knots are uniform, and no method makes use of that.
struct Case {
  kanml::SplineSpace space;
  std::size_t degree;
  std::size_t dim;
  std::span<const double> knots;  // (n + 2 degree + 1)
  std::vector<double> x;          // (points)

  explicit Case(const benchmark::State& state)
      : space(breakpoints(state.range(0)), static_cast<int>(state.range(1))),
        degree(static_cast<std::size_t>(space.degree())),
        dim(static_cast<std::size_t>(space.dim())),
        knots(space.knots()),
        x(noise_vector<double>(Stream::points, points)) {}
};

// Compares function i at point s, given by value(s, i), with the recursion of the reference.
// `weighed(s, i)` is the size of the terms that were added up to it, of which the rounding of some
// multiples is allowed.
void check_basis(benchmark::State& state, const Case& c, const auto& value, const auto& weighed) {
  const auto knots = knots_with_ghosts(breakpoints(state.range(0)), c.space.degree());
  Check check;
  double greatest = 0.0;
  for (std::size_t s = 0; s < points; ++s) {
    const index first = first_nonzero(knots, c.space.degree(), c.x[s]);
    for (index i = 0; i < c.space.dim(); ++i) {
      const bool nonzero = first <= i && i <= first + c.space.degree();
      const double expected =
          nonzero ? cox_de_boor(knots, i, c.space.degree(), Jet{c.x[s]}).value : 0.0;
      const double actual = value(s, static_cast<std::size_t>(i));
      check.close("basis", actual, expected, 100.0 + weighed(s, static_cast<std::size_t>(i)),
                  1e-14);
      greatest = std::max(greatest, std::fabs(actual - expected));
    }
  }
  count_items(state, static_cast<double>(points));
  state.counters["error"] = greatest;
  finish(state, check);
}

double no_terms(std::size_t, std::size_t) { return 0.0; }

// Where functions of blocks of points are stored: (points / block, dim, block).
std::size_t position(const Case& c, std::size_t s, std::size_t i) {
  return (s / block * c.dim + i) * block + s % block;
}

// Functions 0..functions-1 of degree d, from those of degree d - 1, at a block of points.
// `inverse` holds 1 / (t_{j+d} - t_j). `to` may be `from`.
void raise(std::size_t functions, std::size_t d, const double* t, const double* inverse,
           const double* x, const double* from, double* to) {
  for (std::size_t j = 0; j < functions; ++j) {
    std::array<double, block> raised;
    for (std::size_t p = 0; p < block; ++p) {
      raised[p] = (x[p] - t[j]) * inverse[j] * from[j * block + p] +
                  (t[j + d + 1] - x[p]) * inverse[j + 1] * from[(j + 1) * block + p];
    }
    std::copy(raised.begin(), raised.end(), to + j * block);
  }
}

// What pykan and efficient-kan do: every function of every degree at every point. It is done with
// reciprocals prepared once, and without storing the lower degrees of all points, both of which
// those libraries forgo.
void basis_by_dense_recursion(benchmark::State& state) {
  const Case c(state);
  const std::size_t intervals = c.knots.size() - 1;  // with those of the ghost knots
  std::vector<std::vector<double>> inverse(c.degree + 1);
  for (std::size_t d = 1; d <= c.degree; ++d) {
    for (std::size_t j = 0; j + d < c.knots.size(); ++j) {
      inverse[d].push_back(1.0 / (c.knots[j + d] - c.knots[j]));
    }
  }
  std::vector<double> lower(intervals * block);
  std::vector<double> values(points * c.dim);
  for (auto _ : state) {
    for (std::size_t s = 0; s < points; s += block) {
      const double* x = c.x.data() + s;
      for (std::size_t j = 0; j < intervals; ++j) {
        const double left = c.knots[j];
        const double right = c.knots[j + 1];
        for (std::size_t p = 0; p < block; ++p) {
          lower[j * block + p] = (left <= x[p]) & (x[p] < right) ? 1.0 : 0.0;
        }
      }
      for (std::size_t d = 1; d < c.degree; ++d) {
        raise(intervals - d, d, c.knots.data(), inverse[d].data(), x, lower.data(), lower.data());
      }
      raise(c.dim, c.degree, c.knots.data(), inverse[c.degree].data(), x, lower.data(),
            values.data() + s * c.dim);
    }
    benchmark::ClobberMemory();
  }
  check_basis(
      state, c, [&](std::size_t s, std::size_t i) { return values[position(c, s, i)]; }, no_terms);
}

// psi_j(x) = max(x - t_j, 0)^degree for all j, then b = A psi with the band of ReluTransform. The
// degree is compiled, so that powers and rows of A unroll.
template <std::size_t Degree>
void relu_powers(benchmark::State& state, const Case& c) {
  const kanml::ReluTransform transform(c.space);
  constexpr std::size_t width = Degree + 2;
  std::vector<double> powers((c.dim + width - 1) * block);  // beyond dim: zero, as A is there
  std::vector<double> values(points * c.dim);
  for (auto _ : state) {
    for (std::size_t s = 0; s < points; s += block) {
      const double* x = c.x.data() + s;
      for (std::size_t j = 0; j < c.dim; ++j) {
        const double t = c.knots[j];
        for (std::size_t p = 0; p < block; ++p) {
          const double relu = std::max(x[p] - t, 0.0);
          double power = relu;
          for (std::size_t d = 1; d < Degree; ++d) power *= relu;
          powers[j * block + p] = power;
        }
      }
      for (std::size_t i = 0; i < c.dim; ++i) {
        std::array<double, width> row;
        std::copy_n(transform.band().data() + i * width, width, row.begin());
        std::array<double, block> sums;
        const double* psi = powers.data() + i * block;
        for (std::size_t p = 0; p < block; ++p) {
          double sum = row[0] * psi[p];
          for (std::size_t j = 1; j < width; ++j) sum += row[j] * psi[j * block + p];
          sums[p] = sum;
        }
        std::copy(sums.begin(), sums.end(), values.data() + s * c.dim + i * block);
      }
    }
    benchmark::ClobberMemory();
  }

  const auto knots = knots_with_ghosts(breakpoints(state.range(0)), c.space.degree());
  std::vector<double> magnitudes(c.dim * width);  // |A_ij|
  for (std::size_t i = 0; i < c.dim; ++i) {
    for (std::size_t j = i; j < std::min(i + width, c.dim); ++j) {
      magnitudes[i * width + j - i] =
          std::fabs(change_of_basis(knots, static_cast<int>(Degree), i, j));
    }
  }
  const auto terms = [&](std::size_t s, std::size_t i) {
    double sum = 0.0;
    for (std::size_t j = i; j < std::min(i + width, c.dim) && knots[j] < c.x[s]; ++j) {
      sum += magnitudes[i * width + j - i] * std::pow(c.x[s] - knots[j], Degree);
    }
    return sum;
  };
  check_basis(
      state, c, [&](std::size_t s, std::size_t i) { return values[position(c, s, i)]; }, terms);
}

void basis_by_relu_powers(benchmark::State& state) {
  const Case c(state);
  switch (c.degree) {
    case 1:
      return relu_powers<1>(state, c);
    case 2:
      return relu_powers<2>(state, c);
    case 3:
      return relu_powers<3>(state, c);
    case 4:
      return relu_powers<4>(state, c);
    case 5:
      return relu_powers<5>(state, c);
    default:
      state.SkipWithError("a degree that the benchmark is not compiled for");
  }
}

void basis_by_local_evaluation(benchmark::State& state) {
  const Case c(state);
  const std::size_t width = c.degree + 1;
  std::vector<index> first(points);
  std::vector<double> values(points * width);
  for (auto _ : state) {
    c.space.basis(c.x, 0, first, values);
    benchmark::ClobberMemory();
  }
  const auto value = [&](std::size_t s, std::size_t i) {
    const auto start = static_cast<std::size_t>(first[s]);
    return i < start || i >= start + width ? 0.0 : values[s * width + i - start];
  };
  check_basis(state, c, value, no_terms);
}

void sizes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"n", "degree"})->Unit(benchmark::kMicrosecond);
  b->ArgsProduct({{4, 8, 16, 32, 64, 128, 256, 512}, {1, 2, 3, 4, 5}});
}

BENCHMARK(basis_by_dense_recursion)->Apply(sizes);
BENCHMARK(basis_by_relu_powers)->Apply(sizes);
BENCHMARK(basis_by_local_evaluation)->Apply(sizes);

}  // namespace

}  // namespace bench
