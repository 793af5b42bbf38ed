#include "block/gradient.hpp"
#include "block/terms.hpp"
#include "cuda/launch.cuh"

#define KANML_INSTANTIATE(T, order)  \
  template void kanml::cuda::launch( \
      const kanml::block::Gradient<T, order, kanml::block::TermLosses<T>>&);
KANML_FOR_EACH_TYPE_AND_ORDER(KANML_INSTANTIATE)
