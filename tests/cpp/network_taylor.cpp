// Taylor coefficients along directions, and their gradients.
#include <algorithm>
#include <stdexcept>

#include "check.hpp"
#include "kanml/network.hpp"
#include "kanml/vector_ops.hpp"
#include "networks.hpp"

using kanml::index;

namespace {

template <class T>
std::vector<T> coefficients(const kanml::Network<T>& network, const std::vector<T>& x,
                            const std::vector<T>& parameters,
                            const kanml::Directions<T>& directions, int threads = 0) {
  const index n = static_cast<index>(x.size()) / network.n_in();
  std::vector<T> planes(static_cast<std::size_t>(directions.n_planes() * n * network.n_out()));
  network.taylor(n, x, parameters, directions, planes, threads);
  return planes;
}

double dot(const std::vector<double>& x, const std::vector<double>& y) {
  return kanml::dot<double>(x, y);
}

}  // namespace

// z = x . w + b goes into splines that are z^p: the output along x + s v is (z + s v . w)^p.
TEST(polynomials_along_lines_have_their_exact_coefficients) {
  for (int degree = kanml::min_degree; degree <= kanml::max_degree; ++degree) {
    const auto space = networks::space(degree, 4, -2.0, 2.0);
    const auto network =
        kanml::Network<double>({networks::linear(2, 1), networks::spline(1, 1, space)});
    const int highest = std::min(degree, kanml::max_taylor_order);
    const std::vector<int> orders{highest, 1};
    const std::vector<double> vectors{0.7, -1.2, 0.3, 0.5};
    const kanml::Directions<double> directions{orders, vectors};
    const index n = 150;
    const auto x = inputs::random(2 * n);
    const std::vector<double> affine{0.6, -0.8, 0.1};
    for (int power = 0; power <= degree; ++power) {
      auto parameters = affine;
      const auto spline = inputs::monomial_coefficients(*space, power);
      parameters.insert(parameters.end(), spline.begin(), spline.end());
      const auto planes = coefficients(network, x, parameters, directions);
      for (index i = 0; i < n; ++i) {
        const auto place = static_cast<std::size_t>(i);
        const double z = x[2 * place] * affine[0] + x[2 * place + 1] * affine[1] + affine[2];
        std::size_t plane = 0;
        for (std::size_t d = 0; d < orders.size(); ++d) {
          const double slope = vectors[2 * d] * affine[0] + vectors[2 * d + 1] * affine[1];
          for (int m = d == 0 ? 0 : 1; m <= orders[d]; ++m, ++plane) {
            const double expected =
                inputs::monomial(power, m, z) * std::pow(slope, m) / inputs::factorial(m);
            CHECK_NEAR(planes[plane * static_cast<std::size_t>(n) + place], expected, 1e-11);
          }
        }
      }
    }
  }
}

TEST(the_sum_of_the_series_is_the_network_at_the_end_of_the_step) {
  const auto network = kanml::Network<double>(networks::mixed(6));
  const index n = 100;
  const auto x = inputs::random(2 * n, -0.9, 0.9);
  const auto parameters = inputs::random(network.n_parameters());
  const auto vectors = inputs::random(2 * n);  // one a sample
  const std::vector<int> orders{3};
  const auto planes = coefficients(network, x, parameters, {orders, vectors, true});
  const double step = 1e-4;
  std::vector<double> expected(static_cast<std::size_t>(2 * n));
  network.evaluate(n, networks::moved(x, vectors, step), parameters, expected);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    double sum = 0.0;
    for (std::size_t m = 4; m-- > 0;) sum = sum * step + planes[m * expected.size() + i];
    CHECK_NEAR(sum, expected[i], 1e-11);
  }
}

TEST(gradients_of_coefficients_are_those_of_differences) {
  for (const index width : {3, 30}) {
    const auto network = kanml::Network<double>(networks::mixed(width));
    const index n = 100;
    const auto x = inputs::random(2 * n, -0.9, 0.9);
    const auto parameters = inputs::random(network.n_parameters());
    const auto direction = inputs::random(network.n_parameters());
    const std::vector<int> orders{2, 1};
    const std::vector<double> vectors{1.0, 0.0, 0.3, 1.0};
    const kanml::Directions<double> directions{orders, vectors};
    const auto cotangents = inputs::random(directions.n_planes() * n * network.n_out());

    std::vector<double> gradient(parameters.size());
    std::vector<double> x_gradient(x.size());
    network.taylor_vjp(n, x, parameters, directions, cotangents, gradient, x_gradient);
    const double expected = networks::difference([&](double step) {
      const auto there = networks::moved(parameters, direction, step);
      return dot(cotangents, coefficients(network, x, there, directions));
    });
    CHECK_NEAR(dot(gradient, direction) / expected, 1.0, 1e-6);
  }
}

TEST(coefficients_and_gradients_have_the_same_bits_for_any_number_of_threads) {
  for (const index width : {5, 40}) {
    const auto network = kanml::Network<double>(networks::mixed(width));
    const index n = 3000;
    const auto x = inputs::random(2 * n);
    const auto parameters = inputs::random(network.n_parameters());
    const std::vector<int> orders{2, 1};
    const std::vector<double> vectors{1.0, 0.0, 0.0, 1.0};
    const kanml::Directions<double> directions{orders, vectors};
    const auto everything = [&](int threads) {
      const auto planes = coefficients(network, x, parameters, directions, threads);
      std::vector<double> gradient(parameters.size());
      std::vector<double> x_gradient(x.size());
      network.taylor_vjp(n, x, parameters, directions, planes, gradient, x_gradient, threads);
      return std::tuple(planes, gradient, x_gradient);
    };
    const auto expected = everything(1);
    for (const int threads : {2, 3}) CHECK(everything(threads) == expected);
  }
}

TEST(orders_beyond_the_degree_are_refused) {
  const auto network = kanml::Network<double>({networks::spline(1, 1, networks::space(2, 3))});
  const auto parameters = inputs::random(network.n_parameters());
  const std::vector<double> vectors{1.0};
  for (const int order : {0, 3, kanml::max_taylor_order + 1}) {
    const std::vector<int> orders{order};
    CHECK_THROWS(coefficients<double>(network, {0.0}, parameters, {orders, vectors}),
                 std::invalid_argument, "order");
  }
}
