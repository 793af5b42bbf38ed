// From coefficients to values: y_m[q] += sum_r C_rm z_r[q], z_r[q] = sum_j b_j^(r) c_j[q].
#pragma once

#include "kernels/spline/planes.hpp"
#include "point/rounding.hpp"

namespace kanml::kernels::inline KANML_TARGET {

// One input of a tile, on its way forwards.
template <class T, int Degree>
struct Contraction {
  int samples;
  const std::int32_t* first;
  const Weights<T, Degree>* derivatives;  // of orders 0, 1, ...
  AllAlong<T> directions;
  const T* composition;
  const T* coefficients;
  index n_out;
  T* values;  // plane 0 of the outputs
};

// The m-th coefficient of a function with the derivatives z_r along a curve. The first product is
// rounded, or else compilers would fuse another one in strips than in columns.
template <class Number, class Composition>
[[gnu::always_inline]] inline Number composed(const Composition& weight, int m, const Number* z) {
  Number sum = weight(1, m) * z[1];
  if (m >= 2) sum = point::rounded(sum);
  for (int r = 2; r <= m; ++r) sum += weight(r, m) * z[r];
  return sum;
}

template <class T, int Degree, int Order, int Width>
void contract_strip(const Contraction<T, Degree> of, index q) {
  using Number = Register<T, Width>;
  const index n_out = of.n_out;
  for (int s = 0; s < of.samples; ++s) {
    const T* rows = of.coefficients + of.first[s] * n_out + q;
    const index place = s * n_out + q;
    Number z[Order + 1] = {load<Width>(of.values + place)};
    for (int j = 0; j <= Degree; ++j) {
      const Number row = in_register<Number>(load<Width>(rows + j * n_out));
      for (int r = 0; r <= Order; ++r) z[r] += of.derivatives[r][j][s] * row;
    }
    store<Width>(of.values + place, z[0]);
    for_directions<Order>(
        of.directions, [&](auto order, const Along<T>& along) __attribute__((always_inline)) {
          const WeightsAtSample<T> weights{of.composition + along.composition + s};
          for (int m = 1; m <= order; ++m) {
            T* const to = along.planes[m - 1] + place;
            store<Width>(to, load<Width>(to) + composed(weights, m, z));
          }
        });
  }
}

template <class T, int Degree, int Order>
void contract_column(const Contraction<T, Degree> of, index q) {
  using Number = FullVector<T>;
  constexpr int lanes = full_lanes<T>;
  const index n_out = of.n_out;
  for (int s = 0; s < of.samples; s += lanes) {
    const auto add = [&](Number terms, T * plane) __attribute__((always_inline)) {
      add_to_column<T>(terms, plane + s * n_out + q, n_out, of.samples - s);
    };
    Number z[Order + 1] = {};
    for (int j = 0; j <= Degree; ++j) {
      const Number row = gather(of.coefficients + j * n_out + q, of.first + s, n_out);
      for (int r = 0; r <= Order; ++r) z[r] += load<lanes>(of.derivatives[r][j] + s) * row;
    }
    add(z[0], of.values);
    for_directions<Order>(
        of.directions, [&](auto order, const Along<T>& along) __attribute__((always_inline)) {
          const WeightsAtSamples<T> weights{of.composition + along.composition + s};
          for (int m = 1; m <= order; ++m) add(composed(weights, m, z), along.planes[m - 1]);
        });
  }
}

template <class T, int Degree, int Order>
void contract(const Contraction<T, Degree>& of) {
  for_outputs<full_lanes<T>>(
      0, of.n_out, [&](index q, auto width) { contract_strip<T, Degree, Order, width>(of, q); },
      [&](index q) { contract_column<T, Degree, Order>(of, q); });
}

}  // namespace kanml::kernels::inline KANML_TARGET
