// Launches of programs that do something with each entry of arrays.
#pragma once

#include <algorithm>

#include "block/entries.hpp"

namespace kanml {

// A block for each piece of work, if there are not too many. D is a device with limits().
template <class D>
int blocks_for(const D& device, index pieces) {
  return static_cast<int>(std::clamp<index>(pieces, 1, device.limits().blocks));
}
template <class D>
int blocks_for_entries(const D& device, index n) {
  const int threads = device.limits().team.threads();
  return blocks_for(device, (n + threads - 1) / threads);
}

// f(i) for 0 <= i < n; D also launches programs.
template <class D, class F>
void for_each(D& device, index n, const F& f) {
  const int threads = device.limits().team.threads();
  device.launch(block::ForEach<F>{n, f, blocks_for_entries(device, n), threads});
}

}  // namespace kanml
