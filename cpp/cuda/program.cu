#include "block/program.hpp"

#include "cuda/launch.cuh"

template void kanml::cuda::launch(const kanml::block::RunProgram<float>&);
template void kanml::cuda::launch(const kanml::block::RunProgram<double>&);
