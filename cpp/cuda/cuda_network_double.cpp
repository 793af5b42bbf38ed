#include "cuda/cuda_network.hpp"

template class kanml::BlockNetwork<double, kanml::cuda::CudaDevice>;
