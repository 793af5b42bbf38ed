// The one way in which kanml starts threads.
#pragma once

#include <omp.h>

#include <atomic>
#include <exception>

#include "kanml/types.hpp"

namespace kanml {

// The size of a team for so many tasks: `requested`, or the default where that is 0; one inside
// another parallel region, and in a child process after fork, where libgomp's threads are gone.
int team_size(int requested, index tasks);

// Calls f(task, thread) for every task. What f throws is carried out: of several exceptions the
// one of the lowest task, which is the one that a serial run meets first.
template <class F>
void parallel_for(int threads, index tasks, F&& f) {
  if (threads <= 1) {
    for (index task = 0; task < tasks; ++task) f(task, 0);
    return;
  }
  std::exception_ptr error;
  std::atomic<index> failed{tasks};
#pragma omp parallel num_threads(threads)
  {
    const int thread = omp_get_thread_num();
#pragma omp for schedule(dynamic, 1)
    for (index task = 0; task < tasks; ++task) {
      if (task > failed.load(std::memory_order_relaxed)) continue;
      try {
        f(task, thread);
      } catch (...) {
#pragma omp critical(kanml_parallel_for)
        if (task < failed.load(std::memory_order_relaxed)) {
          failed.store(task, std::memory_order_relaxed);
          error = std::current_exception();
        }
      }
    }
  }
  if (error) std::rethrow_exception(error);
}

}  // namespace kanml
