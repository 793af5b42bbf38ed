// Programs that do something with each entry of vectors. A thread owns an entry.
#pragma once

#include "kanml/types.hpp"
#include "point/device.hpp"

namespace kanml::block {

// Calls f(i) for 0 <= i < n, each in a thread of some block; neighbours in neighbouring threads.
template <class Block, class F>
KANML_DEVICE void for_entries(Block& block, index n, const F& f) {
  block.for_each_thread([&](int thread) {
    const index all = index{block.blocks()} * block.threads();
    for (index i = index{block.number()} * block.threads() + thread; i < n; i += all) f(i);
  });
}

template <class F>
struct ForEach {
  index n;
  F f;
  int blocks;
  int threads;

  template <class Block>
  KANML_DEVICE int memory(Block& /*block*/) const {
    return 0;
  }
  template <class Block>
  KANML_DEVICE void operator()(Block& block) const {
    for_entries(block, n, f);
  }
};

}  // namespace kanml::block
