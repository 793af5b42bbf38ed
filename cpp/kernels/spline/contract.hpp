// From coefficients to values: y_m[q] += sum_j W_m[j] c_j[q].
#pragma once

#include "kernels/spline/planes.hpp"

namespace kanml::kernels::inline KANML_TARGET {

template <class T, int Degree, int Planes, int Width>
void contract_strip(int samples, const std::int32_t* first, const PlaneGroup<T, Degree> group,
                    const T* coefficients, index n_out, index q) {
  for (int s = 0; s < samples; ++s) {
    const T* rows = coefficients + first[s] * n_out + q;
    Vector<T, Width> sums[Planes];
    for (int m = 0; m < Planes; ++m) sums[m] = load<Width>(group.y[m] + s * n_out + q);
    for (int j = 0; j <= Degree; ++j) {
      const auto row = load<Width>(rows + j * n_out);
      for (int m = 0; m < Planes; ++m) sums[m] += group.weights[m][j][s] * row;
    }
    for (int m = 0; m < Planes; ++m) store<Width>(group.y[m] + s * n_out + q, sums[m]);
  }
}

template <class T, int Degree, int Planes>
void contract_column(int samples, const std::int32_t* first, const PlaneGroup<T, Degree>& group,
                     const T* coefficients, index n_out, index q) {
  for (int s = 0; s < samples; s += full_lanes<T>) {
    FullVector<T> rows[Degree + 1];
    for (int j = 0; j <= Degree; ++j) {
      rows[j] = gather(coefficients + j * n_out + q, first + s, n_out);
    }
    for (int m = 0; m < Planes; ++m) {
      FullVector<T> sum = load<full_lanes<T>>(group.weights[m][0] + s) * rows[0];
      for (int j = 1; j <= Degree; ++j) {
        sum += load<full_lanes<T>>(group.weights[m][j] + s) * rows[j];
      }
      add_to_column<T>(sum, group.y[m] + s * n_out + q, n_out, samples - s);
    }
  }
}

template <class T, int Degree, int Highest>
void contract(int samples, const std::int32_t* first, const PlaneGroup<T, Degree>& group,
              const T* coefficients, index n_out) {
  for_order<Highest>(group.count, [&](auto planes) {
    for_outputs<full_lanes<T>>(
        0, n_out,
        [&](index q, auto width) {
          contract_strip<T, Degree, planes, width>(samples, first, group, coefficients, n_out, q);
        },
        [&](index q) {
          contract_column<T, Degree, planes>(samples, first, group, coefficients, n_out, q);
        });
  });
}

}  // namespace kanml::kernels::inline KANML_TARGET
