// A layer of splines on a tile of samples: y_q = sum_p phi_pq(x_p).
//
// Everything that depends only on the point is computed first, for each input: the Degree + 1 basis
// functions that are nonzero at each sample with their derivatives, and for each direction the
// composition weights, which make Taylor coefficients along the curve x(s) of derivatives. Then the
// coefficient rows of a sample are contracted with the basis and its derivatives, which all
// directions share, and its planes are composed of the results; see contract.hpp, and pull_back.hpp
// for the way back.
//
// Outputs are taken in strips that fill a vector register, then half a register, down to four. A
// strip goes through all samples, each with its own rows. The last one to three outputs are
// columns: their vectors run over samples, whose coefficients are gathered.
#pragma once

#include "kernels/spline/contract.hpp"
#include "kernels/spline/overflow.hpp"
#include "kernels/spline/planes.hpp"
#include "kernels/spline/pull_back.hpp"

namespace kanml::kernels::inline KANML_TARGET {

// What a forward pass keeps of each input for the backward pass: its basis, with the derivatives
// that the latter needs, and its composition weights.
template <class T, int Degree, int Order>
class Kept {
 public:
  using Basis = TileBasis<T, Degree, Order + 1>;

  static index bytes_of_input(const Directions& directions) {
    return index{sizeof(Basis)} + composition_columns(directions) * tile_size * index{sizeof(T)};
  }

  Kept(const Directions& directions, void* memory)
      : stride_(bytes_of_input(directions)), memory_(static_cast<char*>(memory)) {}

  Basis& basis(index p) const { return *reinterpret_cast<Basis*>(memory_ + p * stride_); }
  T* composition(index p) const { return reinterpret_cast<T*>(&basis(p) + 1); }

 private:
  index stride_;
  char* memory_;
};

template <class T, int Degree, int Order>
index kept_bytes(index n_in, const Directions& directions) {
  return n_in * Kept<T, Degree, Order>::bytes_of_input(directions);
}

// Scratch memory of both passes.
template <class T>
class TileScratch {
 public:
  static index bytes(index n_in, int n_planes) {
    const index columns = n_planes * n_in + most_composition_columns(n_planes);
    return (columns * tile_size + n_planes * full_lanes<T> * full_lanes<T>)*index{sizeof(T)} +
           n_planes * index{sizeof(Along<T>)};
  }

  TileScratch(index n_in, int n_planes, void* memory)
      : planes(static_cast<T*>(memory)),
        composition(planes + n_planes * n_in * tile_size),
        sums(composition + most_composition_columns(n_planes) * tile_size),
        directions(reinterpret_cast<Along<T>*>(sums + n_planes * full_lanes<T> * full_lanes<T>)) {}

  T* const planes;       // (n_planes, n_in, tile_size): those of the inputs
  T* const composition;  // (most_composition_columns, tile_size): of one input
  T* const sums;         // (n_planes, full_lanes, full_lanes)
  Along<T>* const directions;
};

template <class T>
index scratch_bytes(index n_in, int n_planes) {
  return TileScratch<T>::bytes(n_in, n_planes);
}

// The forward pass, with the basis of input p in basis_of(p) and its composition weights in
// composition_of(p).
template <class T, int Degree, int Order, class BasisOf, class CompositionOf>
[[gnu::always_inline]] inline Refusal forward_with(const SplineView<T>& layer,
                                                   const ForwardCall<T>& call,
                                                   const TileScratch<T>& scratch,
                                                   const BasisOf& basis_of,
                                                   const CompositionOf& composition_of) {
  const int samples = call.samples;
  const Columns<T> columns(samples, call.directions.n_planes, {0, layer.n_in}, layer.n_in,
                           scratch.planes);
  const AllAlong<T> directions(call.directions, call.y, scratch.directions);
  columns.read(call.x);
  for (int m = 0; m < call.directions.n_planes; ++m) clear(samples * layer.n_out, call.y[m]);
  bool overflows = false;
  for (index p = 0; p < layer.n_in; ++p) {
    auto& basis = basis_of(p);
    T* const composition = composition_of(p);
    const int refused = basis.fill(layer.spaces[p], layer.extrapolation, samples, columns(0, p));
    if (refused >= 0) return {refused, p};
    overflows |= basis.overflows;
    compose<Order>(samples, directions, columns, p, composition);
    const index offset = layer.rows[p] * layer.n_out;
    Contraction<T, Degree> contraction{.samples = samples,
                                       .first = basis.first,
                                       .derivatives = basis.derivatives,
                                       .directions = directions,
                                       .composition = composition,
                                       .coefficients = call.parameters + offset,
                                       .n_out = layer.n_out,
                                       .values = call.y[0]};
    contract<T, Degree, Order>(contraction);
    if (Order > 0 && call.parameter_tangent != nullptr) {
      contraction.coefficients = call.parameter_tangent + offset;
      contraction.values = call.y[1];
      contract<T, Degree, 0>(contraction);
    }
  }
  if (overflows) sum_before_distances<T, Degree>(layer, call);
  return {};
}

template <class T, int Degree, int Order>
Refusal spline_forward(const SplineView<T>& layer, const ForwardCall<T>& call) {
  const TileScratch<T> scratch(layer.n_in, call.directions.n_planes, call.memory.scratch);
  if (call.memory.kept != nullptr) {
    const Kept<T, Degree, Order> kept(call.directions, call.memory.kept);
    return forward_with<T, Degree, Order>(
        layer, call, scratch, [&](index p) -> auto& { return kept.basis(p); },
        [&](index p) { return kept.composition(p); });
  }
  TileBasis<T, Degree, Order> basis;
  return forward_with<T, Degree, Order>(
      layer, call, scratch, [&](index) -> auto& { return basis; },
      [&](index) { return scratch.composition; });
}

template <class T, int Degree, int Order>
Refusal spline_backward(const SplineView<T>& layer, const BackwardCall<T>& call) {
  const int samples = call.samples;
  const int n_planes = call.directions.n_planes;
  const TileScratch<T> scratch(layer.n_in, n_planes, call.memory.scratch);
  const Columns<T> columns(samples, n_planes, call.inputs, layer.n_in, scratch.planes);
  // The planes of outputs are pointers to T in both passes; this one only reads them.
  const AllAlong<T> directions(call.directions, const_cast<T* const*>(call.y_cotangent),
                               scratch.directions);
  const auto go_back = [&](index p, const TileBasis<T, Degree, Order + 1>& basis,
                           const T* composition) {
    const index offset = layer.rows[p] * layer.n_out;
    const Sink<T> sink = call.sink.from(offset);
    const bool multiplies = sink.direction != nullptr;
    const PullBack<T, Degree> of{
        .samples = samples,
        .first = basis.first,
        .derivatives = basis.derivatives,
        .directions = directions,
        .composition = composition,
        .coefficients = call.parameters + offset,
        .n_out = layer.n_out,
        .value_cotangent = call.y_cotangent[0],
        .gradient = multiplies ? sink.contributions : sink.gradient,
        .stride = multiplies ? (layer.most_intervals + Degree) * layer.n_out : sink.stride,
        .x_cotangent = columns,
        .p = p,
        .sums = scratch.sums};
    if (multiplies) clear_rows(of);
    if (call.x_cotangent == nullptr) {
      pull_back<T, Degree, Order, false>(of);
    } else {
      pull_back<T, Degree, Order, true>(of);
    }
    if (multiplies) add_products(of, sink.direction, sink.products);
  };
  if (call.memory.kept != nullptr) {
    const Kept<T, Degree, Order> kept(call.directions, call.memory.kept);
    for (index p = call.inputs.first; p < call.inputs.last; ++p) {
      go_back(p, kept.basis(p), kept.composition(p));
    }
  } else {
    TileBasis<T, Degree, Order + 1> basis;
    columns.read(call.x);
    for (index p = call.inputs.first; p < call.inputs.last; ++p) {
      const int refused = basis.fill(layer.spaces[p], layer.extrapolation, samples, columns(0, p));
      if (refused >= 0) return {refused, p};
      compose<Order>(samples, directions, columns, p, scratch.composition);
      go_back(p, basis, scratch.composition);
    }
  }
  if (call.x_cotangent != nullptr) columns.write(call.x_cotangent);
  return {};
}

}  // namespace kanml::kernels::inline KANML_TARGET
