// The only way in which kanml starts threads.
#pragma once

#include <omp.h>

#include <atomic>
#include <exception>
#include <limits>
#include <vector>

#include "kanml/types.hpp"

namespace kanml {

// The number of threads for a number of tasks: `requested`, or the default if that is 0, but at
// most 64 or the number of processors. It is 1 inside another parallel region and in a forked
// process.
int team_size(int requested, index tasks);
// The same for tasks that take `work` multiply-adds together: a few do not pay for waking threads.
inline int team_size(int requested, index tasks, index work) {
  constexpr index serial_work = 50'000;
  return work < serial_work ? 1 : team_size(requested, tasks);
}

// Calls f(phase, task, thread) for the tasks 0 .. tasks(phase) - 1 of every phase, in one parallel
// region; a phase begins when the previous one is complete. Exceptions of f are rethrown: of
// several in a phase the one of the lowest task, which a serial run would meet first.
template <class Tasks, class F>
void parallel_phases(int threads, index phases, const Tasks& tasks, const F& f) {
  if (threads <= 1) {
    for (index phase = 0; phase < phases; ++phase) {
      for (index task = 0; task < tasks(phase); ++task) f(phase, task, 0);
    }
    return;
  }
  std::exception_ptr error;
  // The first failure in serial order. Every thread goes through all phases, since each ends with a
  // barrier, but tasks after the failure are skipped.
  constexpr index phase_stride = index{1} << 40;
  std::atomic<index> failed{std::numeric_limits<index>::max()};
  const auto run = [&](index phase, index task, int thread) {
    const index place = phase * phase_stride + task;
    if (place > failed.load(std::memory_order_relaxed)) return;
    try {
      f(phase, task, thread);
    } catch (...) {
#pragma omp critical(kanml_parallel_phases)
      if (place < failed.load(std::memory_order_relaxed)) {
        failed.store(place, std::memory_order_relaxed);
        error = std::current_exception();
      }
    }
  };
  // Each thread has a range of tasks, the same in every evaluation, whose data it finds in its
  // cache; when they are done it helps the others. A phase counts in one half of the counters and
  // clears the other.
  struct alignas(64) Counter {
    std::atomic<index> taken{0};
  };
  std::vector<Counter> counters(2 * static_cast<std::size_t>(threads));
#pragma omp parallel num_threads(threads)
  {
    const int thread = omp_get_thread_num();
    for (index phase = 0; phase < phases; ++phase) {
      const index count = tasks(phase);
      const auto counter = [&](index of_phase, int range) -> std::atomic<index>& {
        return counters[static_cast<std::size_t>(of_phase % 2 * threads + range)].taken;
      };
      for (int range = 0; thread == 0 && range < threads; ++range) {
        counter(phase + 1, range).store(0, std::memory_order_relaxed);
      }
      for (int r = 0; r < threads; ++r) {
        const int range = (thread + r) % threads;
        const index end = (range + 1) * count / threads;
        index task;
        while ((task = range * count / threads +
                       counter(phase, range).fetch_add(1, std::memory_order_relaxed)) < end) {
          run(phase, task, thread);
        }
      }
#pragma omp barrier
    }
  }
  if (error) std::rethrow_exception(error);
}

// Calls f(task, thread) for every task.
template <class F>
void parallel_for(int threads, index tasks, const F& f) {
  parallel_phases(
      threads, 1, [&](index) { return tasks; },
      [&](index, index task, int thread) { f(task, thread); });
}

}  // namespace kanml
