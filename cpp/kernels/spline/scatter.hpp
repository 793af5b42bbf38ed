// From cotangents of values to those of coefficients: cc_j[q] += sum_m W_m[j] cy_m[q].
#pragma once

#include "kernels/spline/planes.hpp"

namespace kanml::kernels::inline KANML_TARGET {

template <class T, int Degree, int Planes, int Width>
void scatter_strip(int samples, const std::int32_t* first, const PlaneGroup<T, Degree> group,
                   T* gradient, index n_out, index q) {
  for (int s = 0; s < samples; ++s) {
    T* rows = gradient + first[s] * n_out + q;
    Vector<T, Width> cotangents[Planes];
    for (int m = 0; m < Planes; ++m) cotangents[m] = load<Width>(group.y[m] + s * n_out + q);
    for (int j = 0; j <= Degree; ++j) {
      // The row is loaded last, since the previous sample may just have written it.
      Vector<T, Width> sum = group.weights[0][j][s] * cotangents[0];
      for (int m = 1; m < Planes; ++m) sum += group.weights[m][j][s] * cotangents[m];
      store<Width>(rows + j * n_out, load<Width>(rows + j * n_out) + sum);
    }
  }
}

template <class T, int Degree, int Planes>
void scatter_column(int samples, const std::int32_t* first, const PlaneGroup<T, Degree>& group,
                    T* gradient, index n_out, index q) {
  Weights<T, Degree> sums;
  for (int s = 0; s < samples; s += full_lanes<T>) {
    FullVector<T> cotangents[Planes];
    for (int m = 0; m < Planes; ++m) {
      cotangents[m] = load_column(group.y[m] + s * n_out + q, n_out, samples - s, T(0));
    }
    for (int j = 0; j <= Degree; ++j) {
      FullVector<T> sum = load<full_lanes<T>>(group.weights[0][j] + s) * cotangents[0];
      for (int m = 1; m < Planes; ++m) {
        sum += load<full_lanes<T>>(group.weights[m][j] + s) * cotangents[m];
      }
      store<full_lanes<T>>(sums[j] + s, sum);
    }
  }
  for (int s = 0; s < samples; ++s) {
    T* rows = gradient + first[s] * n_out + q;
    for (int j = 0; j <= Degree; ++j) rows[j * n_out] += sums[j][s];
  }
}

template <class T, int Degree, int Highest>
void scatter(int samples, const std::int32_t* first, const PlaneGroup<T, Degree>& group,
             T* gradient, index n_out) {
  for_order<Highest>(group.count, [&](auto planes) {
    for_outputs<full_lanes<T>>(
        0, n_out,
        [&](index q, auto width) {
          scatter_strip<T, Degree, planes, width>(samples, first, group, gradient, n_out, q);
        },
        [&](index q) {
          scatter_column<T, Degree, planes>(samples, first, group, gradient, n_out, q);
        });
  });
}

}  // namespace kanml::kernels::inline KANML_TARGET
