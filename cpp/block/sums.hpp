// Sums over the entries of vectors, in an order that depends on the length alone.
//
// A vector is cut into parts, and blocks take parts in turn. The entries of a part are dealt out to
// lanes, which threads take in turn, and the sums of the lanes are added up as a tree. A launch
// leaves the sums of the parts behind. The host adds these up in their order, or every block of the
// next launch does so by itself, again in lanes.
//
// A Sum is a structure of partial results, which begins as Sum{}, and has
//   add(const Sum& other)               adds another one
#pragma once

#include <algorithm>

#include "block/reduction.hpp"
#include "kanml/types.hpp"
#include "point/device.hpp"

namespace kanml::block {

inline constexpr int sum_lanes = 256;

struct Parts {
  index n;
  index size;   // entries of a part, fewer of the last one
  index count;  // at least 1

  KANML_DEVICE index first(index part) const { return part * size; }
  KANML_DEVICE index end(index part) const {
    const index next = (part + 1) * size;
    return next < n ? next : n;
  }
};

// So few that a block can add up the sums of all of them.
inline Parts parts_of(index n) {
  constexpr index most = 512;
  constexpr index least_size = 4 * sum_lanes;
  const index rows = (n + most * sum_lanes - 1) / (most * sum_lanes);  // of lanes
  const index size = std::max(rows * sum_lanes, least_size);
  return {n, size, std::max<index>(1, (n + size - 1) / size)};
}

template <class N>
struct Total {
  N value;

  KANML_DEVICE void add(const Total& other) { value += other.value; }
};

struct Largest {
  double value;

  KANML_DEVICE void add(const Largest& other) { value = larger(value, other.value); }
};

template <class Sum, class Block>
KANML_DEVICE auto memory_of_sums(Block& block) {
  return block.template shared<Sum>("lanes", sum_lanes);
}

// What f(sum, i) adds for first <= i < end, known to all threads. Each i is met once.
template <class Sum, class Block, class Array, class F>
KANML_DEVICE Sum sum_between(Block& block, const Array& lanes, index first, index end, const F& f) {
  block.phase([&](int thread) {
    for (int lane = thread; lane < sum_lanes; lane += block.threads()) {
      Sum sum{};
      for (index i = first + lane; i < end; i += sum_lanes) f(sum, i);
      lanes[lane] = sum;
    }
  });
  reduce<Sum>(block, lanes, sum_lanes, [](Sum a, const Sum& b) {
    a.add(b);
    return a;
  });
  const Sum sum = lanes[0];
  block.sync();
  return sum;
}

// Writes what f(sum, i) adds in each part.
template <class Sum, class Block, class Array, class F>
KANML_DEVICE void write_sums(Block& block, const Array& lanes, const Parts& parts, Sum* sums,
                             const F& f) {
  for (index part = block.number(); part < parts.count; part += block.blocks()) {
    const Sum sum = sum_between<Sum>(block, lanes, parts.first(part), parts.end(part), f);
    block.for_each_thread([&](int thread) {
      if (thread == 0) sums[part] = sum;
    });
  }
}

// Adds up what write_sums wrote in an earlier launch.
template <class Sum, class Block, class Array>
KANML_DEVICE Sum sum_of_parts(Block& block, const Array& lanes, const Parts& parts,
                              const Sum* sums) {
  return sum_between<Sum>(block, lanes, 0, parts.count,
                          [sums](Sum& sum, index part) { sum.add(sums[part]); });
}

// The sums of f(sum, i), for all entries i; F::Sum is what they are.
template <class F>
struct PartSums {
  using Sum = typename F::Sum;

  Parts parts;
  F f;
  Sum* sums;  // (parts.count)
  int blocks;
  int threads;

  template <class Block>
  KANML_DEVICE auto memory(Block& block) const {
    return memory_of_sums<Sum>(block);
  }
  template <class Block>
  KANML_DEVICE void operator()(Block& block) const {
    write_sums(block, memory(block), parts, sums, f);
  }
};

}  // namespace kanml::block
