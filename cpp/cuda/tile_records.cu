#include "block/tile_records.hpp"

#include "cuda/launch.cuh"

template void kanml::cuda::launch(const kanml::block::AddUpGradients<float>&);
template void kanml::cuda::launch(const kanml::block::AddUpGradients<double>&);
template void kanml::cuda::launch(const kanml::block::AddUpRecords&);
template void kanml::cuda::launch(const kanml::block::FirstRefusal<float>&);
template void kanml::cuda::launch(const kanml::block::FirstRefusal<double>&);
