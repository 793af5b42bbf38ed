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

Jet cox_de_boor(std::span<const double> knots, index j, int degree, Jet x) {
  const double* t = knots.data() + j;
  const int d = degree;
  if (d == 0) return {t[0] <= x.value && x.value < t[1] ? 1.0 : 0.0};
  const Jet rising = (x - Jet{t[0]}) * Jet{1.0 / (t[d] - t[0])};
  const Jet falling = (Jet{t[d + 1]} - x) * Jet{1.0 / (t[d + 1] - t[1])};
  return rising * cox_de_boor(knots, j, d - 1, x) + falling * cox_de_boor(knots, j + 1, d - 1, x);
}

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
    sum = sum + cox_de_boor(knots, j, degree, {x, 0.0, 1.0}) *
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

ReferenceNetwork::ReferenceNetwork(std::vector<kanml::Layer> layers,
                                   const std::function<double(double)>& round)
    : layers_(std::move(layers)) {
  for (const kanml::Layer& layer : layers_) {
    auto& of_layer = knots_.emplace_back();
    const auto* splines = std::get_if<kanml::SplineLayer>(&layer);
    if (splines == nullptr) continue;
    for (const auto& space : splines->spaces) {
      of_layer.push_back(knots_with_ghosts(space->breakpoints(), space->degree()));
      for (double& t : of_layer.back()) t = round(t);
    }
  }
}

namespace {

// y += f * row
void add_multiple(Jet f, std::span<const Jet> row, std::span<Jet> y) {
  for (std::size_t q = 0; q < y.size(); ++q) y[q] = y[q] + f * row[q];
}

std::vector<Jet> linear(const kanml::LinearLayer& layer, std::span<const Jet> x,
                        std::span<const Jet> parameters) {
  const auto width = static_cast<std::size_t>(layer.n_out);
  std::vector<Jet> y(width);
  if (layer.bias) add_multiple({1.0}, parameters.subspan(x.size() * width, width), y);
  for (std::size_t p = 0; p < x.size(); ++p) {
    add_multiple(x[p], parameters.subspan(p * width, width), y);
  }
  return y;
}

std::vector<Jet> splines(const kanml::SplineLayer& layer,
                         const std::vector<std::vector<double>>& knots, std::span<const Jet> x,
                         std::span<const Jet> parameters) {
  const auto width = static_cast<std::size_t>(layer.n_out);
  std::vector<Jet> y(width);
  for (std::size_t p = 0; p < x.size(); ++p) {
    const int degree = layer.spaces[p]->degree();
    const index first = first_nonzero(knots[p], degree, x[p].value);
    for (index j = first; j <= first + degree; ++j) {
      add_multiple(cox_de_boor(knots[p], j, degree, x[p]),
                   parameters.subspan(static_cast<std::size_t>(j) * width, width), y);
    }
    parameters = parameters.subspan(static_cast<std::size_t>(layer.spaces[p]->dim()) * width);
  }
  return y;
}

}  // namespace

std::vector<Jet> ReferenceNetwork::operator()(std::vector<Jet> x,
                                              std::span<const Jet> parameters) const {
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    if (const auto* layer = std::get_if<kanml::LinearLayer>(&layers_[l])) {
      x = linear(*layer, x, parameters);
    } else if (const auto* layer = std::get_if<kanml::SplineLayer>(&layers_[l])) {
      x = splines(*layer, knots_[l], x, parameters);
    } else {
      throw std::invalid_argument("the reference knows linear and spline layers only");
    }
    parameters = parameters.subspan(static_cast<std::size_t>(kanml::n_parameters(layers_[l])));
  }
  return x;
}

}  // namespace bench
