// Blocks on the host: what programs compute, and which mistakes are found.
#include "block/block.hpp"

#include <cmath>
#include <functional>
#include <type_traits>
#include <vector>

#include "block/reduction.hpp"
#include "check.hpp"
#include "inputs.hpp"

using kanml::index;
namespace block = kanml::block;

namespace {

// A program with one array of shared memory, `numbers`, one for each thread.
template <class F>
struct Small {
  F run;
  int blocks = 3;
  int threads = 40;

  auto memory(auto& from) const { return from.template shared<double>("numbers", threads); }
  void operator()(auto& block) const { run(block, memory(block)); }
};
template <class F>
Small(F) -> Small<F>;

template <bool Checked = true, class F>
void run(const F& f) {
  block::run_on_host<Checked>(Small{f});
}

// Each thread writes its number, and reads that of another.
template <bool barrier>
constexpr auto mirror = [](std::vector<double>& out) {
  return [&out](auto& block, const auto& numbers) {
    block.for_each_thread([&](int thread) { numbers[thread] = 100 * block.number() + thread; });
    if (barrier) block.sync();
    block.phase([&](int thread) {
      const int place = block.number() * block.threads() + thread;
      out[static_cast<std::size_t>(place)] = numbers[block.threads() - 1 - thread];
    });
  };
};

// The sum of numbers, by the threads of each block.
std::vector<double> sums(const std::vector<double>& numbers, bool checked) {
  std::vector<double> found;
  const auto program = [&](auto& block, const auto& partial) {
    const int n = static_cast<int>(numbers.size());
    typename std::decay_t<decltype(block)>::template PerThread<double, 1> sum(block);
    block.for_each_thread([&](int thread) {
      sum[thread][0] = 0.0;
      for (int i = thread; i < n; i += block.threads()) {
        sum[thread][0] += numbers[static_cast<std::size_t>(i)];
      }
    });
    block.phase([&](int thread) { partial[thread] = sum[thread][0]; });
    block::reduce<double>(block, partial, block.threads(), std::plus{});
    found.push_back(partial[0]);
  };
  checked ? run<true>(program) : run<false>(program);
  return found;
}

}  // namespace

TEST(blocks_run_all_threads_between_barriers) {
  for (const bool checked : {false, true}) {
    std::vector<double> out(120);
    checked ? run<true>(mirror<true>(out)) : run<false>(mirror<true>(out));
    for (int number = 0; number < 3; ++number) {
      for (int thread = 0; thread < 40; ++thread) {
        CHECK_EQUAL(out[static_cast<std::size_t>(40 * number + thread)],
                    100 * number + 39 - thread);
      }
    }
  }
}

TEST(a_missing_barrier_is_found) {
  std::vector<double> out(120);
  CHECK_THROWS(run(mirror<false>(out)), block::SharedMemoryError,
               "numbers[39] is written by thread 39 and read by thread 0 in phase 0");
}

TEST(two_writers_of_a_word_are_found) {
  const auto program = [](auto& block, const auto& numbers) {
    block.phase([&](int thread) { numbers[thread / 2] = 1.0; });
  };
  CHECK_THROWS(run(program), block::SharedMemoryError,
               "numbers[0] is written by thread 0 and written by thread 1 in phase 0");
}

TEST(a_reader_after_a_writer_is_found) {
  const auto program = [](auto& block, const auto& numbers) {
    block.phase([&](int thread) { numbers[thread] = 1.0; });
    block.phase([&](int thread) {
      if (thread > 0) numbers[thread] += numbers[thread - 1];
    });
  };
  CHECK_THROWS(run(program), block::SharedMemoryError,
               "numbers[1] is written by thread 1 and read by thread 2 in phase 1");
}

TEST(a_writer_after_several_readers_is_found) {
  // The last reader is the writer, so that one record of a reader would not do.
  const auto program = [](auto& block, const auto& numbers) {
    block.phase([&](int thread) { numbers[thread] = 1.0; });
    block.phase([&](int thread) {
      const double first = numbers[0];
      if (thread == 39) numbers[0] = 2.0 * first;
    });
  };
  CHECK_THROWS(run(program), block::SharedMemoryError,
               "numbers[0] is read by several threads and written by thread 39 in phase 1");
}

TEST(what_all_threads_read_no_thread_writes) {
  const auto program = [](auto& block, const auto& numbers) {
    block.phase([&](int thread) { numbers[thread] = 1.0; });
    const double first = numbers[0];
    block.phase([&](int thread) { numbers[thread] = first; });
  };
  CHECK_THROWS(run(program), block::SharedMemoryError, "all threads");
}

TEST(words_that_do_not_exist_or_hold_nothing_are_found) {
  CHECK_THROWS(run([](auto& block, const auto& numbers) {
                 block.phase([&](int thread) { numbers[thread + 1] = 1.0; });
               }),
               block::SharedMemoryError, "numbers[40] does not exist");
  CHECK_THROWS(run([](auto& block, const auto& numbers) {
                 block.phase([&](int thread) { numbers[thread] += 1.0; });
               }),
               block::SharedMemoryError, "numbers[0] is read before it is written");
  CHECK_THROWS(run([](auto&, const auto& numbers) { numbers[0] = 1.0; }), block::SharedMemoryError,
               "is written by all threads");
  CHECK_THROWS(run([](auto& block, const auto&) {
                 static_cast<void>(block.template shared<float>("more", 1));
               }),
               block::SharedMemoryError, "more does not fit");
}

TEST(registers_belong_to_one_thread) {
  const auto program = [](auto& block, const auto&) {
    typename std::decay_t<decltype(block)>::template PerThread<int, 2> registers(block);
    block.phase([&](int thread) { registers[thread][1] = thread; });
    block.phase([&](int thread) { registers[0][1] = thread; });
  };
  CHECK_THROWS(run(program), block::SharedMemoryError, "registers of another");
}

TEST(sums_have_the_same_bits_in_every_run) {
  const auto numbers = inputs::random(1001);
  long double expected = 0.0;
  for (const double number : numbers) expected += number;
  const auto found = sums(numbers, false);
  CHECK_EQUAL(found.size(), std::size_t{3});
  CHECK_NEAR(found[0], static_cast<double>(expected), 1e-13);
  CHECK(found == std::vector<double>(3, found[0]));
  CHECK(found == sums(numbers, false));
  CHECK(found == sums(numbers, true));
}

TEST(reductions_take_any_number_of_values) {
  for (int count = 1; count <= 40; ++count) {
    const auto program = [&](auto& block, const auto& numbers) {
      block.phase([&](int thread) { numbers[thread] = std::ldexp(1.0, thread); });
      block::reduce<double>(block, numbers, count, std::plus{});
      const double sum = numbers[0];
      CHECK_EQUAL(sum, std::ldexp(1.0, count) - 1.0);
    };
    run(program);
  }
}
