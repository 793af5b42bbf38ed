// The definition of launch. Only the files that instantiate it include this header.
#pragma once

#include "cuda/device_block.hpp"
#include "cuda/launch.hpp"
#include "cuda/status.cuh"

namespace kanml::cuda {

extern __shared__ __align__(16) char shared_memory[];

template <class Program>
__global__ void __launch_bounds__(most_threads, 1) run(const __grid_constant__ Program program) {
  DeviceBlock block(shared_memory);
  program(block);
}

template <class Program>
void launch(const Program& program) {
  const std::size_t bytes = block::shared_bytes_of(program);
  // Always the most that there is: another thread may launch the same kernel.
  int device = 0;
  int most = 0;
  require(cudaGetDevice(&device));
  require(cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin, device));
  require(cudaFuncSetAttribute(run<Program>, cudaFuncAttributeMaxDynamicSharedMemorySize, most));
  run<Program>
      <<<static_cast<unsigned>(program.blocks), static_cast<unsigned>(program.threads), bytes>>>(
          program);
  require(cudaGetLastError());
}

// Calls f(type, order) for each scalar type and Taylor order.
#define KANML_FOR_EACH_ORDER(f, T) f(T, 0) f(T, 1) f(T, 2) f(T, 3) f(T, 4)
#define KANML_FOR_EACH_TYPE_AND_ORDER(f) \
  KANML_FOR_EACH_ORDER(f, float) KANML_FOR_EACH_ORDER(f, double)
static_assert(max_taylor_order == 4);

}  // namespace kanml::cuda
