// Networks by block programs that lack one of their barriers: the check of shared memory finds it.
#include <functional>
#include <vector>

#include "barriers.hpp"
#include "core/block/block_network.hpp"
#include "core/block/host_device.hpp"
#include "networks.hpp"

namespace {

using kanml::index;

// Leaves out one barrier of all that are launched, and counts them.
class Lacking final : public kanml::HostDevice<true> {
 public:
  using HostDevice::HostDevice;

  template <class Program>
  void launch(const Program& program) {
    const std::size_t bytes = kanml::block::shared_bytes_of(program);
    for (int number = 0; number < program.blocks; ++number) {
      kanml::block::HostBlock<true> block(number, program.blocks, program.threads, bytes);
      barriers::Without without(block, barrier - barriers);
      program(without);
      barriers += without.barriers();
    }
  }

  int barrier = -1;
  int barriers = 0;
};

// How many barriers f(network) has, and how many of them are found to be missing. The others stand
// between phases that touch nothing in common, or at the end.
struct Barriers {
  int all = 0;
  int found = 0;
};
Barriers left_out(const std::function<void(const kanml::BlockNetwork<double, Lacking>&)>& f,
                  std::size_t shared_bytes = 1 << 20) {
  const auto device = std::make_shared<Lacking>(
      kanml::BlockLimits{.team = {5, 2}, .blocks = 1, .slots = 1, .shared_bytes = shared_bytes});
  const kanml::BlockNetwork<double, Lacking> network(device, networks::mixed(5));
  f(network);
  Barriers barriers{.all = device->barriers};
  for (int barrier = 0; barrier < barriers.all; ++barrier) {
    device->barrier = barrier;
    device->barriers = 0;
    try {
      f(network);
    } catch (const kanml::block::SharedMemoryError&) {
      ++barriers.found;
    }
  }
  return barriers;
}

constexpr index n = 5;  // one tile
const auto x = inputs::random(2 * n);
const auto parameters = inputs::random(kanml::Network<double>(networks::mixed(5)).n_parameters());
const std::vector<int> orders{1};
const std::vector<double> vector{1.0, 0.5};
const kanml::Directions<double> directions{orders, vector};

}  // namespace

TEST(evaluations_need_their_barriers) {
  std::vector<double> y(2 * n * 2);
  const Barriers barriers =
      left_out([&](const auto& network) { network.taylor(n, x, parameters, directions, y); });
  CHECK_EQUAL(barriers.all, 8);
  CHECK_EQUAL(barriers.found, 5);
}

TEST(coefficients_that_come_in_parts_need_their_barriers) {
  std::vector<double> y(2 * n * 2);
  const Barriers barriers =
      left_out([&](const auto& network) { network.taylor(n, x, parameters, directions, y); }, 1700);
  CHECK_EQUAL(barriers.all, 14);  // two parts of the first layer, three of the other
  CHECK_EQUAL(barriers.found, 10);
}

TEST(gradients_need_their_barriers) {
  const auto cotangents = inputs::random(2 * n * 2);
  std::vector<double> gradient(parameters.size());
  std::vector<double> x_gradient(x.size());
  const Barriers barriers = left_out([&](const auto& network) {
    network.taylor_vjp(n, x, parameters, directions, cotangents, gradient, x_gradient);
  });
  CHECK_EQUAL(barriers.all, 31);
  CHECK_EQUAL(barriers.found, 17);
}

TEST(products_with_a_jacobian_need_their_barriers) {
  std::vector<double> y(n * 2);
  const Barriers barriers =
      left_out([&](const auto& network) { network.jvp(n, x, parameters, parameters, y); });
  CHECK_EQUAL(barriers.all, 28);
  CHECK_EQUAL(barriers.found, 14);
}
