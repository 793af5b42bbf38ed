// Terms by block programs on the host against the executors of processors.
#include <algorithm>
#include <limits>
#include <memory>
#include <span>
#include <tuple>
#include <vector>

#include "block_networks.hpp"
#include "check.hpp"
#include "kanml/network.hpp"
#include "kanml/terms.hpp"
#include "networks.hpp"

using kanml::index;

namespace {

using kanml::Coefficient;
using kanml::Operation;

// The square of r = u_t + u u_x - nu u_xx - f: one place, the directions x and t, the column f and
// the unknown nu. The Taylor coefficient of order 2 is half of u_xx.
std::shared_ptr<const kanml::PointLoss> burgers() {
  // Inputs: u, u_x, u_xx / 2, u_t, f, nu; the constant 2.
  const std::vector<kanml::Instruction> code{
      {Operation::multiply, 7, {0, 1, -1}},     // u u_x
      {Operation::add, 7, {7, 3, -1}},          //
      {Operation::multiply, 8, {6, 2, -1}},     // u_xx
      {Operation::multiply, 9, {8, 5, -1}},     // nu u_xx
      {Operation::subtract, 7, {7, 9, -1}},     //
      {Operation::subtract, 7, {7, 4, -1}},     // r
      {Operation::square, 9, {7, -1, -1}},      // the loss
      {Operation::multiply, 10, {6, 7, -1}},    // by u_t: 2 r
      {Operation::multiply, 11, {10, 1, -1}},   // by u
      {Operation::multiply, 12, {10, 0, -1}},   // by u_x
      {Operation::multiply, 13, {10, 8, -1}},   //
      {Operation::negative, 13, {13, -1, -1}},  // by nu
      {Operation::multiply, 14, {10, 5, -1}},   //
      {Operation::multiply, 14, {14, 6, -1}},   //
      {Operation::negative, 14, {14, -1, -1}},  // by u_xx / 2
  };
  const std::vector<Coefficient> coefficients{{0, 0, 0}, {0, 1, 0}, {0, 2, 0}, {0, 3, 0}};
  return std::make_shared<const kanml::PointLoss>(
      std::make_shared<const kanml::Program>(6, std::vector<double>{2.0}, code,
                                             std::vector<std::int32_t>{9, 7, 11, 12, 14, 10, 13}),
      coefficients, 1, 1, 1, coefficients);
}

// The square of the difference between the second output at two places.
std::shared_ptr<const kanml::PointLoss> periodic() {
  // Inputs: both outputs, nu; the constants 2 and 0.
  const std::vector<kanml::Instruction> code{{Operation::subtract, 5, {0, 1, -1}},
                                             {Operation::square, 6, {5, -1, -1}},
                                             {Operation::multiply, 7, {3, 5, -1}},
                                             {Operation::negative, 8, {7, -1, -1}}};
  const std::vector<Coefficient> coefficients{{0, 0, 1}, {1, 0, 1}};
  return std::make_shared<const kanml::PointLoss>(
      std::make_shared<const kanml::Program>(3, std::vector<double>{2.0, 0.0}, code,
                                             std::vector<std::int32_t>{6, 5, 7, 8, 4}),
      coefficients, 0, 1, 1, coefficients);
}

// Both residuals as rows of least squares; the first formula has u itself as a second row.
std::shared_ptr<const kanml::PointRows> burgers_rows() {
  const std::vector<kanml::Instruction> code{
      {Operation::multiply, 8, {0, 1, -1}},     // u u_x
      {Operation::add, 8, {8, 3, -1}},          //
      {Operation::multiply, 9, {6, 2, -1}},     // u_xx
      {Operation::multiply, 10, {9, 5, -1}},    // nu u_xx
      {Operation::subtract, 8, {8, 10, -1}},    //
      {Operation::subtract, 8, {8, 4, -1}},     // r
      {Operation::multiply, 10, {6, 5, -1}},    //
      {Operation::negative, 10, {10, -1, -1}},  // by u_xx / 2
      {Operation::negative, 9, {9, -1, -1}},    // by nu
      {Operation::subtract, 11, {6, 7, -1}},    // 1
      {Operation::subtract, 12, {7, 7, -1}},    // 0
  };
  const std::vector<Coefficient> coefficients{{0, 0, 0}, {0, 1, 0}, {0, 2, 0}, {0, 3, 0}};
  return std::make_shared<const kanml::PointRows>(
      std::make_shared<const kanml::Program>(
          6, std::vector<double>{2.0, 1.0}, code,
          std::vector<std::int32_t>{8, 0, 1, 0, 10, 11, 9, 11, 12}),
      coefficients, 1, 1, std::vector<std::vector<Coefficient>>{coefficients, {{0, 0, 0}}});
}
std::shared_ptr<const kanml::PointRows> periodic_rows() {
  const std::vector<kanml::Instruction> code{{Operation::subtract, 6, {0, 1, -1}}};
  const std::vector<Coefficient> coefficients{{0, 0, 1}, {1, 0, 1}};
  return std::make_shared<const kanml::PointRows>(
      std::make_shared<const kanml::Program>(3, std::vector<double>{1.0, -1.0, 0.0}, code,
                                             std::vector<std::int32_t>{6, 3, 4, 5}),
      coefficients, 0, 1, std::vector<std::vector<Coefficient>>{coefficients});
}

// Both terms with numbers, of which the first is taken at chosen points.
template <class T>
struct Example {
  kanml::Layers layers = networks::mixed(5);
  std::vector<T> parameters = inputs::random<T>(kanml::Network<T>(layers).n_parameters());
  std::vector<double> unknowns{0.3};
  std::vector<T> x = inputs::random<T>(2 * 120);
  std::vector<T> f = inputs::random<T>(2 * 120);
  std::vector<T> left = inputs::random<T>(2 * 41);
  std::vector<T> right = inputs::random<T>(2 * 41);
  std::vector<index> chosen;
  std::vector<int> orders{2, 1};
  std::vector<T> vectors{T(1), T(0), T(0), T(1)};
  std::vector<double> factors{0.7, 1.9};
  std::vector<T> direction = inputs::random<T>(static_cast<index>(parameters.size()) + 1);
  std::vector<T> cotangent = inputs::random<T>(2 * 75 + 41);

  Example() {
    for (index i = 0; i < 75; ++i) chosen.push_back(i * 47 % 120);
  }

  template <class Formula>
  std::vector<kanml::TermOf<T, Formula>> with(const std::shared_ptr<const Formula>& interior,
                                              const std::shared_ptr<const Formula>& edges) const {
    return {{interior, {{x, {orders, vectors}}}, {{f.data() + 1, 2}}, 75, chosen, "interior: "},
            {edges, {{left, {}}, {right, {}}}, {}, 41, {}, "edges: "}};
  }
};

struct Reduced {
  std::vector<double> sums;  // and largest components
  std::vector<double> gradient;
  std::vector<double> components;

  bool operator==(const Reduced&) const = default;
};

template <class T, class By>
Reduced reduced(const Example<T>& example, const By& by, bool with_gradient = true) {
  const auto terms = example.with(burgers(), periodic());
  std::vector<kanml::TermSums> sums(2);
  std::vector<T> gradient(with_gradient ? example.parameters.size() + 1 : 0);
  std::vector<T> components(75);
  const std::vector<std::span<T>> of_terms{components, {}};
  by.reduce(terms, example.factors, example.parameters, example.unknowns, sums, gradient, of_terms);
  return {{sums[0].loss, sums[0].largest, sums[1].loss, sums[1].largest},
          {gradient.begin(), gradient.end()},
          {components.begin(), components.end()}};
}

// Values of rows, and their Jacobian.
template <class T, class By>
std::pair<std::vector<double>, std::vector<double>> rows(const Example<T>& example, const By& by) {
  const auto terms = example.with(burgers_rows(), periodic_rows());
  std::vector<T> values(2 * 75 + 41);
  std::vector<T> jacobian(values.size() * (example.parameters.size() + 1));
  by.rows(terms, example.factors, example.parameters, example.unknowns, values, jacobian);
  return {{values.begin(), values.end()}, {jacobian.begin(), jacobian.end()}};
}

// The Jacobian times a direction, and its transpose times a cotangent.
template <class T, class By>
std::pair<std::vector<double>, std::vector<double>> products(const Example<T>& example,
                                                             const By& by) {
  const auto terms = example.with(burgers_rows(), periodic_rows());
  std::vector<T> along(example.cotangent.size());
  std::vector<T> gradient(example.direction.size());
  by.push(terms, example.factors, example.parameters, example.unknowns, example.direction, along);
  by.pull(terms, example.factors, example.parameters, example.unknowns, example.cotangent,
          gradient);
  return {{along.begin(), along.end()}, {gradient.begin(), gradient.end()}};
}

// R^T R of the triangle with columns of layers from one on, which has no signs to choose.
template <class T, class By>
std::vector<double> gram_matrix(const Example<T>& example, const By& by, std::size_t first_layer) {
  const auto terms = example.with(burgers_rows(), periodic_rows());
  const auto n = static_cast<std::size_t>(
      kanml::Network<T>(example.layers).n_parameters_from(first_layer) + 2);
  std::vector<double> factor(n * n);
  by.triangle(terms, example.factors, example.parameters, example.unknowns, first_layer, factor);
  std::vector<double> gram(n * n);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      for (std::size_t row = 0; row <= std::min(i, j); ++row) {
        gram[i * n + j] += factor[row * n + i] * factor[row * n + j];
      }
    }
  }
  return gram;
}

// In units of the rounding error, relative to the largest of the numbers.
template <class T>
double errors(const std::vector<double>& found, const std::vector<double>& expected) {
  CHECK_EQUAL(found.size(), expected.size());
  double largest = 0.0;
  double difference = 0.0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    largest = std::max(largest, std::fabs(expected[i]));
    difference = std::max(difference, std::fabs(found[i] - expected[i]));
  }
  return difference / largest / double{std::numeric_limits<T>::epsilon()};
}

const std::vector<block_networks::Settings> all_settings{
    {.team = {16, 2}, .blocks = 3, .slots = 4, .checked = true},
    {.team = {8, 3}, .blocks = 4, .slots = 20, .checked = false},
    {.team = {32, 8}, .blocks = 3, .slots = 4, .checked = true, .shared_bytes = 40'000}};

template <class T>
void compare_terms() {
  const Example<T> example;
  const Reduced expected = reduced(example, kanml::Network<T>(example.layers));
  for (const auto& settings : all_settings) {
    const block_networks::OnHost<T> blocks(example.layers, settings);
    const Reduced found = reduced(example, blocks);
    // No difference was larger than 7 rounding errors.
    CHECK_NEAR(errors<T>(found.sums, expected.sums), 0.0, 30.0);
    CHECK_NEAR(errors<T>(found.gradient, expected.gradient), 0.0, 30.0);
    CHECK_NEAR(errors<T>(found.components, expected.components), 0.0, 30.0);
    // Without a gradient, the same bits.
    const Reduced alone = reduced(example, blocks, false);
    CHECK(alone.sums == found.sums);
    CHECK(alone.components == found.components);
  }
}

template <class T>
void compare_rows() {
  const Example<T> example;
  const auto expected = rows(example, kanml::Network<T>(example.layers));
  for (const auto& settings : all_settings) {
    const auto found = rows(example, block_networks::OnHost<T>(example.layers, settings));
    // No difference was larger than 7 rounding errors.
    CHECK_NEAR(errors<T>(found.first, expected.first), 0.0, 30.0);
    CHECK_NEAR(errors<T>(found.second, expected.second), 0.0, 30.0);
  }
}

template <class T>
void compare_products() {
  const Example<T> example;
  const kanml::Network<T> network(example.layers);
  const auto expected = products(example, network);
  for (const auto& settings : all_settings) {
    const block_networks::OnHost<T> blocks(example.layers, settings);
    const auto found = products(example, blocks);
    CHECK_NEAR(errors<T>(found.first, expected.first), 0.0, 30.0);
    CHECK_NEAR(errors<T>(found.second, expected.second), 0.0, 30.0);
    for (const std::size_t first_layer : {std::size_t{0}, std::size_t{1}}) {
      CHECK_NEAR(errors<T>(gram_matrix(example, blocks, first_layer),
                           gram_matrix(example, network, first_layer)),
                 0.0, 30.0);
    }
  }
}

}  // namespace

TEST(losses_and_gradients_of_terms_are_those_of_processors) {
  compare_terms<double>();
  compare_terms<float>();
}

TEST(losses_and_gradients_of_terms_do_not_depend_on_blocks) {
  const Example<double> example;
  std::vector<Reduced> results;
  for (const bool checked : {false, true}) {
    for (const int blocks : {1, 3, 5}) {
      const block_networks::Settings settings{{8, 2}, blocks, 6, checked};
      results.push_back(reduced(example, block_networks::OnHost<double>(example.layers, settings)));
      CHECK(results.back() == results.front());
    }
  }
}

TEST(rows_and_their_jacobian_are_those_of_processors) {
  compare_rows<double>();
  compare_rows<float>();
}

TEST(products_with_jacobians_and_triangles_are_those_of_processors) {
  compare_products<double>();
  compare_products<float>();
}

TEST(a_network_that_does_not_fit_in_shared_memory_is_refused) {
  const Example<double> example;
  const block_networks::OnHost<double> blocks(
      example.layers,
      {.team = {32, 8}, .blocks = 3, .slots = 4, .checked = true, .shared_bytes = 500});
  CHECK_THROWS(reduced(example, blocks), kanml::OutOfDeviceMemory, "bytes of shared memory");
}
