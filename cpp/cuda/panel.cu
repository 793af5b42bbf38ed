#include "block/panel.hpp"

#include "block/entries.hpp"

#include "cuda/launch.cuh"

template void kanml::cuda::launch(const kanml::block::ForEach<kanml::block::FillPanel<float>>&);
template void kanml::cuda::launch(const kanml::block::ForEach<kanml::block::FillPanel<double>>&);
template void kanml::cuda::launch(const kanml::block::ForEach<kanml::block::ReadTriangle>&);
