// A layer of splines on a tile of samples: y_q = sum_p phi_pq(x_p).
//
// Everything that depends on the point alone is a set of Degree + 1 weights a sample and input:
// W_m, the Taylor coefficients of the basis along the curve x(s), and V_m, those of its
// derivative. What remains is three contractions of weights with coefficient rows:
//   contract   y_m[q]  += sum_j W_m[j] c_j[q]
//   scatter    cc_j[q] += sum_m W_m[j] cy_m[q]
//   project    cx_l    += sum_{m >= l} sum_j V_{m-l}[j] sum_q c_j[q] cy_m[q]
#pragma once

#include <algorithm>

#include "kernels/table.hpp"
#include "point/basis.hpp"
#include "point/taylor.hpp"

namespace kanml::kernels {

template <class T, int Degree>
using Weights = T[Degree + 1][tile_size];

// Derivatives 0..Top of the basis of one input on a tile, the layer's rule for outside applied.
template <class T, int Degree, int Top>
struct TileBasis {
  std::int32_t first[tile_size];  // index of the first nonzero function
  Weights<T, Degree> derivatives[Top + 1];

  // x is one column of a plane. Returns the first refused sample, or -1.
  int fill(const point::SpaceView<T>& space, Extrapolation rule, int samples, const T* x,
           index stride) {
    int outside = 0;
    for (int s = 0; s < samples; ++s) {
      const T xs = x[s * stride];
      // The pieces of the end intervals serve outside too; comparisons are false for NaN.
      const T end = xs < space.lower ? space.lower : xs > space.upper ? space.upper : xs;
      outside += xs < space.lower || xs > space.upper;
      const T at = rule == Extrapolation::polynomial ? xs : end;
      first[s] = point::find_interval(space, Degree, end);
      T values[Top + 1][Degree + 1];
      point::basis<T, Degree, Top>(space, first[s], at, values);
      for (int m = 0; m <= Top; ++m) {
        for (int j = 0; j <= Degree; ++j) derivatives[m][j][s] = values[m][j];
      }
    }
    if (outside == 0 || rule == Extrapolation::polynomial) return -1;
    return extrapolate(space, rule, samples, x, stride);
  }

 private:
  int extrapolate(const point::SpaceView<T>& space, Extrapolation rule, int samples, const T* x,
                  index stride) {
    for (int s = 0; s < samples; ++s) {
      const T xs = x[s * stride];
      if (!(xs < space.lower || xs > space.upper)) continue;
      if (rule == Extrapolation::error) return s;
      const T end = xs < space.lower ? space.lower : space.upper;
      T values[2][Degree + 1];
      point::basis<T, Degree, 1>(space, first[s], end, values);
      for (int j = 0; j <= Degree; ++j) {
        const T slope = rule == Extrapolation::linear ? values[1][j] : T(0);
        derivatives[0][j][s] = values[0][j] + (slope == T(0) ? T(0) : slope * (xs - end));
        for (int m = 1; m <= Top; ++m) derivatives[m][j][s] = m == 1 ? slope : T(0);
      }
    }
    return -1;
  }
};

// Taylor coefficients of the functions whose derivatives start at `derivatives[0]`, along the
// curve of each sample. At order 0 they are the values themselves.
template <class T, int Degree, int Order>
void taylor_weights(int samples, const T* const* x, index column, index stride,
                    const Weights<T, Degree>* derivatives, Weights<T, Degree>* weights) {
  for (int s = 0; s < samples; ++s) {
    T curve[Order + 1];
    for (int m = 0; m <= Order; ++m) curve[m] = x[m][s * stride + column];
    T composition[Order + 1][Order + 1];
    point::composition_weights<T, Order>(curve, composition);
    for (int j = 0; j <= Degree; ++j) {
      weights[0][j][s] = derivatives[0][j][s];
      for (int m = 1; m <= Order; ++m) {
        T sum = T(0);
        for (int r = 1; r <= m; ++r) sum += composition[r][m] * derivatives[r][j][s];
        weights[m][j][s] = sum;
      }
    }
  }
}

template <class T, int Degree>
void contract(int samples, const std::int32_t* first, const Weights<T, Degree>& weights,
              const T* coefficients, index n_out, T* y) {
  for (int s = 0; s < samples; ++s) {
    const T* rows = coefficients + first[s] * n_out;
    T* ys = y + s * n_out;
    for (index q = 0; q < n_out; ++q) {
      T sum = ys[q];
      for (int j = 0; j <= Degree; ++j) sum += weights[j][s] * rows[j * n_out + q];
      ys[q] = sum;
    }
  }
}

template <class T, int Degree>
void scatter(int samples, const std::int32_t* first, const Weights<T, Degree>& weights,
             const T* y_cotangent, index n_out, T* gradient) {
  for (int s = 0; s < samples; ++s) {
    T* rows = gradient + first[s] * n_out;
    const T* cys = y_cotangent + s * n_out;
    for (int j = 0; j <= Degree; ++j) {
      const T w = weights[j][s];
      for (index q = 0; q < n_out; ++q) rows[j * n_out + q] += w * cys[q];
    }
  }
}

template <class T, int Degree>
void project(int samples, const std::int32_t* first, const Weights<T, Degree>& weights,
             const T* y_cotangent, const T* coefficients, index n_out, T* x_cotangent,
             index stride) {
  for (int s = 0; s < samples; ++s) {
    const T* rows = coefficients + first[s] * n_out;
    const T* cys = y_cotangent + s * n_out;
    T products[Degree + 1] = {};
    for (index q = 0; q < n_out; ++q) {
      for (int j = 0; j <= Degree; ++j) products[j] += rows[j * n_out + q] * cys[q];
    }
    T sum = T(0);
    for (int j = 0; j <= Degree; ++j) sum += weights[j][s] * products[j];
    x_cotangent[s * stride] += sum;
  }
}

template <class T, int Degree, int Order>
Refusal spline_forward(const SplineLayerView<T>& layer, int samples, const T* const* x,
                       const T* parameters, const T* parameter_tangent, T* const* y) {
  for (int m = 0; m <= Order; ++m) std::fill_n(y[m], samples * layer.n_out, T(0));
  TileBasis<T, Degree, Order> basis;
  Weights<T, Degree> taylor[Order + 1];
  for (index p = 0; p < layer.n_in; ++p) {
    const int refused =
        basis.fill(layer.spaces[p], layer.extrapolation, samples, x[0] + p, layer.n_in);
    if (refused >= 0) return {refused, p};
    const auto* weights = basis.derivatives;
    if constexpr (Order > 0) {
      taylor_weights<T, Degree, Order>(samples, x, p, layer.n_in, basis.derivatives, taylor);
      weights = taylor;
    }
    const index offset = layer.rows[p] * layer.n_out;
    for (int m = 0; m <= Order; ++m) {
      contract<T, Degree>(samples, basis.first, weights[m], parameters + offset, layer.n_out, y[m]);
    }
    if constexpr (Order > 0) {
      if (parameter_tangent != nullptr) {
        contract<T, Degree>(samples, basis.first, weights[0], parameter_tangent + offset,
                            layer.n_out, y[1]);
      }
    }
  }
  return {};
}

template <class T, int Degree, int Order>
void spline_backward(const SplineLayerView<T>& layer, int samples, const T* const* x,
                     const T* parameters, const T* const* y_cotangent, T* parameter_gradient,
                     T* const* x_cotangent) {
  if (x_cotangent != nullptr) {
    for (int m = 0; m <= Order; ++m) std::fill_n(x_cotangent[m], samples * layer.n_in, T(0));
  }
  TileBasis<T, Degree, Order + 1> basis;
  Weights<T, Degree> taylor[Order + 1];
  for (index p = 0; p < layer.n_in; ++p) {
    basis.fill(layer.spaces[p], layer.extrapolation, samples, x[0] + p, layer.n_in);
    const index offset = layer.rows[p] * layer.n_out;
    const auto* values = basis.derivatives;
    if constexpr (Order > 0) {
      taylor_weights<T, Degree, Order>(samples, x, p, layer.n_in, basis.derivatives, taylor);
      values = taylor;
    }
    for (int m = 0; m <= Order; ++m) {
      scatter<T, Degree>(samples, basis.first, values[m], y_cotangent[m], layer.n_out,
                         parameter_gradient + offset);
    }
    if (x_cotangent == nullptr) continue;
    const auto* slopes = basis.derivatives + 1;
    if constexpr (Order > 0) {
      taylor_weights<T, Degree, Order>(samples, x, p, layer.n_in, basis.derivatives + 1, taylor);
      slopes = taylor;
    }
    for (int l = 0; l <= Order; ++l) {
      for (int m = l; m <= Order; ++m) {
        project<T, Degree>(samples, basis.first, slopes[m - l], y_cotangent[m], parameters + offset,
                           layer.n_out, x_cotangent[l] + p, layer.n_in);
      }
    }
  }
}

}  // namespace kanml::kernels
