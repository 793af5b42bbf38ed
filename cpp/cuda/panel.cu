#include "block/panel.hpp"

#include "cuda/launch.cuh"

template void kanml::cuda::launch(const kanml::block::FillPanel<float>&);
template void kanml::cuda::launch(const kanml::block::FillPanel<double>&);
template void kanml::cuda::launch(const kanml::block::ReadTriangle&);
