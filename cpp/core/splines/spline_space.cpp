#include "kanml/spline_space.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include "core/splines/double_double.hpp"
#include "core/splines/space_tables.hpp"
#include "point/basis.hpp"

namespace kanml {

namespace {

std::vector<double> with_ghost_knots(std::span<const double> breakpoints, int degree) {
  const std::size_t n = breakpoints.size() - 1;
  const double left = breakpoints[1] - breakpoints[0];
  const double right = breakpoints[n] - breakpoints[n - 1];
  std::vector<double> knots;
  knots.reserve(breakpoints.size() + 2 * static_cast<std::size_t>(degree));
  for (int g = degree; g >= 1; --g) knots.push_back(breakpoints[0] - g * left);
  knots.insert(knots.end(), breakpoints.begin(), breakpoints.end());
  for (int g = 1; g <= degree; ++g) knots.push_back(breakpoints[n] + g * right);
  return knots;
}

// The largest distance of a knot from a multiple of the spacing, in spacings. Halves of knots are
// subtracted: the difference of two knots may overflow.
double largest_unevenness(const SplineSpace& space) {
  const DoubleDouble half_spacing = spacing(space) * DoubleDouble{0.5};
  double deviation = 0.0;
  for (std::size_t i = 0; i < space.knots().size(); ++i) {
    const auto number = static_cast<double>(static_cast<index>(i) - space.degree());
    const DoubleDouble expected = half_spacing * DoubleDouble{number};
    const DoubleDouble found = two_sum(0.5 * space.knots()[i], -0.5 * space.lower());
    deviation = std::max(deviation, std::fabs((found - expected).high));
  }
  return deviation / half_spacing.high;
}

// Calls f with the degree as a constant, so that the loops of a row unroll.
template <class F>
void with_degree(int degree, const F& f) {
  [&]<int... i>(std::integer_sequence<int, i...>) {
    static_cast<void>(
        ((degree == min_degree + i && (f(std::integral_constant<int, min_degree + i>{}), true)) ||
         ...));
  }(std::make_integer_sequence<int, max_degree - min_degree + 1>{});
}

// The row of basis functions on interval i, differentiated `derivative` times.
template <int Degree>
void basis_row(const point::SpaceView<double>& space, std::int32_t i, double x, int derivative,
               double* row) {
  const point::KnotsAround<double> knots{space, i + Degree, x};
  double values[Degree + 1] = {1.0};
  [&]<int... d>(std::integer_sequence<int, d...>) {
    ((d < Degree - derivative ? point::raise_value(knots, d + 1, values)
                              : point::raise_derivative(knots, d + 1, values)),
     ...);
  }(std::make_integer_sequence<int, Degree>{});
  std::copy_n(values, Degree + 1, row);
}

}  // namespace

DoubleDouble spacing(const SplineSpace& space) {
  const auto half_intervals = 0.5 * static_cast<double>(space.intervals());
  return two_sum(0.5 * space.upper(), -0.5 * space.lower()) / DoubleDouble{half_intervals};
}

// Those for float are made at the first request, since few networks are in float.
struct SplineSpace::Tables {
  explicit Tables(const SplineSpace& space) : in_double(space) {}

  const SpaceTables<double> in_double;
  std::mutex mutex;
  std::optional<const SpaceTables<float>> in_float;
};

SplineSpace::SplineSpace(std::span<const double> breakpoints, int degree) : degree_(degree) {
  if (degree < min_degree || degree > max_degree) {
    throw std::invalid_argument("the degree of a spline space must be " +
                                std::to_string(min_degree) + " to " + std::to_string(max_degree));
  }
  if (breakpoints.size() < 2) throw std::invalid_argument("a spline space needs 2 breakpoints");
  // Knots and their reciprocals are indexed by int32.
  constexpr std::size_t most = std::numeric_limits<std::int32_t>::max() / 8;
  if (breakpoints.size() > most) {
    throw std::invalid_argument("a spline space has at most " + std::to_string(most) +
                                " breakpoints, got " + std::to_string(breakpoints.size()));
  }
  knots_ = with_ghost_knots(breakpoints, degree);
  for (std::size_t i = 0; i + 1 < knots_.size(); ++i) {
    if (!(knots_[i] < knots_[i + 1] && std::isfinite(knots_[i + 1] - knots_[i]))) {
      throw std::invalid_argument("breakpoints must be finite and strictly increasing");
    }
  }
  unevenness_ = largest_unevenness(*this);
  tables_ = std::make_shared<Tables>(*this);
}

template <>
const SpaceTables<double>& SplineSpace::tables<double>() const {
  return tables_->in_double;
}
template <>
const SpaceTables<float>& SplineSpace::tables<float>() const {
  const std::lock_guard lock(tables_->mutex);
  if (!tables_->in_float) tables_->in_float.emplace(*this);
  return *tables_->in_float;
}

void SplineSpace::basis(std::span<const double> x, int derivative, std::span<index> first,
                        std::span<double> values) const {
  const auto space = tables_->in_double.view();
  with_degree(degree_, [&](auto degree) {
    for (std::size_t s = 0; s < x.size(); ++s) {
      const std::int32_t i = point::find_interval(space, degree, x[s]);
      first[s] = i;
      basis_row<degree>(space, i, x[s], derivative, values.data() + s * (degree + 1));
    }
  });
}

void SplineSpace::evaluate(index functions, std::span<const double> coefficients,
                           std::span<const double> x, int derivative,
                           std::span<double> values) const {
  const auto space = tables_->in_double.view();
  const auto n = static_cast<index>(x.size());
  with_degree(degree_, [&](auto degree) {
    double row[degree + 1];
    for (index s = 0; s < n; ++s) {
      const double xs = x[static_cast<std::size_t>(s)];
      const std::int32_t i = point::find_interval(space, degree, xs);
      basis_row<degree>(space, i, xs, derivative, row);
      for (index f = 0; f < functions; ++f) {
        const double* c = coefficients.data() + f * dim() + i;
        double sum = 0.0;
        for (int j = 0; j <= degree; ++j) sum += row[j] * c[j];
        values[static_cast<std::size_t>(f * n + s)] = sum;
      }
    }
  });
}

}  // namespace kanml
