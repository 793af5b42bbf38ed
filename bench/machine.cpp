#include "machine.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "kanml/instruction_set.hpp"
#include "machine_loops.hpp"

// The instruction sets, as bench/CMakeLists.txt has them.
#if defined(__x86_64__)
#define BENCH_FOR_EACH_TARGET(f) f(v2) f(v3) f(v4)
#else
#define BENCH_FOR_EACH_TARGET(f) f(portable)
#endif

namespace bench {

#define BENCH_DECLARE_LOOPS(target)        \
  namespace target {                       \
  extern const MachineLoops machine_loops; \
  }
BENCH_FOR_EACH_TARGET(BENCH_DECLARE_LOOPS)

namespace {

// Of the set in use.
const MachineLoops& loops_in_use() {
  const auto set = kanml::instruction_set();
#define BENCH_RETURN_LOOPS(target) \
  if (set.ends_with(#target)) return target::machine_loops;
  BENCH_FOR_EACH_TARGET(BENCH_RETURN_LOOPS)
  throw std::runtime_error("no measuring loops for " + std::string(set));
}

template <class Work>
double best_seconds(const Work& work, std::int64_t amount) {
  using clock = std::chrono::steady_clock;
  double best = std::numeric_limits<double>::infinity();
  for (int run = 0; run < 7; ++run) {
    const auto start = clock::now();
    work(amount);
    best = std::min(best, std::chrono::duration<double>(clock::now() - start).count());
  }
  return best;
}

// Units of work a second. Twice the work must take about twice the time; a busy machine gets
// several tries to show it.
template <class Work>
double rate(const Work& work, std::int64_t amount) {
  for (int attempt = 0; attempt < 10; ++attempt) {
    const double once = best_seconds(work, amount);
    const double twice = best_seconds(work, 2 * amount);
    if (twice > 1.5 * once && twice < 3 * once) return 2 * static_cast<double>(amount) / twice;
  }
  throw std::runtime_error("a measuring loop does not take longer for more work");
}

template <class T>
double flops(const MultiplyAddLoop<T>& loop) {
  const auto work = [&](std::int64_t steps) {
    if (loop.run(steps) != static_cast<T>(2 * loop.lanes)) {
      throw std::runtime_error("the multiply-add loop gave a wrong result");
    }
  };
  return rate(work, 500'000) * 2 * static_cast<double>(loop.lanes);
}

double loads(const MachineLoops& loops, std::size_t bytes) {
  struct alignas(64) Block {
    std::array<double, numbers_a_block> numbers;
  };
  Block ones;
  ones.numbers.fill(1.0);
  const std::vector<Block> buffer(bytes / sizeof ones, ones);
  const std::size_t numbers = buffer.size() * numbers_a_block;
  const auto work = [&](std::int64_t passes) {
    const double sum = loops.sum(buffer.front().numbers.data(), numbers, passes);
    if (sum != static_cast<double>(numbers) * static_cast<double>(passes)) {
      throw std::runtime_error("the load loop gave a wrong result");
    }
  };
  const auto passes = static_cast<std::int64_t>(std::max<std::size_t>(1, (64U << 20) / bytes));
  return rate(work, passes) * static_cast<double>(numbers * sizeof(double));
}

}  // namespace

Machine measure_machine() {
  const MachineLoops& loops = loops_in_use();
  return {.float_flops = flops(loops.float_multiply_add),
          .double_flops = flops(loops.double_multiply_add),
          .l1_loads = loads(loops, 16U << 10),
          .l2_loads = loads(loops, 256U << 10),
          .memory_loads = loads(loops, 256U << 20)};
}

}  // namespace bench
