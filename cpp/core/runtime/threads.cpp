#include "kanml/threads.hpp"

#include <omp.h>

#include <algorithm>
#include <atomic>

#include "core/runtime/forks.hpp"
#include "core/runtime/parallel.hpp"

namespace kanml {

namespace {

// If threads cannot be created, the runtime ends the process. More threads than processors gain
// nothing; up to 64 are allowed everywhere, so that runs on a large machine can be tried on a small
// one.
const int most_threads = std::max(64, omp_get_num_procs());

// LLVM's runtime returns an arbitrary number if OMP_NUM_THREADS is not a number.
std::atomic<int> default_threads{std::max(1, omp_get_max_threads())};

}  // namespace

int get_num_threads() { return default_threads.load(); }

void set_num_threads(int threads) { default_threads.store(std::max(1, threads)); }

// GCC's OpenMP runtime keeps its threads for the next region and shares them with all its users in
// the process. A forked child has none of them, and starting a region would wait for them forever.
// Whether there were any cannot be known, so a child starts none, even if it was forked before this
// library was loaded.
int team_size(int requested, index tasks) {
  if (omp_in_parallel() != 0 || in_forked_process()) return 1;
  const int wanted = std::min(requested > 0 ? requested : get_num_threads(), most_threads);
  return static_cast<int>(std::clamp<index>(tasks, 1, wanted));
}

}  // namespace kanml
