// Fills the table of one scalar type. Included by the files that instantiate, and by nothing else;
// they are compiled once for each instruction set.
#pragma once

#include <utility>

#include "kernels/dense.hpp"
#include "kernels/elementwise.hpp"
#include "kernels/embedding.hpp"
#include "kernels/spline/sheets.hpp"
#include "kernels/spline/tiles.hpp"
#include "kernels/table.hpp"

namespace kanml::kernels::inline KANML_TARGET {

template <int... Values>
using List = std::integer_sequence<int, Values...>;
template <int Count>
using Range = std::make_integer_sequence<int, Count>;

// Orders above the degree are never asked for.
template <class T, int Degree, int Order>
constexpr SplineForward<T> spline_forward_of() {
  if constexpr (Order <= Degree) return spline_forward<T, Degree, Order>;
  return nullptr;
}
template <class T, int Degree, int Order>
constexpr SplineBackward<T> spline_backward_of() {
  if constexpr (Order <= Degree) return spline_backward<T, Degree, Order>;
  return nullptr;
}

template <class T, int Degree, int... Orders>
constexpr std::array<SplineForward<T>, sizeof...(Orders)> spline_forwards(List<Orders...>) {
  return {spline_forward_of<T, Degree, Orders>()...};
}
template <class T, int Degree, int... Orders>
constexpr std::array<SplineBackward<T>, sizeof...(Orders)> spline_backwards(List<Orders...>) {
  return {spline_backward_of<T, Degree, Orders>()...};
}
template <class T, int Kind, int... Orders>
constexpr std::array<ActivationForward<T>, sizeof...(Orders)> activation_forwards(List<Orders...>) {
  return {activation_forward<T, static_cast<ActivationKind>(Kind), Orders>...};
}
template <class T, int Kind, int... Orders>
constexpr std::array<ActivationBackward<T>, sizeof...(Orders)> activation_backwards(
    List<Orders...>) {
  return {activation_backward<T, static_cast<ActivationKind>(Kind), Orders>...};
}

template <class T, int... Degrees, int... Kinds, int... Orders>
constexpr Table<T> make_table(List<Degrees...>, List<Kinds...>, List<Orders...> orders) {
  return {
      .spline_forward = {spline_forwards<T, min_degree + Degrees>(orders)...},
      .spline_backward = {spline_backwards<T, min_degree + Degrees>(orders)...},
      .kept_bytes = {kept_bytes<T, min_degree + Degrees>...},
      .wide_scratch_bytes = {wide_scratch_bytes<T, min_degree + Degrees>...},
      .wide_forward = {wide_forward<T, min_degree + Degrees>...},
      .wide_backward = {wide_backward<T, min_degree + Degrees>...},
      .activation_forward = {activation_forwards<T, Kinds>(orders)...},
      .activation_backward = {activation_backwards<T, Kinds>(orders)...},
      .embedding_forward = {embedding_forward<T, Orders>...},
      .embedding_backward = {embedding_backward<T, Orders>...},
      .linear_forward = linear_forward<T>,
      .linear_backward = linear_backward<T>,
  };
}

template <class T>
const Table<T>& table() {
  static constexpr Table<T> filled =
      make_table<T>(Range<n_degrees>{}, Range<n_activations>{}, Range<n_orders>{});
  return filled;
}

}  // namespace kanml::kernels::inline KANML_TARGET
