// The one way in which kanml starts threads.
#pragma once

#include <omp.h>

#include <atomic>
#include <exception>
#include <limits>

#include "kanml/types.hpp"

namespace kanml {

// The size of a team for so many tasks: `requested`, or the default where that is 0; one inside
// another parallel region, and in a child process after fork, where libgomp's threads are gone.
int team_size(int requested, index tasks);

// Calls f(phase, task, thread) for the tasks 0 .. tasks(phase) - 1 of every phase, in one parallel
// region; a phase begins when the one before it is complete. What f throws is carried out: of
// several exceptions in a phase the one of the lowest task, which is the one that a serial run
// meets first.
template <class Tasks, class F>
void parallel_phases(int threads, index phases, const Tasks& tasks, const F& f) {
  if (threads <= 1) {
    for (index phase = 0; phase < phases; ++phase) {
      for (index task = 0; task < tasks(phase); ++task) f(phase, task, 0);
    }
    return;
  }
  std::exception_ptr error;
  // Where the first failure in serial order was. Every thread goes through all phases, since each
  // ends with a barrier; what comes after the failure is skipped.
  constexpr index phase_stride = index{1} << 40;
  std::atomic<index> failed{std::numeric_limits<index>::max()};
#pragma omp parallel num_threads(threads)
  {
    const int thread = omp_get_thread_num();
    for (index phase = 0; phase < phases; ++phase) {
      const index count = tasks(phase);
#pragma omp for schedule(dynamic, 1)
      for (index task = 0; task < count; ++task) {
        const index place = phase * phase_stride + task;
        if (place > failed.load(std::memory_order_relaxed)) continue;
        try {
          f(phase, task, thread);
        } catch (...) {
#pragma omp critical(kanml_parallel_phases)
          if (place < failed.load(std::memory_order_relaxed)) {
            failed.store(place, std::memory_order_relaxed);
            error = std::current_exception();
          }
        }
      }
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
