#include "kanml/threads.hpp"

#include <omp.h>
#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <string>

#include "core/parallel.hpp"

namespace kanml {

namespace {

// Processors that the cgroup's quota pays for, or `otherwise` without a quota. OpenMP knows the
// affinity mask, but not this limit of containers.
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

int initial_threads() {
  const int available = omp_get_max_threads();
  if (std::getenv("OMP_NUM_THREADS") != nullptr) return available;
  return std::min(available, cgroup_processors(available));
}

std::atomic<int>& default_threads() {
  static std::atomic<int> threads{initial_threads()};
  return threads;
}

std::atomic<bool> pool_started{false};
std::atomic<bool> orphaned{false};

void after_fork_in_child() {
  if (pool_started.load()) orphaned.store(true);
}

}  // namespace

int get_num_threads() { return default_threads().load(); }

void set_num_threads(int threads) { default_threads().store(std::max(1, threads)); }

int team_size(int requested, index tasks) {
  if (omp_in_parallel() != 0 || orphaned.load()) return 1;
  const int wanted = requested > 0 ? requested : get_num_threads();
  const int team = static_cast<int>(std::clamp<index>(tasks, 1, wanted));
  if (team > 1 && !pool_started.exchange(true)) {
    pthread_atfork(nullptr, nullptr, after_fork_in_child);
  }
  return team;
}

}  // namespace kanml
