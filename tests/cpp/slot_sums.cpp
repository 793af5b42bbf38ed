// Sums of the gradients of slots: against extended precision, for any number of blocks.
#include <cmath>
#include <vector>

#include "barriers.hpp"
#include "block/tile_records.hpp"
#include "inputs.hpp"

namespace {

using kanml::index;
namespace block = kanml::block;

struct Sizes {
  index slots;
  index n_parameters;
};
const std::vector<Sizes> all_sizes{{1, 1}, {5, 300}, {8, 130}, {37, 9}, {255, 20}, {1024, 17}};

block::AddUpGradients<double> program(const Sizes& sizes, const std::vector<double>& gradients,
                                      std::vector<double>& sums, int blocks, int threads) {
  return {.slots = sizes.slots,
          .n_parameters = sizes.n_parameters,
          .gradients = gradients.data(),
          .gradient = sums.data(),
          .blocks = blocks,
          .threads = threads};
}

std::vector<double> added(const Sizes& sizes, const std::vector<double>& gradients, int blocks,
                          int threads) {
  std::vector<double> sums(static_cast<std::size_t>(sizes.n_parameters), NAN);
  block::run_on_host<true>(program(sizes, gradients, sums, blocks, threads));
  return sums;
}

}  // namespace

TEST(sums_of_slots_are_those_of_extended_precision) {
  for (const Sizes& sizes : all_sizes) {
    const auto gradients = inputs::random(sizes.slots * sizes.n_parameters);
    const auto sums = added(sizes, gradients, 3, 84);
    for (index i = 0; i < sizes.n_parameters; ++i) {
      long double expected = 0.0L;
      for (index slot = 0; slot < sizes.slots; ++slot) {
        expected += gradients[static_cast<std::size_t>(slot * sizes.n_parameters + i)];
      }
      CHECK_NEAR(sums[static_cast<std::size_t>(i)], static_cast<double>(expected),
                 1e-16 * static_cast<double>(sizes.slots));
    }
  }
}

TEST(bits_of_sums_of_slots_do_not_depend_on_blocks_or_threads) {
  for (const Sizes& sizes : all_sizes) {
    const auto gradients = inputs::random(sizes.slots * sizes.n_parameters);
    const auto expected = added(sizes, gradients, 1, 256);
    CHECK(added(sizes, gradients, 3, 84) == expected);
    CHECK(added(sizes, gradients, 7, 1) == expected);
  }
}

TEST(sums_of_slots_need_all_barriers) {
  // With 84 threads for 256 lanes, sums of lanes are read by others than those who write them.
  const Sizes sizes{1024, 17};  // three steps of eight parameters
  const auto gradients = inputs::random(sizes.slots * sizes.n_parameters);
  std::vector<double> sums(17);
  barriers::check(program(sizes, gradients, sums, 1, 84), 6, 1);
}
