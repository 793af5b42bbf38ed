// What functions of CUDA return.
#pragma once

#include <stdexcept>
#include <string>

namespace kanml::cuda {

// Throws std::runtime_error unless a call succeeded.
inline void require(cudaError_t status) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // so that no later call returns it
  throw std::runtime_error(std::string("CUDA: ") + cudaGetErrorString(status));
}

}  // namespace kanml::cuda
