#include "levels.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>

#include "network_case.hpp"

namespace bench {

namespace {

constexpr double goal = 1.15;  // fine over coarse, medians
constexpr double goal_out_of_cache =
    1.5;  // where the coefficients of the fine level fill megabytes
constexpr std::size_t rounds = 101;

double milliseconds(const auto& work) {
  using clock = std::chrono::steady_clock;
  const auto start = clock::now();
  work();
  return std::chrono::duration<double, std::milli>(clock::now() - start).count();
}

struct Quartiles {
  double lower, median, upper;

  explicit Quartiles(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    const auto at = [&](std::size_t quarter) { return values[quarter * (values.size() - 1) / 4]; };
    lower = at(1);
    median = at(2);
    upper = at(3);
  }
};

// Runs every level once a round, in turn and from a level that moves on, so that what disturbs
// the machine disturbs all alike; the first round warms up. Returns the times of each level.
std::vector<std::vector<double>> alternate(std::size_t levels, const auto& run) {
  std::vector<std::vector<double>> times(levels);
  for (std::size_t round = 0; round <= rounds; ++round) {
    for (std::size_t i = 0; i < levels; ++i) {
      const std::size_t level = (round + i) % levels;
      const double time = milliseconds([&] { run(level); });
      if (round > 0) times[level].push_back(time);
    }
  }
  return times;
}

// Prints a line for each level and returns the ratios of their medians to the first's.
std::vector<double> report(const std::vector<index>& intervals,
                           const std::vector<std::vector<double>>& times) {
  const double first = Quartiles(times.front()).median;
  std::vector<double> of_medians;
  for (std::size_t level = 0; level < times.size(); ++level) {
    const Quartiles time(times[level]);
    std::vector<double> ratios;
    for (std::size_t r = 0; r < rounds; ++r) ratios.push_back(times[level][r] / times[0][r]);
    const Quartiles in_pairs(ratios);
    of_medians.push_back(time.median / first);
    std::printf(
        "  n = %3d  %8.3f ms (quartiles %.3f to %.3f)  ratio %.3f (in pairs %.3f to %.3f)\n",
        static_cast<int>(intervals[level]), time.median, time.lower, time.upper, of_medians.back(),
        in_pairs.lower, in_pairs.upper);
  }
  return of_medians;
}

// Prints whether the ratio of n intervals to the coarsest level meets its goal.
bool meets(index n, double ratio, double limit) {
  const bool met = ratio <= limit;
  std::printf("  goal: ratio <= %.2f at n = %d: %s\n", limit, static_cast<int>(n),
              met ? "met" : "NOT MET");
  return met;
}

bool passed(const Check& check) {
  if (!check.failure().empty()) std::printf("  %s\n", check.failure().c_str());
  return check.failure().empty();
}

// Loss and gradient of the regression network at 20,000 points.
bool compare_regression(int threads) {
  using T = double;
  const std::vector<index> intervals{5, 320};
  std::vector<NetworkCase<T>> cases;
  for (const index n : intervals) cases.emplace_back(regression_layers(n, 3), 20'000);
  std::vector<double> losses(cases.size());
  std::vector<std::vector<T>> gradients;
  for (const auto& level : cases) gradients.emplace_back(level.parameters.size());

  const auto times = alternate(cases.size(), [&](std::size_t level) {
    const auto& net = cases[level];
    losses[level] = net.network.mean_squared_error(net.batch, net.x, net.parameters, net.cotangent,
                                                   gradients[level], threads);
  });

  std::printf("regression network, loss and gradient, 20000 points, double, %d thread(s):\n",
              threads);
  const double ratio = report(intervals, times).back();
  Check check;
  for (std::size_t level = 0; level < cases.size(); ++level) {
    const Expected& expected =
        cases[level].expected("levels regression " + std::to_string(intervals[level]));
    cases[level].check_loss(check, losses[level], expected.loss);
    cases[level].check_sum(check, "gradient", Stream::parameter_signs, gradients[level],
                           expected.loss_gradient);
  }
  const bool met = meets(intervals.back(), ratio, goal);
  return passed(check) && met;
}

// Both gradients of a layer. Whether the goals are met is only printed.
bool compare_layer(int threads) {
  using T = float;
  const std::vector<index> intervals{8, 64, 512};
  std::vector<NetworkCase<T>> cases;
  for (const index n : intervals) cases.emplace_back(spline_layers({64, 64}, n, 3), 4096);
  std::vector<std::vector<T>> gradients;
  std::vector<std::vector<T>> input_gradients;
  for (const auto& level : cases) {
    gradients.emplace_back(level.parameters.size());
    input_gradients.emplace_back(level.x.size());
  }

  const auto times = alternate(cases.size(), [&](std::size_t level) {
    const auto& layer = cases[level];
    layer.network.vjp(layer.batch, layer.x, layer.parameters, layer.cotangent, gradients[level],
                      input_gradients[level], threads);
  });

  std::printf("layer 64x64, both gradients, 4096 points, float, %d thread(s):\n", threads);
  const std::vector<double> ratios = report(intervals, times);
  meets(intervals[1], ratios[1], goal);
  meets(intervals[2], ratios[2], goal_out_of_cache);
  Check check;
  for (std::size_t level = 0; level < cases.size(); ++level) {
    const Expected& expected =
        cases[level].expected("levels layer " + std::to_string(intervals[level]));
    cases[level].check_sum(check, "parameter gradient", Stream::parameter_signs, gradients[level],
                           expected.parameter_gradient);
    cases[level].check_sum(check, "input gradient", Stream::point_signs, input_gradients[level],
                           expected.input_gradient);
  }
  return passed(check);
}

}  // namespace

bool compare_levels() {
  bool good = true;
  for (const int threads : {1, 2}) good = compare_regression(threads) && good;
  for (const int threads : {1, 2}) good = compare_layer(threads) && good;
  return good;
}

}  // namespace bench
