// The kernels as one table of functions for each scalar type: the only place where run-time choices
// (degree, Taylor order, activation) become template parameters.
#pragma once

#include <array>

#include "kanml/types.hpp"
#include "kernels/calls.hpp"
#include "point/space_view.hpp"

namespace kanml::kernels {

// The data of layers that kernels need.

template <class T>
struct SplineView {
  index n_in;
  index n_out;
  const point::SpaceView<T>* spaces;  // (n_in)
  const index* rows;                  // (n_in): first coefficient row of each input
  index most_intervals;               // of all spaces
  Extrapolation extrapolation;
};

struct DenseView {
  index n_in;
  index n_out;
  bool bias;
};

struct ElementwiseView {
  index width;
};

template <class T>
struct EmbeddingView {
  index n_in;
  index n_out;
  const index* inputs;      // (n_out)
  const Feature* features;  // (n_out)
  const T* frequencies;     // (n_out)
};

template <class View, class T>
using Forward = Refusal (*)(const View& layer, const ForwardCall<T>& call);
template <class View, class T>
using Backward = Refusal (*)(const View& layer, const BackwardCall<T>& call);

template <class F>
using PerDegree = std::array<F, max_degree - min_degree + 1>;
template <class F>
using PerActivation = std::array<F, n_activations>;
// The highest order among the directions, 0 without directions.
template <class F>
using PerOrder = std::array<F, max_taylor_order + 1>;

// Splines of one degree. Orders above the degree are never requested.
template <class T>
struct SplineKernels {
  PerOrder<Forward<SplineView<T>, T>> forward;
  PerOrder<Backward<SplineView<T>, T>> backward;
  PerOrder<index (*)(index n_in, const Directions& directions)> kept_bytes;
  index (*scratch_bytes)(index n_in, int n_planes);
  // For layers with many outputs.
  Refusal (*values)(const SplineView<T>& layer, const ValuesCall<T>& call);
  Refusal (*values_back)(const SplineView<T>& layer, const ValuesBackCall<T>& call);
  index (*values_scratch_bytes)(const SplineView<T>& layer, int samples);
};

template <class View, class T>
struct PointwiseKernels {
  PerOrder<Forward<View, T>> forward;
  PerOrder<Backward<View, T>> backward;
};
template <class T>
struct ActivationKernels : PointwiseKernels<ElementwiseView, T> {
  PerOrder<index (*)(index width)> derivatives_bytes;  // scratch for both, or kept in between
};

template <class T>
struct Table {
  PerDegree<SplineKernels<T>> splines;
  PerActivation<ActivationKernels<T>> activations;
  PointwiseKernels<EmbeddingView<T>, T> embedding;
  Forward<DenseView, T> dense_forward;
  Backward<DenseView, T> dense_backward;
  void (*run_program)(const ProgramCall<T>& call);
  // to (columns, rows) = the transpose of from (rows, columns); rows are a stride apart.
  void (*transpose)(index rows, index columns, const T* from, index from_stride, T* to,
                    index to_stride);
};

}  // namespace kanml::kernels
