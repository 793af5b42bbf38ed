#include "block/vectors.hpp"

#include "block/symmetric.hpp"
#include "block/two_loop.hpp"
#include "cuda/launch.cuh"

#define KANML_INSTANTIATE(...) template void kanml::cuda::launch(const kanml::block::__VA_ARGS__&);
#define KANML_FOR_EACH(T)                                             \
  KANML_INSTANTIATE(PartSums<kanml::block::Dot<T>>)                   \
  KANML_INSTANTIATE(PartSums<kanml::block::MaxAbs<T>>)                \
  KANML_INSTANTIATE(PartSums<kanml::block::ProductsOfPair<T>>)        \
  KANML_INSTANTIATE(PartSums<kanml::block::NotPositive<T>>)           \
  KANML_INSTANTIATE(ForEach<kanml::block::Fill<T>>)                   \
  KANML_INSTANTIATE(ForEach<kanml::block::Scaled<T>>)                 \
  KANML_INSTANTIATE(ForEach<kanml::block::Axpy<T>>)                   \
  KANML_INSTANTIATE(ForEach<kanml::block::PlusProduct<T>>)            \
  KANML_INSTANTIATE(ForEach<kanml::block::Quotient<T>>)               \
  KANML_INSTANTIATE(ForEach<kanml::block::AdamDirection<T>>)          \
  KANML_INSTANTIATE(ForEach<kanml::block::Diagonal<T>>)               \
  KANML_INSTANTIATE(ForEach<kanml::block::AddUpTiles<T>>)             \
  KANML_INSTANTIATE(ForTriangle<kanml::block::MultipleOfIdentity<T>>) \
  KANML_INSTANTIATE(ForTriangle<kanml::block::SymmetricUpdate<T>>)    \
  KANML_INSTANTIATE(TwoLoopStep<T>)                                   \
  KANML_INSTANTIATE(UpdateDiagonal<T>)                                \
  KANML_INSTANTIATE(TileProducts<T>)
KANML_FOR_EACH(float)
KANML_FOR_EACH(double)
