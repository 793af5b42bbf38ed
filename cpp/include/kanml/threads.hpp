// The number of threads of an evaluation. Results never depend on it.
#pragma once

namespace kanml {

// The process-wide default. Until set_num_threads changes it, it is the value of OMP_NUM_THREADS,
// or else the number of processors that OpenMP sees. (The package lowers it to the quota of a
// container.) An evaluation uses at most 64 threads, or one for each processor if there are more;
// in a forked process it uses one.
int get_num_threads();
void set_num_threads(int threads);  // at least 1

}  // namespace kanml
