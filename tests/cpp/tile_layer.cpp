// Layers on one tile: what a forward pass keeps, and where a sample stands.
#include "core/network/tile_layer.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <vector>

#include "check.hpp"
#include "inputs.hpp"
#include "kanml/buffer.hpp"
#include "kanml/layers.hpp"
#include "networks.hpp"

using kanml::index;
namespace kernels = kanml::kernels;

namespace {

constexpr index n_in = 3;
constexpr index n_out = 13;  // strips of outputs, and columns

// One tile of a layer. x and cotangents have n_planes planes.
struct Pass {
  const kanml::Layer& layer;
  const kernels::Directions& directions;
  int samples;
  std::vector<double> parameters = inputs::random(layer.n_parameters());
  std::vector<double> x = inputs::random(directions.n_planes * samples * layer.n_in(), -1.2, 1.2);
  std::vector<double> cotangents = inputs::random(directions.n_planes * samples * layer.n_out());
};

struct Results {
  std::vector<double> y;            // (n_planes, samples, n_out)
  std::vector<double> x_cotangent;  // (n_planes, samples, n_in)
  std::vector<double> gradient;

  bool operator==(const Results&) const = default;
};

std::vector<double*> planes_of(std::vector<double>& all, int n_planes) {
  std::vector<double*> planes;
  const auto size = all.size() / static_cast<std::size_t>(n_planes);
  for (int m = 0; m < n_planes; ++m) {
    planes.push_back(all.data() + static_cast<std::size_t>(m) * size);
  }
  return planes;
}

// Takes the tile to a sink and, unless that is given, to a gradient that all samples share.
Results there_and_back(Pass pass, bool keeps, kernels::Sink<double> sink = {}) {
  auto& [layer, directions, samples, parameters, x, cotangents] = pass;
  const auto tiles = layer.in_double();
  const int n_planes = directions.n_planes;
  Results results{.y = std::vector<double>(cotangents.size()),
                  .x_cotangent = std::vector<double>(x.size()),
                  .gradient = std::vector<double>(parameters.size(), 0.0)};
  if (sink.gradient == nullptr && sink.direction == nullptr) {
    sink.gradient = results.gradient.data();
  }
  const index kept_bytes = tiles->kept_bytes(directions);
  const kanml::Buffer kept(static_cast<std::size_t>(kept_bytes));
  const kanml::Buffer scratch(
      static_cast<std::size_t>(tiles->scratch_bytes(kernels::tile_size, n_planes)));
  const kernels::Memory memory{keeps ? kept.data() : nullptr, scratch.data()};
  const auto x_planes = planes_of(x, n_planes);
  const auto y_planes = planes_of(results.y, n_planes);
  const auto cotangent_planes = planes_of(cotangents, n_planes);
  const auto x_cotangent_planes = planes_of(results.x_cotangent, n_planes);
  tiles->forward({.samples = samples,
                  .directions = directions,
                  .x = x_planes.data(),
                  .parameters = parameters.data(),
                  .parameter_tangent = nullptr,
                  .y = y_planes.data(),
                  .memory = memory});
  // Between the passes, other layers use the scratch memory.
  std::fill_n(static_cast<char*>(scratch.data()),
              tiles->scratch_bytes(kernels::tile_size, n_planes), char{0x55});
  tiles->backward({.samples = samples,
                   .directions = directions,
                   .inputs = {0, layer.n_in()},
                   .x = x_planes.data(),
                   .parameters = parameters.data(),
                   .y_cotangent = cotangent_planes.data(),
                   .sink = sink,
                   .x_cotangent = x_cotangent_planes.data(),
                   .memory = memory});
  return results;
}

// Calls f(layer, directions) for directions of several orders, alone and together.
template <class F>
void for_directions(const kanml::Layer& layer, const F& f) {
  for (const std::vector<int>& wanted :
       std::vector<std::vector<int>>{{}, {1}, {2}, {1, 2}, {3, 1, 2}, {4, 4}, {1, 1, 1, 1}}) {
    std::vector<int> orders;
    std::vector<int> planes;
    int n_planes = 1;
    for (const int order : wanted) {
      orders.push_back(std::min(order, layer.max_order()));
      planes.push_back(n_planes);
      n_planes += orders.back();
    }
    f(layer, kernels::Directions{.count = static_cast<int>(orders.size()),
                                 .orders = orders.data(),
                                 .planes = planes.data(),
                                 .n_planes = n_planes});
  }
}

// The same for activations, and for layers of splines of all degrees.
template <class F>
void for_layers(const F& f) {
  for (int kind = 0; kind < kanml::n_activations; ++kind) {
    for_directions(kanml::ActivationLayer(n_in, static_cast<kanml::ActivationKind>(kind)), f);
  }
  for (int degree = kanml::min_degree; degree <= kanml::max_degree; ++degree) {
    for (const auto& space : {networks::space(degree, 5), networks::graded_space(degree, 5)}) {
      for (const auto base :
           {std::optional<kanml::ActivationKind>{}, std::optional{kanml::ActivationKind::silu}}) {
        const std::vector spaces(static_cast<std::size_t>(n_in), space);
        for_directions(kanml::SplineLayer(spaces, n_out, kanml::Extrapolation::linear,
                                          kanml::Basis::spline, base),
                       f);
      }
    }
  }
}

}  // namespace

TEST(what_is_kept_gives_the_same_bits_as_what_is_computed_again) {
  for_layers([](const kanml::Layer& layer, const kernels::Directions& directions) {
    CHECK(layer.in_double()->kept_bytes(directions) > 0);
    for (const int samples : {kernels::tile_size, 21, 1}) {
      const Pass pass{layer, directions, samples};
      CHECK(there_and_back(pass, true) == there_and_back(pass, false));
    }
  });
}

TEST(what_a_sample_contributes_does_not_depend_on_its_place_in_the_tile) {
  constexpr int samples = 21;
  // The planes with their samples in reversed order.
  const auto reversed = [](const std::vector<double>& planes, index width) {
    std::vector<double> result(planes.size());
    const index rows = static_cast<index>(planes.size()) / width;
    for (index row = 0; row < rows; ++row) {
      const index other = row / samples * samples + samples - 1 - row % samples;
      std::copy_n(planes.begin() + other * width, width, result.begin() + row * width);
    }
    return result;
  };
  for_layers([&](const kanml::Layer& layer, const kernels::Directions& directions) {
    Pass pass{layer, directions, samples};
    const auto one = there_and_back(pass, true);
    pass.x = reversed(pass.x, layer.n_in());
    pass.cotangents = reversed(pass.cotangents, layer.n_out());
    const auto other = there_and_back(pass, true);
    CHECK(reversed(other.y, layer.n_out()) == one.y);
    CHECK(reversed(other.x_cotangent, layer.n_in()) == one.x_cotangent);
  });
}

TEST(the_sinks_of_a_layer_agree) {
  constexpr int samples = 21;
  const auto check = [](const kanml::Layer& layer, const kernels::Directions& directions) {
    const Pass pass{layer, directions, samples};
    const Results sum = there_and_back(pass, true);
    const index n = layer.n_parameters();
    const index stride = n + 3;  // what lies between the rows stays as it is
    std::vector<double> rows(static_cast<std::size_t>(samples * stride), 0.0);
    const Results by_rows = there_and_back(pass, true, {.gradient = rows.data(), .stride = stride});
    CHECK(by_rows.x_cotangent == sum.x_cotangent);
    const std::vector<double> direction = inputs::random(n);
    std::vector<double> products(samples, 0.5);  // products are added
    std::vector<double> scratch(static_cast<std::size_t>(layer.in_double()->contributions()), 7.0);
    const Results by_products = there_and_back(pass, true,
                                               {.direction = direction.data(),
                                                .products = products.data(),
                                                .contributions = scratch.data()});
    CHECK(by_products.x_cotangent == sum.x_cotangent);
    for (index s = 0; s < samples; ++s) {
      double product = 0.5;
      double scale = 0.5;
      for (index i = 0; i < n; ++i) {
        const double term =
            rows[static_cast<std::size_t>(s * stride + i)] * direction[static_cast<std::size_t>(i)];
        product += term;
        scale += std::fabs(term);
      }
      CHECK_NEAR(products[static_cast<std::size_t>(s)], product, 1e-14 * scale);
      for (index i = n; i < stride; ++i) {
        CHECK(rows[static_cast<std::size_t>(s * stride + i)] == 0.0);
      }
    }
    for (index i = 0; i < n; ++i) {
      double column = 0.0;
      double scale = 0.0;
      for (index s = 0; s < samples; ++s) {
        const double term = rows[static_cast<std::size_t>(s * stride + i)];
        column += term;
        scale += std::fabs(term);
      }
      CHECK_NEAR(sum.gradient[static_cast<std::size_t>(i)], column, 1e-14 * scale);
    }
  };
  for_layers(check);
  for (const bool bias : {true, false}) {
    for_directions(kanml::LinearLayer(n_in, n_out, bias), check);
  }
}
