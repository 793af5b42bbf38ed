// Functions that run on processors and on GPUs are marked with KANML_DEVICE, which says so to nvcc.
#pragma once

#ifdef __CUDACC__
#define KANML_DEVICE __host__ __device__
#else
#define KANML_DEVICE
#endif
