// Householder reflections of a triangle on top of a strip.
#pragma once

#include "kernels/linalg/products.hpp"
#include "kernels/linalg/reflection.hpp"
#include "kernels/linalg/table.hpp"

namespace kanml::kernels::inline KANML_TARGET {

inline constexpr index strip_registers = strip_width / double_lanes;

// One pass over a strip. It finishes a reflection in `column`, if there is one: there stays v, and
// the columns behind lose v times their entry of `change`, which is zero for the others. Then it
// sums the products of the column behind with all columns: the squares of that column, and what the
// next reflection does to those on its right.
template <bool Finishes, bool Sums>
void pass(index rows, double* strip, index column, double scale, const double* change,
          double* sums) {
  DoubleVector products[strip_registers] = {};
  const index next = Finishes ? column + 1 : column;
  for (index r = 0; r < rows; ++r) {
    double* const row = strip + r * strip_width;
    if constexpr (Finishes) {
      const double v = scale * row[column];
      for (index q = next / double_lanes; Sums && q < strip_registers; ++q) {
        double* const at = row + q * double_lanes;
        store<double_lanes>(
            at, load<double_lanes>(at) - v * load<double_lanes>(change + q * double_lanes));
      }
      row[column] = v;
    }
    if constexpr (Sums) {
      const double x = row[next];
      for (int q = 0; q < strip_registers; ++q) {
        products[q] += x * load<double_lanes>(row + q * double_lanes);
      }
    }
  }
  if constexpr (Sums) {
    for (int q = 0; q < strip_registers; ++q) {
      store<double_lanes>(sums + q * double_lanes, products[q]);
    }
  }
}

inline void reduce_strip(index columns, index rows, double* triangle, double* strip,
                         double* factor) {
  double change[strip_width] = {};
  double sums[strip_width];
  clear(square, factor);
  pass<false, true>(rows, strip, 0, 0.0, change, sums);
  for (index j = 0; j < columns; ++j) {
    double* const top = triangle + j * strip_width;
    const auto [image, tau, scale] = reflection(top[j], sums[j]);
    top[j] = image;
    change[j] = 0.0;
    for (index k = j + 1; k < strip_width; ++k) {
      change[k] = tau * (top[k] + scale * sums[k]);
      top[k] -= change[k];
    }
    // Column j of F is -tau F (V^T v), then -tau.
    for (index i = 0; i < j; ++i) {
      double sum = 0.0;
      for (index k = i; k < j; ++k) sum += factor[i * strip_width + k] * (scale * sums[k]);
      factor[i * strip_width + j] = -tau * sum;
    }
    factor[j * strip_width + j] = -tau;
    if (j + 1 < columns) {
      pass<true, true>(rows, strip, j, scale, change, sums);
    } else {
      pass<true, false>(rows, strip, j, scale, change, sums);
    }
  }
}

}  // namespace kanml::kernels::inline KANML_TARGET
