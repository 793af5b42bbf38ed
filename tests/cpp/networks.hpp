// The networks of the tests, and differences to compare their gradients with.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "inputs.hpp"
#include "kanml/network.hpp"

namespace networks {

using kanml::index;
using Space = std::shared_ptr<const kanml::SplineSpace>;

// What a test says of a layer.
struct Plan {
  enum Kind { spline, relu, linear, tanh } kind;
  index n_in;
  index n_out;
  Space space = nullptr;  // of every input of a spline layer, also of one in the ReLU basis
  kanml::Extrapolation extrapolation = kanml::Extrapolation::linear;
};

// The only place that makes layers.
template <class T>
kanml::Network<T> network(const std::vector<Plan>& plans) {
  std::vector<kanml::Layer> layers;
  for (const auto& [kind, n_in, n_out, space, extrapolation] : plans) {
    const std::vector<Space> spaces(static_cast<std::size_t>(n_in), space);
    switch (kind) {
      case Plan::spline:
        layers.emplace_back(kanml::SplineLayer{spaces, n_out, extrapolation});
        break;
      case Plan::relu:
        layers.emplace_back(kanml::SplineLayer{spaces, n_out, extrapolation, kanml::Basis::relu});
        break;
      case Plan::linear:
        layers.emplace_back(kanml::LinearLayer{n_in, n_out, true});
        break;
      case Plan::tanh:
        layers.emplace_back(kanml::ActivationLayer{n_in, kanml::ActivationKind::tanh});
        break;
    }
  }
  return kanml::Network<T>(std::move(layers));
}

inline Space space(int degree, int intervals, double a = -1.0, double b = 1.0) {
  return std::make_shared<const kanml::SplineSpace>(inputs::uniform_breakpoints(intervals, a, b),
                                                    degree);
}

inline Space graded_space(int degree, int intervals) {
  return std::make_shared<const kanml::SplineSpace>(inputs::graded_breakpoints(intervals), degree);
}

// A bit of everything: 2 inputs, 2 outputs, splines in both bases. Smooth to the third derivative.
inline std::vector<Plan> mixed(index width) {
  return {{Plan::spline, 2, width, graded_space(4, 5)},
          {Plan::tanh, width, width},
          {Plan::relu, width, 3, space(4, 3)},
          {Plan::linear, 3, 2}};
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
