// Whole networks: the forward pass, and the mean squared error with its gradient, which is what a
// regression evaluates at every step of its optimizer.
#include <string>

#include "counters.hpp"
#include "network_case.hpp"

namespace bench {

namespace {

struct Architecture {
  const char* name;
  kanml::Layers (*layers)(index intervals, int degree);
  index batch;
};

constexpr Architecture regression{"regression", regression_layers, 20'000};
constexpr Architecture narrow{
    "2-20-20-1", [](index n, int degree) { return spline_layers({2, 20, 20, 1}, n, degree); },
    4096};

struct Arguments {
  index intervals;
  int degree;
  int threads;

  explicit Arguments(const benchmark::State& state)
      : intervals(state.range(0)),
        degree(static_cast<int>(state.range(1))),
        threads(static_cast<int>(state.range(2))) {}

  std::string name(const Architecture& architecture) const {
    return std::string(architecture.name) + " " + std::to_string(intervals) + " " +
           std::to_string(degree);
  }
};

template <class T, const Architecture& architecture>
void network_evaluate(benchmark::State& state) {
  const Arguments arguments(state);
  const NetworkCase<T> net(architecture.layers(arguments.intervals, arguments.degree),
                           architecture.batch);
  std::vector<T> y(net.cotangent.size());
  for (auto _ : state) {
    net.network.evaluate(net.batch, net.x, net.parameters, y, arguments.threads);
  }
  count_multiply_adds(state, multiply_adds(net.layers, net.batch));

  Check check;
  net.check_sum(check, "outputs", Stream::output_signs, y,
                net.expected(arguments.name(architecture)).outputs);
  finish(state, check);
}

template <class T, const Architecture& architecture>
void mean_squared_error(benchmark::State& state) {
  const Arguments arguments(state);
  const NetworkCase<T> net(architecture.layers(arguments.intervals, arguments.degree),
                           architecture.batch);
  std::vector<T> gradient(net.parameters.size());
  double loss = 0.0;
  for (auto _ : state) {
    loss = net.network.mean_squared_error(net.batch, net.x, net.parameters, net.cotangent, gradient,
                                          arguments.threads);
  }
  count_multiply_adds(state, 2 * multiply_adds(net.layers, net.batch) +
                                 multiply_adds(without_first(net.layers), net.batch));

  Check check;
  const Expected& expected = net.expected(arguments.name(architecture));
  net.check_loss(check, loss, expected.loss);
  net.check_sum(check, "gradient", Stream::parameter_signs, gradient, expected.loss_gradient);
  finish(state, check);
}

void sizes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"n", "degree", "threads"})->UseRealTime()->Unit(benchmark::kMillisecond);
  b->ArgsProduct({{5, 16, 64, 320, 512}, {3}, {1, 2}});
  b->ArgsProduct({{16}, {2, 5}, {1}});
}

BENCHMARK(network_evaluate<float, regression>)->Apply(sizes);
BENCHMARK(network_evaluate<double, regression>)->Apply(sizes);
BENCHMARK(network_evaluate<float, narrow>)->Apply(sizes);
BENCHMARK(network_evaluate<double, narrow>)->Apply(sizes);
BENCHMARK(mean_squared_error<float, regression>)->Apply(sizes);
BENCHMARK(mean_squared_error<double, regression>)->Apply(sizes);
BENCHMARK(mean_squared_error<float, narrow>)->Apply(sizes);
BENCHMARK(mean_squared_error<double, narrow>)->Apply(sizes);

}  // namespace

}  // namespace bench
