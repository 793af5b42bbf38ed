#include "cuda/cuda_network.hpp"

template class kanml::BlockNetwork<float, kanml::cuda::CudaDevice>;
