// The kernels as one table of functions a scalar type: the only place where run-time choices
// (degree, Taylor order, activation) become template parameters.
//
// A kernel works on one tile of at most tile_size samples. A *plane* holds one Taylor coefficient
// of all features of the tile, (samples, features) in C order. Forward kernels write y; backward
// kernels add to the parameter gradient and write the input cotangent, unless it is null.
// Wide kernels take the values of any number of samples, without directions.
#pragma once

#include <array>
#include <cstddef>

#include "kanml/types.hpp"
#include "point/space_view.hpp"

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

template <class T>
struct SplineLayerView {
  index n_in;
  index n_out;
  const point::SpaceView<T>* spaces;  // (n_in)
  const index* rows;                  // (n_in): first coefficient row of each input
  index most_intervals;               // of all spaces
  Extrapolation extrapolation;
};

template <class T>
struct LinearLayerView {
  index n_in;
  index n_out;
  bool bias;
};

template <class T>
struct EmbeddingLayerView {
  index n_in;
  index n_out;
  const index* inputs;      // (n_out)
  const Feature* features;  // (n_out)
  const T* frequencies;     // (n_out)
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

// parameter_tangent is null, or a direction in parameter space whose derivative joins plane 1.
// `kept` is null, or memory of kept_bytes where a forward pass without directions leaves its bases
// for the backward pass of the same tile. `scratch` has room for (n_planes, n_in, tile_size) and
// begins with a cache line.
using KeptBytes = index (*)(index n_in);
template <class T>
using SplineForward = Refusal (*)(const SplineLayerView<T>& layer, int samples,
                                  const Directions& directions,
                                  const T* const* x,           // planes (samples, n_in)
                                  const T* parameters,         // (rows, n_out)
                                  const T* parameter_tangent,  // (rows, n_out) or null
                                  T* const* y,                 // planes (samples, n_out) out
                                  void* kept, T* scratch);
template <class T>
using SplineBackward = Refusal (*)(const SplineLayerView<T>& layer, int samples,
                                   const Directions& directions, InputRange inputs,
                                   const T* const* x, const T* parameters,
                                   const T* const* y_cotangent,  // planes (samples, n_out)
                                   T* parameter_gradient,        // (rows, n_out), added to
                                   T* const* x_cotangent,  // planes (samples, n_in) out, or null
                                   void* kept, T* scratch);

// Scratch memory for a number of samples, the same for both kernels. It begins with a cache line.
template <class T>
using WideScratchBytes = index (*)(const SplineLayerView<T>& layer, int samples);
template <class T>
using WideForward = Refusal (*)(const SplineLayerView<T>& layer, int samples,
                                const T* x,           // (samples, n_in)
                                const T* parameters,  // (rows, n_out)
                                T* y,                 // (samples, n_out) out
                                void* scratch);
template <class T>
using WideBackward = Refusal (*)(const SplineLayerView<T>& layer, InputRange inputs, int samples,
                                 const T* x, const T* parameters,
                                 const T* y_cotangent,   // (samples, n_out)
                                 T* parameter_gradient,  // (rows, n_out)
                                 bool fresh,             // written, not added to
                                 T* x_cotangent,         // (samples, n_in) out, or null
                                 void* scratch);

template <class T>
using LinearForward = void (*)(const LinearLayerView<T>& layer, int samples,
                               const Directions& directions, const T* const* x,
                               const T* parameters,         // (n_in, n_out), then bias (n_out)
                               const T* parameter_tangent,  // the same, or null
                               T* const* y);
template <class T>
using LinearBackward = void (*)(const LinearLayerView<T>& layer, int samples,
                                const Directions& directions, InputRange inputs, const T* const* x,
                                const T* parameters, const T* const* y_cotangent,
                                T* parameter_gradient, T* const* x_cotangent);

template <class T>
using ActivationForward = void (*)(index entries, const Directions& directions, const T* const* x,
                                   T* const* y);
template <class T>
using ActivationBackward = void (*)(index entries, const Directions& directions, const T* const* x,
                                    const T* const* y_cotangent, T* const* x_cotangent);

template <class T>
using EmbeddingForward = void (*)(const EmbeddingLayerView<T>& layer, int samples,
                                  const Directions& directions, const T* const* x, T* const* y);
template <class T>
using EmbeddingBackward = void (*)(const EmbeddingLayerView<T>& layer, int samples,
                                   const Directions& directions, const T* const* x,
                                   const T* const* y_cotangent, T* const* x_cotangent);

inline constexpr std::size_t n_degrees = max_degree - min_degree + 1;
inline constexpr std::size_t n_activations = 5;
inline constexpr std::size_t n_orders = max_taylor_order + 1;

// The index of an order is the highest one among the directions, 0 without directions; it is at
// most the degree.
template <class T>
struct Table {
  std::array<std::array<SplineForward<T>, n_orders>, n_degrees> spline_forward;
  std::array<std::array<SplineBackward<T>, n_orders>, n_degrees> spline_backward;
  std::array<KeptBytes, n_degrees> kept_bytes;
  std::array<WideScratchBytes<T>, n_degrees> wide_scratch_bytes;
  std::array<WideForward<T>, n_degrees> wide_forward;
  std::array<WideBackward<T>, n_degrees> wide_backward;
  std::array<std::array<ActivationForward<T>, n_orders>, n_activations> activation_forward;
  std::array<std::array<ActivationBackward<T>, n_orders>, n_activations> activation_backward;
  std::array<EmbeddingForward<T>, n_orders> embedding_forward;
  std::array<EmbeddingBackward<T>, n_orders> embedding_backward;
  LinearForward<T> linear_forward;
  LinearBackward<T> linear_backward;
};

}  // namespace kanml::kernels
