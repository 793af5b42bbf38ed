// A layer of splines on a tile of samples: y_q = sum_p phi_pq(x_p).
//
// Everything that depends only on the point is a set of Degree + 1 weights for each sample and
// input: for each direction W_m, the Taylor coefficients of the basis along the curve x(s), and
// V_m, those of its derivative. Three contractions of weights with coefficient rows remain:
//   contract   y_m[q]  += sum_j W_m[j] c_j[q]
//   scatter    cc_j[q] += sum_m W_m[j] cy_m[q]
//   project    cx_l    += sum_{m >= l} sum_q cy_m[q] z_{m-l}[q],  z_r[q] = sum_j V_r[j] c_j[q]
// W_0 and V_0 are the same for all directions.
//
// Outputs are taken in strips that fill a vector register, then half a register, down to four. A
// strip goes through all samples, each with its own rows. The last one to three outputs are
// columns: their vectors run over samples, whose coefficients are gathered.
#pragma once

#include "kernels/spline/contract.hpp"
#include "kernels/spline/overflow.hpp"
#include "kernels/spline/planes.hpp"
#include "kernels/spline/project.hpp"
#include "kernels/spline/scatter.hpp"

namespace kanml::kernels::inline KANML_TARGET {

// The data of one input that a forward pass of values keeps for the backward pass.
template <class T, int Degree>
using KeptBasis = LayerBasis<T, Degree, 0, 1>;

template <class T, int Degree>
index kept_bytes(index n_in) {
  return n_in * index{sizeof(KeptBasis<T, Degree>)};
}

// The forward pass, with the basis of input p in basis_of(p).
template <class T, int Degree, int Order, int Top, class BasisOf>
[[gnu::always_inline]] inline Refusal forward_with(const SplineView<T>& layer,
                                                   const ForwardCall<T>& call,
                                                   const BasisOf& basis_of) {
  const int samples = call.samples;
  const Columns<T> columns(samples, call.directions.n_planes, {0, layer.n_in}, layer.n_in, call.x,
                           call.memory.scratch);
  for (int m = 0; m < call.directions.n_planes; ++m) clear(samples * layer.n_out, call.y[m]);
  bool overflows = false;
  for (index p = 0; p < layer.n_in; ++p) {
    LayerBasis<T, Degree, Order, Top>& basis = basis_of(p);
    const int refused = basis.fill(layer.spaces[p], layer.extrapolation, samples, columns(0, p));
    if (refused >= 0) return {refused, p};
    overflows |= basis.overflows;
    const index offset = layer.rows[p] * layer.n_out;
    for_plane_groups<T, Degree, Order, Top>(
        basis, samples, call.directions, columns, p, call.y,
        [&](const PlaneGroup<T, Degree>& group) {
          contract<T, Degree, highest_count<Order>>(samples, basis.first, group,
                                                    call.parameters + offset, layer.n_out);
        },
        [](int, const auto&) {});
    if (Order > 0 && call.parameter_tangent != nullptr) {
      const PlaneGroup<T, Degree> group{1, basis.planes, {call.y[1]}};
      contract<T, Degree, highest_count<Order>>(samples, basis.first, group,
                                                call.parameter_tangent + offset, layer.n_out);
    }
  }
  if (overflows) sum_before_distances<T, Degree>(layer, call);
  return {};
}

template <class T, int Degree, int Order>
Refusal spline_forward(const SplineView<T>& layer, const ForwardCall<T>& call) {
  if constexpr (Order == 0) {
    if (call.memory.kept != nullptr) {
      auto* const bases = static_cast<KeptBasis<T, Degree>*>(call.memory.kept);
      return forward_with<T, Degree, Order, 1>(layer, call,
                                               [&](index p) -> auto& { return bases[p]; });
    }
  }
  LayerBasis<T, Degree, Order, Order> basis;
  return forward_with<T, Degree, Order, Order>(layer, call, [&](index) -> auto& { return basis; });
}

template <class T, int Degree, int Order>
Refusal spline_backward(const SplineView<T>& layer, const BackwardCall<T>& call) {
  const int samples = call.samples;
  const Directions& directions = call.directions;
  const InputRange inputs = call.inputs;
  const index count = inputs.last - inputs.first;
  for (int m = 0; m < directions.n_planes && call.x_cotangent != nullptr; ++m) {
    if (count == layer.n_in) {
      clear(samples * count, call.x_cotangent[m]);
    } else {
      for (int s = 0; s < samples; ++s) {
        clear(count, call.x_cotangent[m] + s * layer.n_in + inputs.first);
      }
    }
  }
  const Columns<T> columns(samples, directions.n_planes,
                           call.memory.kept != nullptr ? InputRange{} : inputs, layer.n_in, call.x,
                           call.memory.scratch);
  // Groups hold the planes of both passes as pointers to T; scatter only reads them.
  T* const* cotangents = const_cast<T* const*>(call.y_cotangent);
  const auto go_back = [&](index p, LayerBasis<T, Degree, Order, Order + 1>& basis) {
    const index offset = layer.rows[p] * layer.n_out;
    const T* const rows = call.parameters + offset;
    Projector<T, Degree, Order> projector(layer, samples, basis.first, basis.derivatives, rows,
                                          call.y_cotangent, call.x_cotangent, p);
    for_plane_groups<T, Degree, Order, Order + 1>(
        basis, samples, directions, columns, p, cotangents,
        [&](const PlaneGroup<T, Degree>& group) {
          scatter<T, Degree, highest_count<Order>>(samples, basis.first, group,
                                                   call.sink.gradient + offset, layer.n_out);
        },
        [&](int d, const auto& curves) { projector.add(curves, directions.planes[d]); });
    projector.finish();
  };
  if constexpr (Order == 0) {
    if (call.memory.kept != nullptr) {
      auto* const bases = static_cast<KeptBasis<T, Degree>*>(call.memory.kept);
      for (index p = inputs.first; p < inputs.last; ++p) go_back(p, bases[p]);
      return {};
    }
  }
  LayerBasis<T, Degree, Order, Order + 1> basis;
  for (index p = inputs.first; p < inputs.last; ++p) {
    const int refused = basis.fill(layer.spaces[p], layer.extrapolation, samples, columns(0, p));
    if (refused >= 0) return {refused, p};
    go_back(p, basis);
  }
  return {};
}

}  // namespace kanml::kernels::inline KANML_TARGET
