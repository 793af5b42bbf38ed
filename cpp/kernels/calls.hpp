// The arguments of kernels. These are types only, which all instruction sets share.
//
// A *tile* is a number of consecutive samples, at most tile_size if there are directions. A *plane*
// holds one Taylor coefficient of all features of a tile, (samples, features) in C order.
#pragma once

#include <span>

#include "kanml/program.hpp"
#include "kanml/types.hpp"

namespace kanml::kernels {

inline constexpr int tile_size = 64;

// Plane 0 holds values, which all directions share. The coefficients of orders 1 .. orders[d] of
// direction d are in the planes from planes[d] on.
struct Directions {
  int count = 0;
  const int* orders = nullptr;  // (count): 1 .. max_taylor_order
  const int* planes = nullptr;  // (count)
  int n_planes = 1;
};

// The inputs first .. last - 1, for which a backward kernel computes both gradients. Those of the
// others do not change.
struct InputRange {
  index first;
  index last;
};

// The first input of a tile that a layer refuses, in the order of evaluation.
struct Refusal {
  int sample = -1;  // -1: none
  index input = 0;
};

// What becomes of the cotangents of parameters. They are added to a gradient: to one that all
// samples share, or to one of each sample, a row of a Jacobian. Or else those of each sample are
// multiplied by a direction in parameter space, and no gradient is formed.
template <class T>
struct Sink {
  T* gradient = nullptr;         // of the layer's parameters: that of sample 0
  index stride = 0;              // from the gradient of one sample to that of the next; 0: one sum
  const T* direction = nullptr;  // of the layer's parameters, or null
  T* products = nullptr;         // (samples): where products with the direction are added
  T* contributions = nullptr;    // scratch memory for them: TileLayer::contributions()

  // The same for the parameters from one of them on.
  Sink from(index parameter) const {
    Sink rest = *this;
    if (direction == nullptr) {
      rest.gradient += parameter;
    } else {
      rest.direction += parameter;
    }
    return rest;
  }
};

// The gradient in which values of any number of samples are summed.
template <class T>
struct Sum {
  T* gradient;         // of the layer's parameters
  bool fresh = false;  // holds nothing yet: write instead of adding

  Sum from(index parameter) const { return {gradient + parameter, fresh}; }
};

// Memory of a layer that outlives a kernel. `kept` is null, or memory in which a forward pass
// leaves what the backward pass of the same tile and directions would otherwise compute again. Both
// are aligned to a cache line.
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
  const T* parameter_tangent;  // null, or a direction in parameter space, which adds to plane 1
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
  Sink<T> sink;
  T* const* x_cotangent;  // planes (samples, n_in), written; or null
  Memory memory;
};

// Only values, of any number of samples.
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

// The instructions of a program on the samples of a tile.
template <class T>
struct ProgramCall {
  int samples;
  std::span<const Instruction> instructions;
  T* const* registers;  // tile_size numbers each; those beyond `samples` are arbitrary
};

}  // namespace kanml::kernels
