// How many threads an evaluation uses. Results never depend on it.
#pragma once

namespace kanml {

// The process-wide default: what OMP_NUM_THREADS says, else the processors this process may use,
// cgroup quota included, until set_num_threads changes it. No evaluation starts more than 64
// threads, or one a processor where those are more, and none in a forked process starts any.
int get_num_threads();
void set_num_threads(int threads);  // at least 1

}  // namespace kanml
