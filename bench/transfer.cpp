// Prolongation from n intervals to a multiple of them: building it, and its three products with m
// columns. Rows are checked as functions: P c has the values of c at points.
#include <utility>

#include "counters.hpp"
#include "kanml/prolongation.hpp"
#include "network_case.hpp"
#include "reference.hpp"

namespace bench {

namespace {

// Arguments 0..2: n, refinement, graded.
struct Levels {
  std::vector<double> coarse_breakpoints;
  std::vector<double> fine_breakpoints;
  kanml::SplineSpace coarse;
  kanml::SplineSpace fine;

  static constexpr int degree = 3;

  explicit Levels(const benchmark::State& state)
      : coarse_breakpoints(breakpoints(state.range(0), state.range(2) != 0)),
        fine_breakpoints(refine(coarse_breakpoints, state.range(1))),
        coarse(coarse_breakpoints, degree),
        fine(fine_breakpoints, degree) {}

  static std::vector<double> refine(const std::vector<double>& t, index pieces) {
    std::vector<double> fine;
    for (std::size_t i = 0; i + 1 < t.size(); ++i) {
      for (index p = 0; p < pieces; ++p) {
        fine.push_back(t[i] +
                       (t[i + 1] - t[i]) * static_cast<double>(p) / static_cast<double>(pieces));
      }
    }
    fine.push_back(t.back());
    return fine;
  }
};

template <class T>
std::vector<double> column(const std::vector<T>& matrix, index m, index r) {
  std::vector<double> result;
  for (std::size_t i = static_cast<std::size_t>(r); i < matrix.size();
       i += static_cast<std::size_t>(m)) {
    result.push_back(static_cast<double>(matrix[i]));
  }
  return result;
}

// Two splines agree at 8 points of every fine interval.
void check_same_spline(Check& check, const Levels& levels, const std::vector<double>& coarse,
                       const std::vector<double>& fine, double tolerance) {
  const auto coarse_knots = knots_with_ghosts(levels.coarse_breakpoints, Levels::degree);
  const auto fine_knots = knots_with_ghosts(levels.fine_breakpoints, Levels::degree);
  for (const double x : Levels::refine(levels.fine_breakpoints, 8)) {
    if (x == levels.fine_breakpoints.back()) continue;  // the recursion is right-continuous
    check.close("prolonged spline", spline(fine_knots, Levels::degree, fine, x).value,
                spline(coarse_knots, Levels::degree, coarse, x).value, 1.0, tolerance);
  }
}

void prolongation_build(benchmark::State& state) {
  const Levels levels(state);
  for (auto _ : state) {
    kanml::Prolongation built(levels.coarse, levels.fine);
  }
  count_items(state, static_cast<double>(levels.fine.dim()));

  // The rows that a build gives, multiplied here.
  const kanml::Prolongation built(levels.coarse, levels.fine);
  const auto coarse = noise_vector<double>(Stream::parameters, built.columns());
  std::vector<double> fine;
  auto entry = built.values().begin();
  for (const index first : built.first_column()) {
    double sum = 0.0;
    for (index c = 0; c <= built.degree(); ++c) {
      sum += *entry++ * coarse[static_cast<std::size_t>(first + c)];
    }
    fine.push_back(sum);
  }
  Check check;
  check_same_spline(check, levels, coarse, fine, 1e-11);
  finish(state, check);
}

template <class T>
void prolongation_apply(benchmark::State& state) {
  const Levels levels(state);
  const index m = state.range(3);
  const kanml::Prolongation p(levels.coarse, levels.fine);
  const auto coarse = noise_vector<T>(Stream::parameters, p.columns() * m);
  std::vector<T> fine(static_cast<std::size_t>(p.rows() * m));
  for (auto _ : state) {
    p.apply<T>(1, m, coarse, fine);
  }
  count_multiply_adds(state, static_cast<double>(p.rows() * (p.degree() + 1) * m));

  Check check;
  for (const index r : {index{0}, m - 1}) {
    check_same_spline(check, levels, column(coarse, m, r), column(fine, m, r), tolerance<T>());
  }
  finish(state, check);
}

// <P c, d> = <c, P^T d>, where P c is checked as a function.
template <class T>
void prolongation_apply_transpose(benchmark::State& state) {
  const Levels levels(state);
  const index m = state.range(3);
  const kanml::Prolongation p(levels.coarse, levels.fine);
  const auto fine = noise_vector<T>(Stream::cotangent, p.rows() * m);
  std::vector<T> restricted(static_cast<std::size_t>(p.columns() * m));
  for (auto _ : state) {
    p.apply_transpose<T>(1, m, fine, restricted);
  }
  count_multiply_adds(state, static_cast<double>(p.rows() * (p.degree() + 1) * m));

  Check check;
  const auto coarse = noise_vector<double>(Stream::parameters, p.columns());
  std::vector<double> prolonged(static_cast<std::size_t>(p.rows()));
  p.apply<double>(1, 1, coarse, prolonged);
  check_same_spline(check, levels, coarse, prolonged, 1e-11);
  for (const index r : {index{0}, m - 1}) {
    const auto d = column(fine, m, r);
    const auto restricted_d = column(restricted, m, r);
    double left = 0.0;
    double right = 0.0;
    for (std::size_t i = 0; i < d.size(); ++i) left += prolonged[i] * d[i];
    for (std::size_t i = 0; i < coarse.size(); ++i) right += coarse[i] * restricted_d[i];
    check.close("restriction", right, left, norm(std::span<const double>(restricted_d)),
                tolerance<T>());
  }
  finish(state, check);
}

// The solution of A z = c by Gauss elimination; A is symmetric and positive definite.
std::vector<double> solve(std::vector<std::vector<double>> a, std::vector<double> c) {
  const std::size_t n = c.size();
  for (std::size_t pivot = 0; pivot < n; ++pivot) {
    for (std::size_t i = pivot + 1; i < n; ++i) {
      const double factor = a[i][pivot] / a[pivot][pivot];
      if (factor == 0.0) continue;
      for (std::size_t j = pivot; j < n; ++j) a[i][j] -= factor * a[pivot][j];
      c[i] -= factor * c[pivot];
    }
  }
  for (std::size_t i = n; i-- > 0;) {
    for (std::size_t j = i + 1; j < n; ++j) c[i] -= a[i][j] * c[j];
    c[i] /= a[i][i];
  }
  return c;
}

// P (P^T P)^{-1} c with dense matrices.
std::vector<double> dense_dual(const kanml::Prolongation& p, const std::vector<double>& c) {
  std::vector<std::vector<double>> rows;
  auto entry = p.values().begin();
  for (const index first : p.first_column()) {
    rows.emplace_back(c.size());
    for (index j = first; j <= first + p.degree(); ++j) {
      rows.back()[static_cast<std::size_t>(j)] = *entry++;
    }
  }
  std::vector<std::vector<double>> gram(c.size(), std::vector<double>(c.size()));
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < c.size(); ++i) {
      if (row[i] == 0.0) continue;
      for (std::size_t j = 0; j < c.size(); ++j) gram[i][j] += row[i] * row[j];
    }
  }
  const std::vector<double> z = solve(std::move(gram), c);
  std::vector<double> dual;
  for (const auto& row : rows) {
    dual.push_back(0.0);
    for (std::size_t j = 0; j < z.size(); ++j) dual.back() += row[j] * z[j];
  }
  return dual;
}

template <class T>
void prolongation_apply_dual(benchmark::State& state) {
  const Levels levels(state);
  const index m = state.range(3);
  const kanml::Prolongation p(levels.coarse, levels.fine);
  const auto coarse = noise_vector<T>(Stream::parameters, p.columns() * m);
  std::vector<T> dual(static_cast<std::size_t>(p.rows() * m));
  for (auto _ : state) {
    p.apply_dual<T>(1, m, coarse, dual);
  }
  count_items(state, static_cast<double>(p.rows() * m));

  Check check;
  for (const index r : {index{0}, m - 1}) {
    const auto actual = column(dual, m, r);
    const auto expected = dense_dual(p, column(coarse, m, r));
    const double scale = norm(std::span<const double>(expected));
    for (std::size_t i = 0; i < expected.size(); ++i) {
      check.close("dual", actual[i], expected[i], scale, tolerance<T>());
    }
  }
  finish(state, check);
}

const std::vector<std::vector<std::int64_t>> levels{{5, 64, 256}, {2, 8}, {0, 1}};

void build_sizes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"n", "refinement", "graded"})->Unit(benchmark::kMicrosecond);
  b->ArgsProduct(levels);
}

void apply_sizes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"n", "refinement", "graded", "columns"})->Unit(benchmark::kMicrosecond);
  b->ArgsProduct({{5, 64, 256}, {2}, {0}, {1, 64}});
}

BENCHMARK(prolongation_build)->Apply(build_sizes);
BENCHMARK(prolongation_apply<float>)->Apply(apply_sizes);
BENCHMARK(prolongation_apply<double>)->Apply(apply_sizes);
BENCHMARK(prolongation_apply_transpose<float>)->Apply(apply_sizes);
BENCHMARK(prolongation_apply_transpose<double>)->Apply(apply_sizes);
BENCHMARK(prolongation_apply_dual<float>)->Apply(apply_sizes);
BENCHMARK(prolongation_apply_dual<double>)->Apply(apply_sizes);

}  // namespace

}  // namespace bench
