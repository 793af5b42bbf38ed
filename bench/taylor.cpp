// Taylor coefficients of networks along directions, and their gradient by the parameters, as
// residuals of differential equations need them. Order 0 is the plain evaluation.
//
// The reference carries power series through the network. Gradients are checked by the identity
// <cotangents, J v> = <gradient, v>, where J v comes from series whose coefficients are dual
// numbers.
#include <array>
#include <cmath>
#include <map>
#include <string>
#include <tuple>

#include "counters.hpp"
#include "network_case.hpp"

namespace bench {

namespace {

constexpr index batch = 1024;
constexpr int max_order = kanml::max_taylor_order;
constexpr int max_directions = 2;
constexpr std::array<std::array<double, 2>, max_directions> vectors{{{0.8, 0.3}, {-0.4, 0.9}}};

struct Architecture {
  const char* name;
  std::vector<index> widths;
};

const Architecture narrow{"2-8-8-1", {2, 8, 8, 1}};
const Architecture broad{"2-20-20-1", {2, 20, 20, 1}};

// Sums over the samples, of the coefficients of one order along one direction.
struct PlaneSums {
  long double outputs;             // sum of +-y_m
  long double squares;             // sum of y_m^2
  long double parameter_gradient;  // sum of noise * (derivative of y_m along the signs)
  long double input_gradient;      // the same by the inputs
};

using Sums = std::array<std::array<PlaneSums, max_order + 1>, max_directions>;

index noise_index(int direction, int order, index sample) {
  return (direction * (max_order + 1) + order) * batch + sample;
}

// Along both directions up to the highest order, whatever a benchmark has of them; computed once in
// the life of the process.
const Sums& expected_sums(const Architecture& architecture, index n, int degree,
                          const NetworkCase<double>& net) {
  static std::map<std::tuple<std::string, index, int>, Sums> known;
  const auto [found, is_new] = known.try_emplace({architecture.name, n, degree});
  Sums& sums = found->second;
  if (!is_new) return sums;
  const ReferenceNetwork reference(net.layers);
  const std::vector<Jet> weights = net.parameter_jets();
  for (int d = 0; d < max_directions; ++d) {
    const auto direction = static_cast<std::size_t>(d);
    for (index s = 0; s < batch; ++s) {
      std::vector<Series> curve;
      for (const Jet& x : net.input_jets(static_cast<std::size_t>(s))) {
        const std::size_t p = curve.size();
        curve.emplace_back(x).c[1] = Jet{vectors[direction][p]};
      }
      const Series y = reference(std::move(curve), weights).front();
      for (int m = 0; m <= max_order; ++m) {
        const Jet& coefficient = y.c[static_cast<std::size_t>(m)];
        const double random = noise(Stream::cotangent, noise_index(d, m, s));
        PlaneSums& plane = sums[direction][static_cast<std::size_t>(m)];
        plane.outputs += random_sign(Stream::output_signs, s) * coefficient.value;
        plane.squares += coefficient.value * coefficient.value;
        plane.parameter_gradient += random * coefficient.by_parameters;
        plane.input_gradient += random * coefficient.by_inputs;
      }
    }
  }
  return sums;
}

// Arguments: n, order, directions.
struct Case {
  index intervals;
  int order;
  int count;
  int degree;  // the lowest odd one that has the order
  NetworkCase<double> net;
  const Sums& sums;
  std::vector<int> orders;
  std::vector<double> direction_vectors;

  Case(const Architecture& architecture, const benchmark::State& state)
      : intervals(state.range(0)),
        order(static_cast<int>(state.range(1))),
        count(order == 0 ? 0 : static_cast<int>(state.range(2))),
        degree(order <= 3 ? 3 : 5),
        net(spline_layers(architecture.widths, intervals, degree), batch),
        sums(expected_sums(architecture, intervals, degree, net)),
        orders(static_cast<std::size_t>(count), order) {
    for (std::size_t d = 0; d < orders.size(); ++d) {
      direction_vectors.insert(direction_vectors.end(), vectors[d].begin(), vectors[d].end());
    }
  }

  kanml::Directions<double> directions() const { return {orders, direction_vectors}; }

  // Calls f(direction, order, the sums) for every plane in turn.
  void for_planes(const auto& f) const {
    f(0, 0, sums[0][0]);
    for (int d = 0; d < count; ++d) {
      for (int m = 1; m <= order; ++m) {
        f(d, m, sums[static_cast<std::size_t>(d)][static_cast<std::size_t>(m)]);
      }
    }
  }

  double multiply_adds_forward(const kanml::Layers& layers) const {
    return static_cast<double>(directions().n_planes()) * multiply_adds(layers, batch);
  }
};

// Coefficients on fine levels differ little from their neighbours. A derivative of order m is what
// remains of n^m times their size, and so is its error.
double cancellation(const Case& c, int m) {
  return std::pow(static_cast<double>(c.intervals) / 8.0, m);
}

// The cotangent of a plane is as large as its coefficients are small, so that every order has an
// equal part in the gradient.
double cotangent_scale(const PlaneSums& plane) {
  return std::sqrt(static_cast<double>(batch) / static_cast<double>(plane.squares));
}

template <const Architecture& architecture>
void taylor(benchmark::State& state) {
  const Case c(architecture, state);
  const auto planes = static_cast<std::size_t>(c.directions().n_planes());
  std::vector<double> y(planes * static_cast<std::size_t>(batch));
  for (auto _ : state) {
    c.net.network.taylor(batch, c.net.x, c.net.parameters, c.directions(), y, 1);
  }
  count_multiply_adds(state, c.multiply_adds_forward(c.net.layers));

  Check check;
  std::span<const double> rest(y);
  c.for_planes([&](int, int m, const PlaneSums& plane) {
    const auto values = rest.first(static_cast<std::size_t>(batch));
    rest = rest.subspan(values.size());
    check.close("coefficients of order " + std::to_string(m),
                signed_sum(Stream::output_signs, values), static_cast<double>(plane.outputs),
                std::sqrt(static_cast<double>(plane.squares)),
                cancellation(c, m) * c.net.tolerance());
  });
  finish(state, check);
}

template <const Architecture& architecture>
void taylor_vjp(benchmark::State& state) {
  const Case c(architecture, state);
  std::vector<double> cotangents;
  long double expected_by_parameters = 0.0L;
  long double expected_by_inputs = 0.0L;
  c.for_planes([&](int d, int m, const PlaneSums& plane) {
    const double scale = cotangent_scale(plane);
    for (index s = 0; s < batch; ++s) {
      cotangents.push_back(scale * noise(Stream::cotangent, noise_index(d, m, s)));
    }
    expected_by_parameters += scale * plane.parameter_gradient;
    expected_by_inputs += scale * plane.input_gradient;
  });
  std::vector<double> gradient(c.net.parameters.size());
  for (auto _ : state) {
    c.net.network.taylor_vjp(batch, c.net.x, c.net.parameters, c.directions(), cotangents, gradient,
                             {}, 1);
  }
  const auto& layers = c.net.layers;
  count_multiply_adds(state, c.multiply_adds_forward(without_last(layers)) +
                                 c.multiply_adds_forward(layers) +
                                 c.multiply_adds_forward(without_first(layers)));

  // The gradient by the inputs, which residuals do not need, is not timed.
  std::vector<double> again(gradient.size());
  std::vector<double> input_gradient(c.net.x.size());
  c.net.network.taylor_vjp(batch, c.net.x, c.net.parameters, c.directions(), cotangents, again,
                           input_gradient, 1);
  Check check;
  c.net.check_sum(check, "parameter gradient", Stream::parameter_signs, gradient,
                  expected_by_parameters, cancellation(c, c.order));
  c.net.check_sum(check, "parameter gradient beside that by the inputs", Stream::parameter_signs,
                  again, expected_by_parameters, cancellation(c, c.order));
  c.net.check_sum(check, "input gradient", Stream::point_signs, input_gradient, expected_by_inputs,
                  cancellation(c, c.order + 1));
  finish(state, check);
}

void sizes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"n", "order", "directions"})->Unit(benchmark::kMicrosecond);
  b->ArgsProduct({{8, 64}, {0}, {0}});
  b->ArgsProduct({{8, 64}, {1, 2, 3, 4}, {1, 2}});
}

BENCHMARK(taylor<narrow>)->Apply(sizes);
BENCHMARK(taylor<broad>)->Apply(sizes);
BENCHMARK(taylor_vjp<narrow>)->Apply(sizes);
BENCHMARK(taylor_vjp<broad>)->Apply(sizes);

}  // namespace

}  // namespace bench
