// Rates printed beside the times.
#pragma once

#include <benchmark/benchmark.h>

namespace bench {

// Multiply-adds of one iteration; each is two operations. Printed as "flop=12.3G/s".
inline void count_multiply_adds(benchmark::State& state, double multiply_adds) {
  state.counters["flop"] =
      benchmark::Counter(2.0 * multiply_adds, benchmark::Counter::kIsIterationInvariantRate);
}

// Points or vector entries of one iteration.
inline void count_items(benchmark::State& state, double items) {
  state.counters["items"] =
      benchmark::Counter(items, benchmark::Counter::kIsIterationInvariantRate);
}

}  // namespace bench
