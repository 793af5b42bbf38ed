#include "kanml/network.hpp"

#include <algorithm>
#include <stdexcept>

#include "check.hpp"
#include "kanml/vector_ops.hpp"
#include "networks.hpp"

using kanml::Extrapolation;
using kanml::index;

namespace {

template <class T>
std::vector<T> evaluated(const kanml::Network<T>& network, const std::vector<T>& x,
                         const std::vector<T>& parameters, int threads = 0) {
  const index n = static_cast<index>(x.size()) / network.n_in();
  std::vector<T> y(static_cast<std::size_t>(n * network.n_out()));
  network.evaluate(n, x, parameters, y, threads);
  return y;
}

double dot(const std::vector<double>& x, const std::vector<double>& y) {
  return kanml::dot<double>(x, y);
}

// One spline layer against the splines that it adds up.
template <class T>
void compare_with_splines(const networks::Space& space, index n_out, double tolerance) {
  const index n_in = 3;
  const index n = 150;
  const auto network = kanml::Network<T>({networks::spline(n_in, n_out, space)});
  const index dim = space->dim();
  CHECK_EQUAL(network.n_parameters(), n_in * dim * n_out);
  const auto x = inputs::random<T>(n * n_in);
  const auto parameters = inputs::random<T>(network.n_parameters());
  const auto y = evaluated(network, x, parameters);
  for (index q = 0; q < n_out; ++q) {
    std::vector<double> expected(static_cast<std::size_t>(n), 0.0);
    for (index p = 0; p < n_in; ++p) {
      std::vector<double> coefficients;
      std::vector<double> points;
      std::vector<double> values(static_cast<std::size_t>(n));
      for (index j = 0; j < dim; ++j) {
        coefficients.push_back(parameters[static_cast<std::size_t>((p * dim + j) * n_out + q)]);
      }
      for (index i = 0; i < n; ++i) points.push_back(x[static_cast<std::size_t>(i * n_in + p)]);
      space->evaluate(1, coefficients, points, 0, values);
      std::transform(values.begin(), values.end(), expected.begin(), expected.begin(),
                     std::plus<>());
    }
    for (index i = 0; i < n; ++i) {
      const auto place = static_cast<std::size_t>(i);
      CHECK_NEAR(y[static_cast<std::size_t>(i * n_out + q)], expected[place], tolerance);
    }
  }
}

}  // namespace

TEST(a_spline_layer_adds_up_splines) {
  for (int degree = kanml::min_degree; degree <= kanml::max_degree; ++degree) {
    for (const auto& space : {networks::space(degree, 6), networks::graded_space(degree, 6)}) {
      for (const index n_out : {1, 7, 40}) {  // wide layers have kernels of their own
        compare_with_splines<double>(space, n_out, 1e-13);
        compare_with_splines<float>(space, n_out, 2e-6);
      }
    }
  }
}

TEST(splines_continue_outside_of_their_domain_as_they_are_told) {
  const auto space = networks::space(3, 4);
  const auto coefficients = inputs::monomial_coefficients(*space, 3);
  const auto value_of_cube_at = [&](double x, Extrapolation extrapolation) {
    const auto network = kanml::Network<double>({networks::spline(1, 1, space, extrapolation)});
    return evaluated<double>(network, {x}, coefficients).front();
  };
  CHECK_NEAR(value_of_cube_at(0.5, Extrapolation::clamp), 0.125, 1e-14);
  CHECK_NEAR(value_of_cube_at(3.0, Extrapolation::clamp), 1.0, 1e-13);
  CHECK_NEAR(value_of_cube_at(3.0, Extrapolation::linear), 1.0 + 3.0 * 2.0, 1e-13);
  CHECK_NEAR(value_of_cube_at(-3.0, Extrapolation::linear), -1.0 - 3.0 * 2.0, 1e-13);
  CHECK_NEAR(value_of_cube_at(-3.0, Extrapolation::polynomial), -27.0, 1e-12);
}

TEST(inputs_outside_of_a_domain_are_refused_where_that_is_asked_for) {
  const auto network =
      kanml::Network<double>({networks::spline(2, 4, networks::space(3, 4), Extrapolation::error)});
  const index n = 5000;
  auto x = inputs::random(2 * n);
  const auto parameters = inputs::random(network.n_parameters());
  for (const int threads : {1, 3}) evaluated(network, x, parameters, threads);
  x[static_cast<std::size_t>(n)] = 1.5;
  for (const int threads : {1, 3}) {
    CHECK_THROWS(evaluated(network, x, parameters, threads), kanml::OutsideDomain, "1.5");
  }
}

TEST(layers_that_do_not_chain_are_refused) {
  CHECK_THROWS(kanml::Network<double>({}), std::invalid_argument, "at least one layer");
  CHECK_THROWS(kanml::Network<double>({networks::linear(2, 3), networks::linear(4, 1)}),
               std::invalid_argument, "layer 1 takes 4");
  CHECK_THROWS(kanml::Network<float>({networks::linear(2, 3), networks::tanh(2)}),
               std::invalid_argument, "layer 1 takes 2");
}

TEST(gradients_of_the_squared_error_are_those_of_differences) {
  for (const index width : {3, 30}) {
    const auto network = kanml::Network<double>(networks::mixed(width));
    const index n = 150;
    const auto x = inputs::random(2 * n);
    const auto target = inputs::random(2 * n);
    const auto parameters = inputs::random(network.n_parameters());
    const auto direction = inputs::random(network.n_parameters());
    std::vector<double> gradient(parameters.size());
    const double loss = network.mean_squared_error(n, x, parameters, target, gradient);

    const auto loss_at = [&](double step) {
      const auto y = evaluated(network, x, networks::moved(parameters, direction, step));
      double sum = 0.0;
      for (std::size_t i = 0; i < y.size(); ++i) sum += (y[i] - target[i]) * (y[i] - target[i]);
      return sum / static_cast<double>(y.size());
    };
    CHECK_NEAR(loss / loss_at(0.0), 1.0, 1e-13);
    const double expected = networks::difference(loss_at);
    CHECK_NEAR(dot(gradient, direction) / expected, 1.0, 1e-6);
  }
}

TEST(gradients_of_outputs_are_adjoint_to_tangents_and_differences) {
  for (const index width : {3, 30}) {
    const auto network = kanml::Network<double>(networks::mixed(width));
    const index n = 150;
    const auto x = inputs::random(2 * n, -0.9, 0.9);
    const auto parameters = inputs::random(network.n_parameters());
    const auto tangent = inputs::random(network.n_parameters());
    const auto x_tangent = inputs::random(2 * n);
    const auto cotangent = inputs::random(2 * n);
    std::vector<double> y_tangent(cotangent.size());
    std::vector<double> gradient(parameters.size());
    std::vector<double> x_gradient(x.size());
    network.jvp(n, x, parameters, tangent, y_tangent);
    network.vjp(n, x, parameters, cotangent, gradient, x_gradient);
    CHECK_NEAR(dot(cotangent, y_tangent) / dot(gradient, tangent), 1.0, 1e-11);
    const double expected = networks::difference([&](double step) {
      return dot(cotangent, evaluated(network, networks::moved(x, x_tangent, step), parameters));
    });
    CHECK_NEAR(dot(x_gradient, x_tangent) / expected, 1.0, 1e-6);
  }
}

TEST(results_have_the_same_bits_for_any_number_of_threads) {
  for (const index width : {5, 40}) {
    const auto network = kanml::Network<float>(networks::mixed(width));
    const index n = 5000;
    const auto x = inputs::random<float>(2 * n);
    const auto target = inputs::random<float>(2 * n);
    const auto parameters = inputs::random<float>(network.n_parameters());
    const auto everything = [&](int threads) {
      auto results = evaluated(network, x, parameters, threads);
      std::vector<float> gradient(parameters.size());
      std::vector<float> x_gradient(x.size());
      const double loss = network.mean_squared_error(n, x, parameters, target, gradient, threads);
      results.insert(results.end(), gradient.begin(), gradient.end());
      network.vjp(n, x, parameters, target, gradient, x_gradient, threads);
      results.insert(results.end(), gradient.begin(), gradient.end());
      results.insert(results.end(), x_gradient.begin(), x_gradient.end());
      network.jvp(n, x, parameters, parameters, x_gradient, threads);
      results.insert(results.end(), x_gradient.begin(), x_gradient.end());
      return std::pair(loss, results);
    };
    const auto expected = everything(1);
    for (const int threads : {2, 3}) CHECK(everything(threads) == expected);
  }
}
