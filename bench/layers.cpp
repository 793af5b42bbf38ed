// One spline layer as a network of one layer. `evaluate` is the forward pass; `vjp_parameters` is
// the gradient by the coefficients, and `vjp` is both gradients: what they need of the layer is its
// inputs, and it is not run forwards.
#include <string>

#include "counters.hpp"
#include "network_case.hpp"

namespace bench {

namespace {

struct Arguments {
  index width;
  index intervals;
  int degree;
  int threads;

  explicit Arguments(const benchmark::State& state)
      : width(state.range(0)),
        intervals(state.range(1)),
        degree(static_cast<int>(state.range(2))),
        threads(static_cast<int>(state.range(3))) {}

  index batch() const { return width <= 64 ? 4096 : 1024; }

  template <class T>
  NetworkCase<T> make() const {
    return {spline_layers({width, width}, intervals, degree), batch()};
  }
  template <class T>
  const Expected& expected(const NetworkCase<T>& layer) const {
    return layer.expected("layer " + std::to_string(width) + " " + std::to_string(intervals) + " " +
                          std::to_string(degree));
  }
};

template <class T>
void layer_evaluate(benchmark::State& state) {
  const Arguments arguments(state);
  const auto layer = arguments.make<T>();
  std::vector<T> y(layer.cotangent.size());
  for (auto _ : state) {
    layer.network.evaluate(layer.batch, layer.x, layer.parameters, y, arguments.threads);
  }
  count_multiply_adds(state, multiply_adds(layer.layers, layer.batch));

  Check check;
  layer.check_sum(check, "outputs", Stream::output_signs, y, arguments.expected(layer).outputs);
  finish(state, check);
}

template <class T>
void layer_vjp_parameters(benchmark::State& state) {
  const Arguments arguments(state);
  const auto layer = arguments.make<T>();
  std::vector<T> gradient(layer.parameters.size());
  for (auto _ : state) {
    layer.network.vjp(layer.batch, layer.x, layer.parameters, layer.cotangent, gradient, {},
                      arguments.threads);
  }
  count_multiply_adds(state, multiply_adds(layer.layers, layer.batch));

  Check check;
  layer.check_sum(check, "parameter gradient", Stream::parameter_signs, gradient,
                  arguments.expected(layer).parameter_gradient);
  finish(state, check);
}

template <class T>
void layer_vjp(benchmark::State& state) {
  const Arguments arguments(state);
  const auto layer = arguments.make<T>();
  std::vector<T> gradient(layer.parameters.size());
  std::vector<T> input_gradient(layer.x.size());
  for (auto _ : state) {
    layer.network.vjp(layer.batch, layer.x, layer.parameters, layer.cotangent, gradient,
                      input_gradient, arguments.threads);
  }
  count_multiply_adds(state, 2 * multiply_adds(layer.layers, layer.batch));

  Check check;
  const Expected& expected = arguments.expected(layer);
  layer.check_sum(check, "parameter gradient", Stream::parameter_signs, gradient,
                  expected.parameter_gradient);
  layer.check_sum(check, "input gradient", Stream::point_signs, input_gradient,
                  expected.input_gradient);
  finish(state, check);
}

void sizes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"width", "n", "degree", "threads"})->UseRealTime()->Unit(benchmark::kMillisecond);
  b->ArgsProduct({{64}, {5, 16, 64, 320, 512}, {3}, {1, 2}});
  b->ArgsProduct({{64}, {16}, {1, 2, 4, 5}, {1}});
  b->ArgsProduct({{8, 16, 32}, {16}, {3}, {1}});
}

// The widest layers hold gigabytes with their reference in double; float suffices to see memory.
void sizes_and_wide(benchmark::internal::Benchmark* b) {
  sizes(b);
  b->ArgsProduct({{256}, {5, 16, 64, 320, 512}, {3}, {1, 2}});
}

BENCHMARK(layer_evaluate<float>)->Apply(sizes_and_wide);
BENCHMARK(layer_vjp_parameters<float>)->Apply(sizes_and_wide);
BENCHMARK(layer_vjp<float>)->Apply(sizes_and_wide);
BENCHMARK(layer_evaluate<double>)->Apply(sizes);
BENCHMARK(layer_vjp_parameters<double>)->Apply(sizes);
BENCHMARK(layer_vjp<double>)->Apply(sizes);

}  // namespace

}  // namespace bench
