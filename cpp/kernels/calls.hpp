// What kernels are called with. Types alone, which all instruction sets share.
//
// A *tile* is some samples in a row, at most tile_size where there are directions. A *plane* holds
// one Taylor coefficient of all features of a tile, (samples, features) in C order.
#pragma once

#include "kanml/types.hpp"

namespace kanml::kernels {

inline constexpr int tile_size = 64;

// Plane 0 holds values, which all directions share; direction d has the coefficients of orders
// 1 .. orders[d] in the planes from planes[d] on.
struct Directions {
  int count = 0;
  const int* orders = nullptr;  // (count): 1 .. max_taylor_order
  const int* planes = nullptr;  // (count)
  int n_planes = 1;
};

// Inputs first .. last - 1: those of which a backward kernel makes both gradients. The others stay
// as they are.
struct InputRange {
  index first;
  index last;
};

// The first input of a tile, in the order of evaluation, that a layer refuses.
struct Refusal {
  int sample = -1;  // -1: none
  index input = 0;
};

// Where the cotangents of parameters go. The sink of gradients: they are summed.
template <class T>
struct Sum {
  T* gradient;         // of the layer's parameters
  bool fresh = false;  // nothing is there yet: the first to come writes instead of adding

  Sum from(index parameter) const { return {gradient + parameter, fresh}; }
};

// Memory of a layer that outlives a kernel. `kept` is null, or memory where a forward pass without
// directions leaves what the backward pass of the same tile would compute again. `scratch` begins
// with a cache line.
struct Memory {
  void* kept = nullptr;
  void* scratch = nullptr;
};

template <class T>
struct ForwardCall {
  int samples;
  Directions directions;
  const T* const* x;           // planes (samples, n_in)
  const T* parameters;         // of the layer
  const T* parameter_tangent;  // null, or a direction in parameter space, which joins plane 1
  T* const* y;                 // planes (samples, n_out), written
  Memory memory;
};

template <class T>
struct BackwardCall {
  int samples;
  Directions directions;
  InputRange inputs;
  const T* const* x;            // planes (samples, n_in)
  const T* parameters;          // of the layer
  const T* const* y_cotangent;  // planes (samples, n_out)
  Sum<T> sink;
  T* const* x_cotangent;  // planes (samples, n_in), written; or null
  Memory memory;
};

// Values alone, of any number of samples.
template <class T>
struct ValuesCall {
  int samples;
  const T* x;           // (samples, n_in)
  const T* parameters;  // of the layer
  T* y;                 // (samples, n_out), written
  void* scratch;
};

template <class T>
struct ValuesBackCall {
  int samples;
  InputRange inputs;
  const T* x;            // (samples, n_in)
  const T* parameters;   // of the layer
  const T* y_cotangent;  // (samples, n_out)
  Sum<T> sink;
  T* x_cotangent;  // (samples, n_in), written; or null
  void* scratch;
};

}  // namespace kanml::kernels
