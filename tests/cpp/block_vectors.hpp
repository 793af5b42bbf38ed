// Vectors of block programs on the host, in memory of the process.
#pragma once

#include <limits>
#include <memory>
#include <vector>

#include "core/block/block_vectors.hpp"
#include "core/block/host_device.hpp"
#include "inputs.hpp"

namespace block_vectors {

using kanml::index;
namespace block = kanml::block;

// Shared memory may be watched over.
class Host final : public kanml::HostDevice<false> {
 public:
  Host(const kanml::BlockLimits& limits, bool checked) : HostDevice(limits), checked_(checked) {}

  template <class Program>
  void launch(const Program& program) const {
    if (checked_) {
      block::run_on_host<true>(program);
    } else {
      block::run_on_host<false>(program);
    }
  }

 private:
  bool checked_;
};

template <class T>
using Vectors = kanml::BlockVectors<T, Host>;

// Arrays of the process lie in memory of this device.
template <class T>
Vectors<T> vectors(block::Team team, int blocks, bool checked) {
  const kanml::BlockLimits limits{
      .team = team, .blocks = blocks, .slots = 1, .shared_bytes = 100'000};
  return Vectors<T>(std::make_shared<Host>(limits, checked));
}

// Teams of which no number of entries is a multiple, and one as on a GPU; one block, and several.
template <class T>
std::vector<Vectors<T>> all_vectors() {
  return {vectors<T>({7, 3}, 3, true), vectors<T>({64, 4}, 132, false),
          vectors<T>({5, 1}, 1, false)};
}

template <class T>
constexpr T nan = std::numeric_limits<T>::quiet_NaN();
template <class T>
constexpr T infinity = std::numeric_limits<T>::infinity();

// A matrix whose diagonal stays positive under small updates.
template <class T>
std::vector<T> matrix(index n) {
  auto entries = inputs::random<T>(kanml::packed_size(n));
  for (index i = 0; i < n; ++i)
    entries[static_cast<std::size_t>(kanml::packed_size(i) + i)] = T(10);
  return entries;
}

// Calls f with the same limits once more, with other numbers of blocks, and with other teams.
template <class T, class F>
void for_cuts(bool checked, const F& f) {
  for (const int blocks : {132, 1, 2, 3, 7, 1000}) f(vectors<T>({64, 4}, blocks, false));
  for (const block::Team team : {block::Team{1, 1}, {7, 3}, {32, 1}, {128, 8}}) {
    f(vectors<T>(team, 3, false));
    if (checked) f(vectors<T>(team, 3, true));
  }
}

}  // namespace block_vectors
