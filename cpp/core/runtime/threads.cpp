#include "kanml/threads.hpp"

#include <omp.h>
#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include "core/runtime/parallel.hpp"

namespace kanml {

namespace {

// The number of processors within the cgroup's quota, or `otherwise` without a quota. OpenMP
// respects the affinity mask, but not this limit of containers.
int cgroup_processors(int otherwise) {
  double quota = -1.0;
  double period = -1.0;
  if (std::ifstream v2("/sys/fs/cgroup/cpu.max"); v2) {
    std::string text;
    if (v2 >> text >> period && text != "max") quota = std::atof(text.c_str());
  } else {
    std::ifstream("/sys/fs/cgroup/cpu/cpu.cfs_quota_us") >> quota;
    std::ifstream("/sys/fs/cgroup/cpu/cpu.cfs_period_us") >> period;
  }
  if (!(quota > 0.0 && period > 0.0)) return otherwise;
  return std::max(1, static_cast<int>(std::ceil(quota / period)));
}

// Whether this process was forked and has not executed another program since. Linux reports it in
// the ninth field of this file; the second, the name of the program, may contain anything.
bool is_forked() {
  constexpr unsigned long fork_without_exec = 0x40;  // PF_FORKNOEXEC
  std::string text;
  std::getline(std::ifstream("/proc/self/stat"), text, '\0');
  std::istringstream fields(text.substr(text.rfind(')') + 1));
  std::string skipped;
  for (int field = 3; field < 9; ++field) fields >> skipped;
  unsigned long flags = 0;
  fields >> flags;
  return (flags & fork_without_exec) != 0;
}

int initial_threads() {
  // LLVM's runtime returns an arbitrary number if OMP_NUM_THREADS is not a number.
  const int available = std::max(1, omp_get_max_threads());
  if (std::getenv("OMP_NUM_THREADS") != nullptr) return available;
  return std::min(available, cgroup_processors(available));
}

// GCC's OpenMP runtime keeps its threads for the next region and shares them with all its users in
// the process. A forked child has none of them, and starting a region would wait for them forever.
// Whether there were any cannot be known, so a child starts none, even if it was forked before this
// library was loaded.
std::atomic<bool> forked{is_forked()};
[[maybe_unused]] const int watch = pthread_atfork(nullptr, nullptr, [] { forked.store(true); });

// If threads cannot be created, the runtime ends the process. More threads than processors gain
// nothing; up to 64 are allowed everywhere, so that runs on a large machine can be tried on a small
// one.
const int most_threads = std::max(64, omp_get_num_procs());

std::atomic<int> default_threads{initial_threads()};

}  // namespace

int get_num_threads() { return default_threads.load(); }

void set_num_threads(int threads) { default_threads.store(std::max(1, threads)); }

int team_size(int requested, index tasks) {
  if (omp_in_parallel() != 0 || forked.load()) return 1;
  const int wanted = std::min(requested > 0 ? requested : get_num_threads(), most_threads);
  return static_cast<int>(std::clamp<index>(tasks, 1, wanted));
}

}  // namespace kanml
