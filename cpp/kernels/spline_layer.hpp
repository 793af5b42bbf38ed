// A layer of splines on a tile of samples: y_q = sum_p phi_pq(x_p).
//
// Everything that depends on the point alone is a set of Degree + 1 weights a sample and input:
// for each direction W_m, the Taylor coefficients of the basis along the curve x(s), and V_m, those
// of its derivative. What remains is three contractions of weights with coefficient rows:
//   contract   y_m[q]  += sum_j W_m[j] c_j[q]
//   scatter    cc_j[q] += sum_m W_m[j] cy_m[q]
//   project    cx_l    += sum_{m >= l} sum_j V_{m-l}[j] sum_q c_j[q] cy_m[q]
// W_0 and V_0 are the same for all directions. The kernels run them over groups of planes that
// share coefficient rows: plane 0 alone, then the planes of each direction.
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

// The composition weights of one direction on a tile, and with them Taylor coefficients m = 1 ..
// Order of the functions whose derivatives are given. Those above the direction's order are zero.
template <class T, int Degree, int Order>
class Curves {
 public:
  // `x` are the direction's planes, from order 1 on; `column` an input of n_in.
  void fill(int samples, int order, const T* const* x, index column, index n_in) {
    for (int s = 0; s < samples; ++s) {
      T curve[Order + 1] = {};
      for (int m = 1; m <= order; ++m) curve[m] = x[m - 1][s * n_in + column];
      T composition[Order + 1][Order + 1];
      point::composition_weights<T, Order>(curve, composition);
      for (int r = 1; r <= Order; ++r) {
        for (int m = r; m <= Order; ++m) composition_[r][m][s] = composition[r][m];
      }
    }
  }

  // weights[m - 1] = sum_r composition[r][m] derivatives[r]
  void taylor(int samples, int order, const Weights<T, Degree>* derivatives,
              Weights<T, Degree>* weights) const {
    for (int m = 1; m <= order; ++m) {
      for (int j = 0; j <= Degree; ++j) {
        for (int s = 0; s < samples; ++s) {
          T sum = T(0);
          for (int r = 1; r <= m; ++r) sum += composition_[r][m][s] * derivatives[r][j][s];
          weights[m - 1][j][s] = sum;
        }
      }
    }
  }

 private:
  T composition_[Order + 1][Order + 1][tile_size];
};

// Calls f(first, integral constant) for outputs in blocks: of `block` while there are as many, then
// one by one. With a constant number of outputs, sums stay in registers and become vectors.
inline constexpr int block = 4;

template <class F>
void for_blocks(index n_out, const F& f) {
  index q = 0;
  for (; q + block <= n_out; q += block) f(q, std::integral_constant<int, block>{});
  for (; q < n_out; ++q) f(q, std::integral_constant<int, 1>{});
}

template <class T, int Degree, int Planes>
void contract(int samples, const std::int32_t* first, const Weights<T, Degree>* weights,
              const T* coefficients, index n_out, T* const* y) {
  for (int s = 0; s < samples; ++s) {
    const T* rows = coefficients + first[s] * n_out;
    for_blocks(n_out, [&](index q, auto width) {
      T sums[Planes][width];
      for (int m = 0; m < Planes; ++m) {
        for (int b = 0; b < width; ++b) sums[m][b] = y[m][s * n_out + q + b];
      }
      for (int j = 0; j <= Degree; ++j) {
        for (int m = 0; m < Planes; ++m) {
          const T w = weights[m][j][s];
          for (int b = 0; b < width; ++b) sums[m][b] += w * rows[j * n_out + q + b];
        }
      }
      for (int m = 0; m < Planes; ++m) {
        for (int b = 0; b < width; ++b) y[m][s * n_out + q + b] = sums[m][b];
      }
    });
  }
}

template <class T, int Degree, int Planes>
void scatter(int samples, const std::int32_t* first, const Weights<T, Degree>* weights,
             const T* const* y_cotangent, index n_out, T* gradient) {
  for (int s = 0; s < samples; ++s) {
    T* rows = gradient + first[s] * n_out;
    for_blocks(n_out, [&](index q, auto width) {
      T cotangents[Planes][width];
      for (int m = 0; m < Planes; ++m) {
        for (int b = 0; b < width; ++b) cotangents[m][b] = y_cotangent[m][s * n_out + q + b];
      }
      for (int j = 0; j <= Degree; ++j) {
        T sums[width];
        for (int b = 0; b < width; ++b) sums[b] = rows[j * n_out + q + b];
        for (int m = 0; m < Planes; ++m) {
          const T w = weights[m][j][s];
          for (int b = 0; b < width; ++b) sums[b] += w * cotangents[m][b];
        }
        for (int b = 0; b < width; ++b) rows[j * n_out + q + b] = sums[b];
      }
    });
  }
}

// products[m][j][s] = sum_q c_j[q] cy_m[q], the rows being those of sample s. The sum runs in
// `block` lanes, which are added at the end.
template <class T, int Degree, int Planes>
void products_with_rows(int samples, const std::int32_t* first, const T* const* y_cotangent,
                        const T* coefficients, index n_out, Weights<T, Degree>* products) {
  for (int s = 0; s < samples; ++s) {
    const T* rows = coefficients + first[s] * n_out;
    T sums[Planes][Degree + 1][block] = {};
    for_blocks(n_out, [&](index q, auto width) {
      for (int m = 0; m < Planes; ++m) {
        for (int j = 0; j <= Degree; ++j) {
          for (int b = 0; b < width; ++b) {
            sums[m][j][b] += rows[j * n_out + q + b] * y_cotangent[m][s * n_out + q + b];
          }
        }
      }
    });
    for (int m = 0; m < Planes; ++m) {
      for (int j = 0; j <= Degree; ++j) {
        T sum = T(0);
        for (int b = 0; b < block; ++b) sum += sums[m][j][b];
        products[m][j][s] = sum;
      }
    }
  }
}

// sum_j a[j] b[j], added to one column of a plane.
template <class T, int Degree>
void add_products(int samples, const Weights<T, Degree>& a, const Weights<T, Degree>& b, T* column,
                  index stride) {
  for (int s = 0; s < samples; ++s) {
    T sum = T(0);
    for (int j = 0; j <= Degree; ++j) sum += a[j][s] * b[j][s];
    column[s * stride] += sum;
  }
}

template <class T, int Degree, int Order>
Refusal spline_forward(const SplineLayerView<T>& layer, int samples, const Directions& directions,
                       const T* const* x, const T* parameters, const T* parameter_tangent,
                       T* const* y) {
  for (int m = 0; m < directions.n_planes; ++m) std::fill_n(y[m], samples * layer.n_out, T(0));
  TileBasis<T, Degree, Order> basis;
  for (index p = 0; p < layer.n_in; ++p) {
    const int refused =
        basis.fill(layer.spaces[p], layer.extrapolation, samples, x[0] + p, layer.n_in);
    if (refused >= 0) return {refused, p};
    const index offset = layer.rows[p] * layer.n_out;
    const T* coefficients = parameters + offset;
    contract<T, Degree, 1>(samples, basis.first, basis.derivatives, coefficients, layer.n_out, y);
    if constexpr (Order > 0) {
      for (int d = 0; d < directions.count; ++d) {
        const int plane = directions.planes[d];
        Curves<T, Degree, Order> curves;
        Weights<T, Degree> weights[Order];
        curves.fill(samples, directions.orders[d], x + plane, p, layer.n_in);
        curves.taylor(samples, directions.orders[d], basis.derivatives, weights);
        for_order<Order>(directions.orders[d], [&](auto planes) {
          contract<T, Degree, planes>(samples, basis.first, weights, coefficients, layer.n_out,
                                      y + plane);
        });
      }
      if (parameter_tangent != nullptr) {
        contract<T, Degree, 1>(samples, basis.first, basis.derivatives, parameter_tangent + offset,
                               layer.n_out, y + 1);
      }
    }
  }
  return {};
}

template <class T, int Degree, int Order>
Refusal spline_backward(const SplineLayerView<T>& layer, int samples, const Directions& directions,
                        const T* const* x, const T* parameters, const T* const* y_cotangent,
                        T* parameter_gradient, T* const* x_cotangent) {
  if (x_cotangent != nullptr) {
    for (int m = 0; m < directions.n_planes; ++m) {
      std::fill_n(x_cotangent[m], samples * layer.n_in, T(0));
    }
  }
  TileBasis<T, Degree, Order + 1> basis;
  const auto& values = basis.derivatives;
  const auto* slopes = basis.derivatives + 1;
  Weights<T, Degree> products[Order + 1];
  for (index p = 0; p < layer.n_in; ++p) {
    const int refused =
        basis.fill(layer.spaces[p], layer.extrapolation, samples, x[0] + p, layer.n_in);
    if (refused >= 0) return {refused, p};
    const index offset = layer.rows[p] * layer.n_out;
    const T* coefficients = parameters + offset;
    T* gradient = parameter_gradient + offset;
    scatter<T, Degree, 1>(samples, basis.first, values, y_cotangent, layer.n_out, gradient);
    if (x_cotangent != nullptr) {
      products_with_rows<T, Degree, 1>(samples, basis.first, y_cotangent, coefficients, layer.n_out,
                                       products);
      add_products<T, Degree>(samples, slopes[0], products[0], x_cotangent[0] + p, layer.n_in);
    }
    if constexpr (Order > 0) {
      for (int d = 0; d < directions.count; ++d) {
        const int order = directions.orders[d];
        const int plane = directions.planes[d];
        Curves<T, Degree, Order> curves;
        Weights<T, Degree> weights[Order];
        curves.fill(samples, order, x + plane, p, layer.n_in);
        curves.taylor(samples, order, values, weights);
        for_order<Order>(order, [&](auto planes) {
          scatter<T, Degree, planes>(samples, basis.first, weights, y_cotangent + plane,
                                     layer.n_out, gradient);
          if (x_cotangent == nullptr) return;
          products_with_rows<T, Degree, planes>(samples, basis.first, y_cotangent + plane,
                                                coefficients, layer.n_out, products);
        });
        if (x_cotangent == nullptr) continue;
        curves.taylor(samples, order, slopes, weights);
        for (int m = 1; m <= order; ++m) {
          add_products<T, Degree>(samples, weights[m - 1], products[m - 1], x_cotangent[0] + p,
                                  layer.n_in);
          for (int l = 1; l <= m; ++l) {
            add_products<T, Degree>(samples, l == m ? slopes[0] : weights[m - l - 1],
                                    products[m - 1], x_cotangent[plane + l - 1] + p, layer.n_in);
          }
        }
      }
    }
  }
  return {};
}

}  // namespace kanml::kernels
