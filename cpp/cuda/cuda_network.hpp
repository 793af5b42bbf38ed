// Networks on GPUs. Their programs are compiled by nvcc, each in the file of cpp/cuda that
// instantiates `launch` for it.
#pragma once

#include "core/block/block_network.hpp"
#include "cuda/cuda_device.hpp"

namespace kanml {

extern template class BlockNetwork<float, cuda::CudaDevice>;
extern template class BlockNetwork<double, cuda::CudaDevice>;

}  // namespace kanml
