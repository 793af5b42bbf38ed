// Block programs on the host against the executors of processors, which share only the mathematics
// of one point with them.
#include "block_networks.hpp"

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "check.hpp"
#include "kanml/network.hpp"
#include "networks.hpp"

using kanml::index;

namespace {

using kanml::Extrapolation;

// More samples than the blocks have threads, and no multiple of any tile.
constexpr index n = 101;

// Several tiles a block and a slot in all of them, and the last tile is not full.
const std::vector<block_networks::Settings> all_settings{
    {.team = {16, 2}, .blocks = 3, .slots = 4, .checked = true},
    {.team = {8, 3}, .blocks = 4, .slots = 5, .checked = false},
    {.team = {32, 1}, .blocks = 3, .slots = 3, .checked = false}};

// Networks of two inputs, in which every kind of layer and every rule occurs.
std::vector<kanml::Layers> all_networks() {
  std::vector<kanml::Layers> all;
  const auto embedding = std::make_shared<const kanml::EmbeddingLayer>(
      2, std::vector<index>{0, 1, 1, 0},
      std::vector{kanml::Feature::sine, kanml::Feature::identity, kanml::Feature::cosine,
                  kanml::Feature::cosine},
      std::vector{1.3, 0.0, 0.7, 2.0});
  const auto affine =
      std::make_shared<const kanml::AffineLayer>(std::vector{0.8, -1.1}, std::vector{0.1, 0.3});
  for (int kind = 0; kind < kanml::n_activations; ++kind) {
    const auto function = static_cast<kanml::ActivationKind>(kind);
    all.push_back({affine, networks::linear(2, 6),
                   std::make_shared<const kanml::ActivationLayer>(6, function),
                   std::make_shared<const kanml::LinearLayer>(6, 3, false)});
    all.push_back({networks::spline(2, 5, networks::space(3, 4), Extrapolation::linear,
                                    kanml::Basis::spline, function)});
  }
  for (int degree = kanml::min_degree; degree <= kanml::max_degree; ++degree) {
    for (const auto& space : {networks::space(degree, 5), networks::graded_space(degree, 5)}) {
      for (const auto rule :
           {Extrapolation::linear, Extrapolation::polynomial, Extrapolation::clamp}) {
        all.push_back({networks::spline(2, 5, space, rule),
                       networks::spline(5, 3, networks::space(degree, 4), rule)});
      }
    }
  }
  const std::vector<networks::Space> spaces{networks::space(4, 5), networks::graded_space(4, 3),
                                            networks::space(4, 5, -0.5, 1.5),
                                            networks::space(4, 2)};
  all.push_back({embedding, std::make_shared<const kanml::SplineLayer>(spaces, 6),
                 networks::tanh(6), networks::spline(6, 1, networks::space(2, 3))});
  all.push_back(networks::mixed(7));
  all.push_back(networks::mixed(11));  // three groups
  return all;
}

// Calls f(directions) with several orders that the layers have.
template <class T, class F>
void for_directions(const kanml::Layers& layers, const F& f) {
  const int most = kanml::Plan(layers).max_order;
  for (const std::vector<int>& wanted :
       std::vector<std::vector<int>>{{}, {1}, {2, 1}, {3, 1, 2}, {4, 4}}) {
    std::vector<int> orders;
    for (const int order : wanted) orders.push_back(std::min(order, most));
    const auto count = static_cast<index>(orders.size());
    f(kanml::Directions<T>{orders, inputs::random<T>(2 * count)});
    if (count == 2) f(kanml::Directions<T>{orders, inputs::random<T>(2 * count * n), true});
  }
}

// Differences in units of the rounding error, relative to the largest of the numbers.
template <class T>
double errors(const std::vector<T>& found, const std::vector<T>& expected) {
  double largest = 0.0;
  double difference = 0.0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    largest = std::max(largest, std::fabs(double{expected[i]}));
    difference = std::max(difference, std::fabs(double{found[i]} - double{expected[i]}));
  }
  return difference / largest / double{std::numeric_limits<T>::epsilon()};
}

// A network at samples, with parameters and directions.
template <class T>
struct Case {
  const kanml::Layers& layers;
  const kanml::Network<T>& network;
  const std::vector<T>& x;
  const std::vector<T>& parameters;
  const kanml::Directions<T>& directions;

  index planes() const { return directions.n_planes() * n * network.n_out(); }
};

// Calls f(case) for all networks and directions.
template <class T, class F>
void for_cases(const F& f) {
  for (const auto& layers : all_networks()) {
    const kanml::Network<T> network(layers);
    const auto x = inputs::random<T>(2 * n, -1.3, 1.3);
    const auto parameters = inputs::random<T>(network.n_parameters());
    for_directions<T>(layers, [&](const kanml::Directions<T>& directions) {
      f(Case<T>{layers, network, x, parameters, directions});
    });
  }
}

template <class T>
double worst_of_planes() {
  double worst = 0.0;
  for_cases<T>([&](const Case<T>& at) {
    const auto planes = [&](const auto& by) {
      std::vector<T> found(static_cast<std::size_t>(at.planes()));
      by.taylor(n, at.x, at.parameters, at.directions, found);
      return found;
    };
    const auto expected = planes(at.network);
    for (const auto& of_blocks : all_settings) {
      const auto found = planes(block_networks::OnHost<T>(at.layers, of_blocks));
      worst = std::max(worst, errors(found, expected));
    }
  });
  return worst;
}

// The same of gradients with respect to parameters and inputs.
template <class T>
double worst_of_gradients() {
  double worst = 0.0;
  for_cases<T>([&](const Case<T>& at) {
    const auto cotangents = inputs::random<T>(at.planes());
    const auto both = [&](const auto& by) {
      std::vector<T> gradient(at.parameters.size());
      std::vector<T> x_gradient(at.x.size());
      by.taylor_vjp(n, at.x, at.parameters, at.directions, cotangents, gradient, x_gradient);
      return std::pair(gradient, x_gradient);
    };
    const auto expected = both(at.network);
    for (const auto& of_blocks : all_settings) {
      const block_networks::OnHost<T> blocks(at.layers, of_blocks);
      const auto found = both(blocks);
      worst = std::max(worst, errors(found.first, expected.first));
      worst = std::max(worst, errors(found.second, expected.second));
      // Alone, the gradient with respect to parameters has the same bits.
      std::vector<T> alone(at.parameters.size());
      blocks.taylor_vjp(n, at.x, at.parameters, at.directions, cotangents, alone, {});
      CHECK(alone == found.first);
    }
  });
  return worst;
}

}  // namespace

// Both sum the same terms, in another order, with fused products or without: no difference was
// larger than 13 rounding errors of the largest number.
TEST(planes_are_those_of_processors) {
  CHECK_NEAR(worst_of_planes<double>(), 0.0, 30.0);
  CHECK_NEAR(worst_of_planes<float>(), 0.0, 30.0);
}

TEST(gradients_are_those_of_processors) {
  CHECK_NEAR(worst_of_gradients<double>(), 0.0, 30.0);
  CHECK_NEAR(worst_of_gradients<float>(), 0.0, 30.0);
}

TEST(planes_do_not_depend_on_blocks_or_teams) {
  const auto layers = networks::mixed(7);
  const std::vector<int> orders{2, 1};
  const auto vectors = inputs::random(4);
  const auto x = inputs::random(2 * n);
  const auto parameters = inputs::random(kanml::Network<double>(layers).n_parameters());
  std::vector<std::vector<double>> results;
  for (const auto& of_blocks : all_settings) {
    results.emplace_back(static_cast<std::size_t>(4 * n * 2));
    block_networks::OnHost<double>(layers, of_blocks)
        .taylor(n, x, parameters, {orders, vectors}, results.back());
    CHECK(results.back() == results.front());
  }
}

TEST(results_do_not_depend_on_shared_memory) {
  // Room for the coefficients of no input, some, or all, in tiles of one sample or more.
  const auto with_base = [](index n_in, index n_out, const networks::Space& space) {
    return networks::spline(n_in, n_out, space, Extrapolation::linear, kanml::Basis::spline,
                            kanml::ActivationKind::silu);
  };
  const kanml::Layers layers{with_base(2, 7, networks::graded_space(3, 5)),
                             with_base(7, 2, networks::space(2, 9))};
  const std::vector<int> orders{2, 1};
  const auto vectors = inputs::random(4);
  const auto x = inputs::random(2 * n, -1.3, 1.3);
  const auto cotangents = inputs::random(4 * n * 2);
  const auto parameters = inputs::random(kanml::Network<double>(layers).n_parameters());
  std::vector<std::vector<double>> planes;
  std::vector<std::vector<double>> x_gradients;
  for (std::size_t bytes = 3000; bytes < 60000; bytes += 1000) {
    const block_networks::OnHost<double> blocks(layers, {{16, 2}, 3, 4, true, bytes});
    planes.emplace_back(static_cast<std::size_t>(4 * n * 2));
    blocks.taylor(n, x, parameters, {orders, vectors}, planes.back());
    CHECK(planes.back() == planes.front());
    std::vector<double> gradient(parameters.size());
    x_gradients.emplace_back(x.size());
    if (bytes < 5000) continue;
    blocks.taylor_vjp(n, x, parameters, {orders, vectors}, cotangents, gradient,
                      x_gradients.back());
    CHECK(x_gradients.back() == x_gradients[2]);
  }
}

TEST(gradients_do_not_depend_on_blocks) {
  const auto layers = networks::mixed(7);
  const std::vector<int> orders{2, 1};
  const auto vectors = inputs::random(4);
  const auto x = inputs::random(2 * n);
  const auto cotangents = inputs::random(4 * n * 2);
  const auto parameters = inputs::random(kanml::Network<double>(layers).n_parameters());
  std::vector<std::vector<double>> results;
  for (const bool checked : {false, true}) {
    for (const int blocks : {1, 3, 4, 7}) {
      results.emplace_back(parameters.size());
      block_networks::OnHost<double>(layers, {{8, 2}, blocks, 5, checked})
          .taylor_vjp(n, x, parameters, {orders, vectors}, cotangents, results.back(), {});
      CHECK(results.back() == results.front());
    }
  }
}

TEST(samples_far_outside_have_the_values_of_processors) {
  const double infinity = std::numeric_limits<double>::infinity();
  const std::vector<double> far{infinity, -infinity, 1e308, -1e300,
                                std::numeric_limits<double>::quiet_NaN()};
  for (const auto& layers : all_networks()) {
    const kanml::Network<double> network(layers);
    const auto parameters = inputs::random(network.n_parameters());
    auto x = inputs::random(2 * n);
    for (std::size_t i = 0; i < far.size(); ++i) x[8 * i] = far[i];
    std::vector<double> expected(static_cast<std::size_t>(n * network.n_out()));
    network.evaluate(n, x, parameters, expected);
    for (const auto& of_blocks : all_settings) {
      std::vector<double> found(expected.size());
      block_networks::OnHost<double>(layers, of_blocks).taylor(n, x, parameters, {}, found);
      for (std::size_t i = 0; i < found.size(); ++i) {
        const bool same =
            found[i] == expected[i] || (found[i] != found[i] && expected[i] != expected[i]);
        if (!same) CHECK_NEAR(found[i] / expected[i], 1.0, 1e-9);  // sums may cancel
      }
    }
  }
}

TEST(the_first_sample_that_a_layer_refuses_is_named) {
  const auto layers = kanml::Layers{
      networks::linear(2, 2), networks::spline(2, 1, networks::space(3, 4), Extrapolation::error)};
  const kanml::Network<double> network(layers);
  const std::vector<double> identity{1.0, 0.0, 0.0, 1.0, 0.0, 0.0};
  auto parameters = inputs::random(network.n_parameters());
  std::ranges::copy(identity, parameters.begin());
  auto x = inputs::random(2 * n);
  x[2 * 90] = -3.0;
  x[2 * 20 + 1] = 1.25;
  std::vector<double> y(static_cast<std::size_t>(n));
  for (const auto& of_blocks : all_settings) {
    const block_networks::OnHost<double> blocks(layers, of_blocks);
    const auto evaluate = [&](const auto& by) { by.taylor(n, x, parameters, {}, y); };
    const char* const message =
        "layer 1 refuses the value 1.2500000000000000 of its input 1 at sample 20";
    CHECK_THROWS(evaluate(network), kanml::OutsideDomain, message);
    CHECK_THROWS(evaluate(blocks), kanml::OutsideDomain, message);
  }
}
