// From cotangents of values to those of coefficients and inputs, in one pass over the samples. With
// the cotangents of derivatives e_0 = cy_0 and e_r = sum_m C_rm cy_m, and z_r = sum_j b_j^(r) c_j:
//   scatter   cc_j[q] += sum_r b_j^(r) e_r[q]
//   project   cx_0 += sum_q sum_r e_r[q] z_{r+1}[q]
//             cx_l += sum_q sum_{m >= l} cy_m[q] v_{m-l}[q],  v_0 = z_1, v_m = sum_r C_rm z_{r+1}
#pragma once

#include "kernels/dot.hpp"
#include "kernels/spline/contract.hpp"
#include "kernels/spline/planes.hpp"

namespace kanml::kernels::inline KANML_TARGET {

// One input of a tile, on its way backwards.
template <class T, int Degree>
struct PullBack {
  int samples;
  const std::int32_t* first;
  const Weights<T, Degree>* derivatives;  // of orders 0, 1, ...
  AllAlong<T> directions;
  const T* composition;
  const T* coefficients;
  index n_out;
  const T* value_cotangent;  // plane 0 of those of the outputs
  T* gradient;               // of the input's coefficients: that of sample 0
  index stride;              // to that of the next sample, or 0: all samples share one
  Columns<T> x_cotangent;
  index p;  // the input
  T* sums;  // (n_planes, full_lanes, full_lanes): contributions to x_cotangent, sample by sample

  T* rows(int s) const { return gradient + s * stride + first[s] * n_out; }
};

// e_r += sum_m C_rm cy_m, with cy_1 in cy[0].
template <int Order, class Number, class Composition>
[[gnu::always_inline]] inline void add_cotangents_of_derivatives(const Composition& weight,
                                                                 const Number* cy, Number* e) {
  for (int m = 1; m <= Order; ++m) {
    for (int r = 1; r <= m; ++r) e[r] += weight(r, m) * cy[m - 1];
  }
}

// Calls f(l, the terms of cx_l) for the orders of a direction, with z_{r+1} in z[r].
template <int Order, class Number, class Composition, class F>
[[gnu::always_inline]] inline void project_direction(const Composition& weight, const Number* cy,
                                                     const Number* z, const F& f) {
  Number v[Order] = {z[0]};
  for (int m = 1; m < Order; ++m) v[m] = composed(weight, m, z);
  for (int l = 1; l <= Order; ++l) {
    Number sum = cy[l - 1] * v[0];
    for (int m = l + 1; m <= Order; ++m) sum += cy[m - 1] * v[m - l];
    f(l, sum);
  }
}

template <int Order, class Number>
[[gnu::always_inline]] inline Number project_value(const Number* e, const Number* z) {
  Number sum = e[0] * z[0];
  for (int r = 1; r <= Order; ++r) sum += e[r] * z[r];
  return sum;
}

template <class T, int Degree, int Order, int Width, bool to_inputs>
void pull_back_strip(const PullBack<T, Degree> of, index q) {
  using Number = Register<T, Width>;
  const index n_out = of.n_out;
  const auto sum_at = [&](int plane, int i) { return of.sums + (plane * Width + i) * Width; };
  T* of_sample = of.gradient + q;  // the rows are found as those of the coefficients
  for (int block = 0; block < of.samples; block += Width) {
    for (int i = 0; i < Width && block + i < of.samples; ++i) {
      const int s = block + i;
      const index place = s * n_out + q;
      const auto weights = [&](const Along<T>& along) __attribute__((always_inline)) {
        return WeightsAtSample<T>{of.composition + along.composition + s};
      };
      const auto load_cotangents = [&](auto order, const Along<T>& along, Number* cy)
          __attribute__((always_inline)) {
        for (int m = 0; m < order; ++m) cy[m] = load<Width>(along.planes[m] + place);
      };
      Number e[Order + 1] = {load<Width>(of.value_cotangent + place)};
      for_directions<Order>(
          of.directions, [&](auto order, const Along<T>& along) __attribute__((always_inline)) {
            Number cy[order];
            load_cotangents(order, along, cy);
            add_cotangents_of_derivatives<order>(weights(along), cy, e);
          });
      const index first = of.first[s] * n_out;
      const T* const rows = of.coefficients + first + q;
      T* const gradient = of_sample + first;
      of_sample += of.stride;
      Number z[Order + 1] = {};
      for (int j = 0; j <= Degree; ++j) {
        Number sum = of.derivatives[0][j][s] * e[0];
        if constexpr (to_inputs) {
          const Number row = in_register<Number>(load<Width>(rows + j * n_out));
          for (int r = 1; r <= Order; ++r) {
            const Number derivative = in_register<Number>(Number{} + of.derivatives[r][j][s]);
            sum += derivative * e[r];
            z[r - 1] += derivative * row;
          }
          z[Order] += of.derivatives[Order + 1][j][s] * row;
        } else {
          for (int r = 1; r <= Order; ++r) sum += of.derivatives[r][j][s] * e[r];
        }
        // The row is loaded last, since the previous sample may just have written it.
        store<Width>(gradient + j * n_out, load<Width>(gradient + j * n_out) + sum);
      }
      if constexpr (to_inputs) {
        store<Width>(sum_at(0, i), project_value<Order>(e, z));
        for_directions<Order>(
            of.directions, [&](auto order, const Along<T>& along) __attribute__((always_inline)) {
              Number cy[order];
              load_cotangents(order, along, cy);
              project_direction<order>(
                  weights(along), cy, z, [&](int l, Number sum) __attribute__((always_inline)) {
                    store<Width>(sum_at(along.plane + l - 1, i), sum);
                  });
            });
      }
    }
    if constexpr (to_inputs) {
      for (int m = 0; m < of.x_cotangent.n_planes(); ++m) {
        Number vectors[Width];
        for (int i = 0; i < Width; ++i) vectors[i] = load<Width>(sum_at(m, i));
        T* const to = of.x_cotangent(m, of.p) + block;
        store<Width>(to, load<Width>(to) + sums_over_lanes<Width / 2>(vectors));
      }
    }
  }
}

template <class T, int Degree, int Order, bool to_inputs>
void pull_back_column(const PullBack<T, Degree> of, index q) {
  using Number = FullVector<T>;
  constexpr int lanes = full_lanes<T>;
  const index n_out = of.n_out;
  Weights<T, Degree> terms;
  for (int s = 0; s < of.samples; s += lanes) {
    const auto weights = [&](const Along<T>& along) __attribute__((always_inline)) {
      return WeightsAtSamples<T>{of.composition + along.composition + s};
    };
    const auto cotangents = [&](const T* plane) __attribute__((always_inline)) {
      return load_column(plane + s * n_out + q, n_out, of.samples - s, T(0));
    };
    const auto load_cotangents = [&](auto order, const Along<T>& along, Number* cy)
        __attribute__((always_inline)) {
      for (int m = 0; m < order; ++m) cy[m] = cotangents(along.planes[m]);
    };
    Number e[Order + 1] = {cotangents(of.value_cotangent)};
    for_directions<Order>(
        of.directions, [&](auto order, const Along<T>& along) __attribute__((always_inline)) {
          Number cy[order];
          load_cotangents(order, along, cy);
          add_cotangents_of_derivatives<order>(weights(along), cy, e);
        });
    Number z[Order + 1] = {};
    for (int j = 0; j <= Degree; ++j) {
      Number sum = load<lanes>(of.derivatives[0][j] + s) * e[0];
      for (int r = 1; r <= Order; ++r) sum += load<lanes>(of.derivatives[r][j] + s) * e[r];
      store<lanes>(terms[j] + s, sum);
      if constexpr (to_inputs) {
        const Number row = gather(of.coefficients + j * n_out + q, of.first + s, n_out);
        for (int r = 0; r <= Order; ++r) z[r] += load<lanes>(of.derivatives[r + 1][j] + s) * row;
      }
    }
    if constexpr (to_inputs) {
      const auto add = [&](int plane, Number sum) __attribute__((always_inline)) {
        T* const to = of.x_cotangent(plane, of.p) + s;
        store<lanes>(to, load<lanes>(to) + sum);
      };
      add(0, project_value<Order>(e, z));
      for_directions<Order>(
          of.directions, [&](auto order, const Along<T>& along) __attribute__((always_inline)) {
            Number cy[order];
            load_cotangents(order, along, cy);
            project_direction<order>(
                weights(along), cy, z, [&](int l, Number sum) __attribute__((always_inline)) {
                  add(along.plane + l - 1, sum);
                });
          });
    }
  }
  for (int s = 0; s < of.samples; ++s) {
    T* rows = of.rows(s) + q;
    for (int j = 0; j <= Degree; ++j) rows[j * n_out] += terms[j][s];
  }
}

template <class T, int Degree, int Order, bool to_inputs>
void pull_back(const PullBack<T, Degree>& of) {
  if constexpr (to_inputs) {
    for (int m = 0; m < of.x_cotangent.n_planes(); ++m) {
      clear(padded<T>(of.samples), of.x_cotangent(m, of.p));
    }
  }
  for_outputs<full_lanes<T>>(
      0, of.n_out,
      [&](index q, auto width) { pull_back_strip<T, Degree, Order, width, to_inputs>(of, q); },
      [&](index q) { pull_back_column<T, Degree, Order, to_inputs>(of, q); });
}

// For products with a direction each sample has a gradient of its own, in memory that inputs share:
// its Degree + 1 rows are cleared before, and multiplied and forgotten after they were computed.

template <class T, int Degree>
void clear_rows(const PullBack<T, Degree>& of) {
  for (int s = 0; s < of.samples; ++s) clear((Degree + 1) * of.n_out, of.rows(s));
}

template <class T, int Degree>
void add_products(const PullBack<T, Degree>& of, const T* direction, T* products) {
  for (int s = 0; s < of.samples; ++s) {
    products[s] += dot((Degree + 1) * of.n_out, of.rows(s), direction + of.first[s] * of.n_out);
  }
}

}  // namespace kanml::kernels::inline KANML_TARGET
