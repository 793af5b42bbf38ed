// A dense layer on a tile of samples: y = x W + b. Every Taylor plane passes through W alike; the
// bias belongs to plane 0.
#pragma once

#include "kernels/table.hpp"
#include "simd/vectors.hpp"

namespace kanml::kernels::inline KANML_TARGET {

// Several sums at once: one sum would wait for each addition before the next.
inline constexpr int lanes = 4;

// The sum of a[q] b[q], in lanes that are added at the end.
template <class T>
T dot(index n, const T* a, const T* b) {
  T sums[lanes] = {};
  index q = 0;
  for (; q + lanes <= n; q += lanes) {
    for (int l = 0; l < lanes; ++l) sums[l] += a[q + l] * b[q + l];
  }
  for (; q < n; ++q) sums[0] += a[q] * b[q];
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

// Width entries of some rows of y: y_i += sum_p x[i x_row + p x_column] w_p. Several rows at once,
// so that a row of W is loaded once for all of them and no addition waits for the one before.
template <int Count, int Width, class T>
[[gnu::always_inline]] inline void multiply_rows(index terms, const T* x, index x_row,
                                                 index x_column, const T* w, index w_row, T* y,
                                                 index y_row) {
  Vector<T, Width> sums[Count];
  for (int i = 0; i < Count; ++i) sums[i] = load<Width>(y + i * y_row);
  for (index p = 0; p < terms; ++p) {
    const auto row = load<Width>(w + p * w_row);
    for (int i = 0; i < Count; ++i) sums[i] += x[i * x_row + p * x_column] * row;
  }
  for (int i = 0; i < Count; ++i) store<Width>(y + i * y_row, sums[i]);
}

// The same for one row, in several sums.
template <int Width, class T>
[[gnu::always_inline]] inline void multiply_row(index terms, const T* x, index x_column, const T* w,
                                                index w_row, T* y) {
  Vector<T, Width> sums[lanes] = {load<Width>(y)};
  index p = 0;
  for (; p + lanes <= terms; p += lanes) {
    for (int l = 0; l < lanes; ++l) {
      sums[l] += x[(p + l) * x_column] * load<Width>(w + (p + l) * w_row);
    }
  }
  for (; p < terms; ++p) sums[0] += x[p * x_column] * load<Width>(w + p * w_row);
  store<Width>(y, (sums[0] + sums[1]) + (sums[2] + sums[3]));
}

// y (rows, columns) += x W with W (terms, columns); element (i, p) of x is x[i x_row + p x_column].
template <class T>
void multiply_add(index rows, index terms, index columns, const T* x, index x_row, index x_column,
                  const T* w, T* y) {
  const auto in_block = [&](index q, auto width) {
    index i = 0;
    for (; i + lanes <= rows; i += lanes) {
      multiply_rows<lanes, width>(terms, x + i * x_row, x_row, x_column, w + q, columns,
                                  y + i * columns + q, columns);
    }
    for (; i < rows; ++i) {
      multiply_row<width>(terms, x + i * x_row, x_column, w + q, columns, y + i * columns + q);
    }
  };
  for_outputs<full_lanes<T>>(0, columns, in_block,
                             [&](index q) { in_block(q, std::integral_constant<int, 1>{}); });
}

template <class T>
void linear_forward(const LinearLayerView<T>& layer, int samples, const Directions& directions,
                    const T* const* x, const T* parameters, const T* parameter_tangent,
                    T* const* y) {
  const auto start_from_bias = [&](const T* source, T* plane) {
    const T* bias = source + layer.n_in * layer.n_out;
    for (int s = 0; s < samples; ++s) {
      for (index q = 0; q < layer.n_out; ++q) plane[s * layer.n_out + q] = bias[q];
    }
  };
  for (int m = 0; m < directions.n_planes; ++m) {
    const T* source = m == 0 ? parameters : m == 1 ? parameter_tangent : nullptr;
    if (layer.bias && source != nullptr) {
      start_from_bias(source, y[m]);
    } else {
      clear(samples * layer.n_out, y[m]);
    }
    multiply_add(samples, layer.n_in, layer.n_out, x[m], layer.n_in, 1, parameters, y[m]);
  }
  if (parameter_tangent != nullptr) {
    multiply_add(samples, layer.n_in, layer.n_out, x[0], layer.n_in, 1, parameter_tangent, y[1]);
  }
}

template <class T>
void linear_backward(const LinearLayerView<T>& layer, int samples, const Directions& directions,
                     InputRange inputs, const T* const* x, const T* parameters,
                     const T* const* y_cotangent, T* parameter_gradient, T* const* x_cotangent) {
  const index n_in = layer.n_in;
  const index n_out = layer.n_out;
  for (int m = 0; m < directions.n_planes; ++m) {
    multiply_add(inputs.last - inputs.first, samples, n_out, x[m] + inputs.first, 1, n_in,
                 y_cotangent[m], parameter_gradient + inputs.first * n_out);
    if (x_cotangent == nullptr) continue;
    for (int s = 0; s < samples; ++s) {
      for (index p = inputs.first; p < inputs.last; ++p) {
        x_cotangent[m][s * n_in + p] =
            dot(n_out, parameters + p * n_out, y_cotangent[m] + s * n_out);
      }
    }
  }
  if (layer.bias && inputs.first == 0) {
    T* gradient = parameter_gradient + n_in * n_out;
    for (int s = 0; s < samples; ++s) {
      for (index q = 0; q < n_out; ++q) gradient[q] += y_cotangent[0][s * n_out + q];
    }
  }
}

}  // namespace kanml::kernels::inline KANML_TARGET
