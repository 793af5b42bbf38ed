// The networks of the tests, and differences to compare their gradients with.
#pragma once

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "inputs.hpp"
#include "kanml/network.hpp"

namespace networks {

using kanml::index;
using Space = std::shared_ptr<const kanml::SplineSpace>;

inline kanml::Layers::value_type spline(
    index n_in, index n_out, const Space& space,
    kanml::Extrapolation extrapolation = kanml::Extrapolation::linear,
    kanml::Basis basis = kanml::Basis::spline,
    std::optional<kanml::ActivationKind> base = std::nullopt) {
  const std::vector<Space> spaces(static_cast<std::size_t>(n_in), space);
  return std::make_shared<const kanml::SplineLayer>(spaces, n_out, extrapolation, basis, base);
}

inline kanml::Layers::value_type linear(index n_in, index n_out) {
  return std::make_shared<const kanml::LinearLayer>(n_in, n_out, true);
}

inline kanml::Layers::value_type tanh(index width) {
  return std::make_shared<const kanml::ActivationLayer>(width, kanml::ActivationKind::tanh);
}

inline Space space(int degree, int intervals, double a = -1.0, double b = 1.0) {
  return std::make_shared<const kanml::SplineSpace>(inputs::uniform_breakpoints(intervals, a, b),
                                                    degree);
}

inline Space graded_space(int degree, int intervals) {
  return std::make_shared<const kanml::SplineSpace>(inputs::graded_breakpoints(intervals), degree);
}

// A bit of everything: 2 inputs, 2 outputs, splines in both bases. Smooth to the third derivative.
inline kanml::Layers mixed(index width) {
  return {spline(2, width, graded_space(4, 5)), tanh(width),
          spline(width, 3, space(4, 3), kanml::Extrapolation::linear, kanml::Basis::relu),
          linear(3, 2)};
}

// The derivative of f by central differences of fourth order in the step.
template <class F>
double difference(const F& f, double step = 1e-3) {
  return (8.0 * (f(step) - f(-step)) - (f(2.0 * step) - f(-2.0 * step))) / (12.0 * step);
}

inline std::vector<double> moved(std::vector<double> x, const std::vector<double>& direction,
                                 double step) {
  for (std::size_t i = 0; i < x.size(); ++i) x[i] += step * direction[i];
  return x;
}

}  // namespace networks
