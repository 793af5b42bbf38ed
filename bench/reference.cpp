#include "reference.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace bench {

std::vector<double> knots_with_ghosts(std::span<const double> breakpoints, int degree) {
  const double left = breakpoints[1] - breakpoints[0];
  const double right = breakpoints.back() - breakpoints[breakpoints.size() - 2];
  std::vector<double> knots;
  for (int g = degree; g > 0; --g) knots.push_back(breakpoints.front() - g * left);
  for (const double t : breakpoints) knots.push_back(t);
  for (int g = 1; g <= degree; ++g) knots.push_back(breakpoints.back() + g * right);
  return knots;
}

namespace {

double value_of(const Jet& x) { return x.value; }
double value_of(const Series& x) { return x.c[0].value; }

}  // namespace

template <class Number>
Number cox_de_boor(std::span<const double> knots, index j, int degree, const Number& x) {
  const double* t = knots.data() + j;
  const int d = degree;
  const bool inside = t[0] <= value_of(x) && value_of(x) < t[d + 1];
  if (!inside) return Number{};
  if (d == 0) return Jet{1.0};
  const Number rising = (x - Jet{t[0]}) * Jet{1.0 / (t[d] - t[0])};
  const Number falling = (Jet{t[d + 1]} - x) * Jet{1.0 / (t[d + 1] - t[1])};
  return rising * cox_de_boor(knots, j, d - 1, x) + falling * cox_de_boor(knots, j + 1, d - 1, x);
}

template Jet cox_de_boor(std::span<const double>, index, int, const Jet&);
template Series cox_de_boor(std::span<const double>, index, int, const Series&);

index first_nonzero(std::span<const double> knots, int degree, double x) {
  const auto right = std::upper_bound(knots.begin(), knots.end(), x);
  const index last = static_cast<index>(knots.size()) - 2 * degree - 2;
  return std::clamp<index>(right - knots.begin() - 1 - degree, 0, last);
}

Jet spline(std::span<const double> knots, int degree, std::span<const double> coefficients,
           double x) {
  Jet sum;
  const index first = first_nonzero(knots, degree, x);
  for (index j = first; j <= first + degree; ++j) {
    sum = sum + cox_de_boor(knots, j, degree, Jet{x, 0.0, 1.0}) *
                    Jet{coefficients[static_cast<std::size_t>(j)]};
  }
  return sum;
}

double change_of_basis(std::span<const double> knots, int degree, std::size_t i, std::size_t j) {
  const auto r = static_cast<std::size_t>(degree) + 1;
  if (j < i || j > i + r) return 0.0;
  double entry = (r % 2 == 0 ? 1.0 : -1.0) * (knots[i + r] - knots[i]);
  for (std::size_t l = i; l <= i + r; ++l) {
    if (l != j) entry /= knots[j] - knots[l];
  }
  return entry;
}

double inverse_change_of_basis(std::span<const double> knots, int degree, std::size_t j,
                               std::size_t i) {
  if (i < j) return 0.0;
  double product = 1.0;
  for (std::size_t l = 1; l <= static_cast<std::size_t>(degree); ++l) {
    product *= knots[i + l] - knots[j];
  }
  return product;
}

ReferenceNetwork::ReferenceNetwork(kanml::Layers layers) : layers_(std::move(layers)) {
  for (const auto& layer : layers_) {
    auto& of_layer = knots_.emplace_back();
    const auto* splines = dynamic_cast<const kanml::SplineLayer*>(layer.get());
    if (splines == nullptr) continue;
    for (const auto& space : splines->spaces()) {
      of_layer.push_back(knots_with_ghosts(space->breakpoints(), space->degree()));
    }
  }
}

namespace {

// y += f * row
template <class Number>
void add_multiple(const Number& f, std::span<const Jet> row, std::span<Number> y) {
  for (std::size_t q = 0; q < y.size(); ++q) y[q] = y[q] + f * row[q];
}

template <class Number>
std::vector<Number> linear(const kanml::LinearLayer& layer, std::span<const Number> x,
                           std::span<const Jet> parameters) {
  const auto width = static_cast<std::size_t>(layer.n_out());
  std::vector<Number> y(width);
  if (layer.bias()) {
    add_multiple<Number>(Jet{1.0}, parameters.subspan(x.size() * width, width), y);
  }
  for (std::size_t p = 0; p < x.size(); ++p) {
    add_multiple<Number>(x[p], parameters.subspan(p * width, width), y);
  }
  return y;
}

template <class Number>
std::vector<Number> splines(const kanml::SplineLayer& layer,
                            const std::vector<std::vector<double>>& knots,
                            std::span<const Number> x, std::span<const Jet> parameters) {
  const auto width = static_cast<std::size_t>(layer.n_out());
  std::vector<Number> y(width);
  for (std::size_t p = 0; p < x.size(); ++p) {
    const int degree = layer.spaces()[p]->degree();
    const index first = first_nonzero(knots[p], degree, value_of(x[p]));
    for (index j = first; j <= first + degree; ++j) {
      add_multiple<Number>(cox_de_boor(knots[p], j, degree, x[p]),
                           parameters.subspan(static_cast<std::size_t>(j) * width, width), y);
    }
    parameters = parameters.subspan(static_cast<std::size_t>(layer.spaces()[p]->dim()) * width);
  }
  return y;
}

}  // namespace

template <class Number>
std::vector<Number> ReferenceNetwork::operator()(std::vector<Number> x,
                                                 std::span<const Jet> parameters) const {
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    if (const auto* layer = dynamic_cast<const kanml::LinearLayer*>(layers_[l].get())) {
      x = linear<Number>(*layer, x, parameters);
    } else if (const auto* layer = dynamic_cast<const kanml::SplineLayer*>(layers_[l].get())) {
      x = splines<Number>(*layer, knots_[l], x, parameters);
    } else {
      throw std::invalid_argument("the reference knows linear and spline layers only");
    }
    parameters = parameters.subspan(static_cast<std::size_t>(layers_[l]->n_parameters()));
  }
  return x;
}

template std::vector<Jet> ReferenceNetwork::operator()(std::vector<Jet>,
                                                       std::span<const Jet>) const;
template std::vector<Series> ReferenceNetwork::operator()(std::vector<Series>,
                                                          std::span<const Jet>) const;

}  // namespace bench
