// Fills the table of one scalar type. Only the files that instantiate it include this header; they
// are compiled once for each instruction set.
#pragma once

#include <utility>

#include "kernels/dense.hpp"
#include "kernels/elementwise.hpp"
#include "kernels/embedding.hpp"
#include "kernels/program.hpp"
#include "kernels/spline/sheets.hpp"
#include "kernels/spline/tiles.hpp"
#include "kernels/table.hpp"

namespace kanml::kernels::inline KANML_TARGET {

template <int... Values>
using List = std::integer_sequence<int, Values...>;
template <int Count>
using Range = std::make_integer_sequence<int, Count>;

// Orders above the degree are never requested.
template <class T, int Degree, int Order>
constexpr Forward<SplineView<T>, T> spline_forward_of() {
  if constexpr (Order <= Degree) return spline_forward<T, Degree, Order>;
  return nullptr;
}
template <class T, int Degree, int Order>
constexpr Backward<SplineView<T>, T> spline_backward_of() {
  if constexpr (Order <= Degree) return spline_backward<T, Degree, Order>;
  return nullptr;
}

template <class T, int Degree, int... Orders>
constexpr SplineKernels<T> splines(List<Orders...>) {
  return {
      .forward = {spline_forward_of<T, Degree, Orders>()...},
      .backward = {spline_backward_of<T, Degree, Orders>()...},
      .kept_bytes = {kept_bytes<T, Degree, Orders>...},
      .scratch_bytes = scratch_bytes<T>,
      .values = spline_values<T, Degree>,
      .values_back = spline_values_back<T, Degree>,
      .values_scratch_bytes = values_scratch_bytes<T, Degree>,
  };
}

template <class T, ActivationKind Kind, int... Orders>
constexpr ActivationKernels<T> activations(List<Orders...>) {
  return {{.forward = {activation_forward<T, Kind, Orders>...},
           .backward = {activation_backward<T, Kind, Orders>...}},
          {derivatives_bytes<T, Orders>...}};
}

template <class T, int... Orders>
constexpr PointwiseKernels<EmbeddingView<T>, T> embeddings(List<Orders...>) {
  return {
      .forward = {embedding_forward<T, Orders>...},
      .backward = {embedding_backward<T, Orders>...},
  };
}

template <class T, int... Degrees, int... Kinds, int... Orders>
constexpr Table<T> make_table(List<Degrees...>, List<Kinds...>, List<Orders...> orders) {
  return {
      .splines = {splines<T, min_degree + Degrees>(orders)...},
      .activations = {activations<T, static_cast<ActivationKind>(Kinds)>(orders)...},
      .embedding = embeddings<T>(orders),
      .dense_forward = dense_forward<T>,
      .dense_backward = dense_backward<T>,
      .run_program = run_program<T>,
      .transpose = transpose_matrix<T, register_lanes<T>>,
  };
}

template <class T>
const Table<T>& table() {
  static constexpr Table<T> filled = make_table<T>(
      Range<max_degree - min_degree + 1>{}, Range<n_activations>{}, Range<max_taylor_order + 1>{});
  return filled;
}

}  // namespace kanml::kernels::inline KANML_TARGET
