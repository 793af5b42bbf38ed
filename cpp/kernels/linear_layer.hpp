// A dense layer on a tile of samples: y = x W + b. Every Taylor plane passes through W alike; the
// bias belongs to plane 0.
#pragma once

#include <algorithm>

#include "kernels/table.hpp"

namespace kanml::kernels {

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

// target (n) += sum_i factors[i stride] rows_i, i = 0 .. count - 1, the rows (count, n) in order.
// Several at a time: target is then loaded and stored once for all of them.
template <class T>
void add_combination(index count, const T* factors, index stride, const T* rows, index n,
                     T* __restrict target) {
  index i = 0;
  for (; i + lanes <= count; i += lanes) {
    const T a = factors[i * stride];
    const T b = factors[(i + 1) * stride];
    const T c = factors[(i + 2) * stride];
    const T d = factors[(i + 3) * stride];
    const T* row = rows + i * n;
    for (index q = 0; q < n; ++q) {
      target[q] = target[q] + a * row[q] + b * row[n + q] + c * row[2 * n + q] + d * row[3 * n + q];
    }
  }
  for (; i < count; ++i) {
    const T a = factors[i * stride];
    for (index q = 0; q < n; ++q) target[q] += a * rows[i * n + q];
  }
}

// y (samples, n_out) += x (samples, n_in) W (n_in, n_out)
template <class T>
void multiply_add(int samples, index n_in, index n_out, const T* x, const T* weights, T* y) {
  for (int s = 0; s < samples; ++s) {
    add_combination(n_in, x + s * n_in, 1, weights, n_out, y + s * n_out);
  }
}

template <class T>
void linear_forward(const LinearLayerView<T>& layer, int samples, const Directions& directions,
                    const T* const* x, const T* parameters, const T* parameter_tangent,
                    T* const* y) {
  const auto start_from_bias = [&](const T* source, T* plane) {
    const T* bias = source + layer.n_in * layer.n_out;
    for (int s = 0; s < samples; ++s) std::copy_n(bias, layer.n_out, plane + s * layer.n_out);
  };
  for (int m = 0; m < directions.n_planes; ++m) {
    const T* source = m == 0 ? parameters : m == 1 ? parameter_tangent : nullptr;
    if (layer.bias && source != nullptr) {
      start_from_bias(source, y[m]);
    } else {
      std::fill_n(y[m], samples * layer.n_out, T(0));
    }
    multiply_add(samples, layer.n_in, layer.n_out, x[m], parameters, y[m]);
  }
  if (parameter_tangent != nullptr) {
    multiply_add(samples, layer.n_in, layer.n_out, x[0], parameter_tangent, y[1]);
  }
}

template <class T>
void linear_backward(const LinearLayerView<T>& layer, int samples, const Directions& directions,
                     const T* const* x, const T* parameters, const T* const* y_cotangent,
                     T* parameter_gradient, T* const* x_cotangent) {
  const index n_in = layer.n_in;
  const index n_out = layer.n_out;
  for (int m = 0; m < directions.n_planes; ++m) {
    for (index p = 0; p < n_in; ++p) {
      add_combination(samples, x[m] + p, n_in, y_cotangent[m], n_out,
                      parameter_gradient + p * n_out);
    }
    if (x_cotangent == nullptr) continue;
    for (int s = 0; s < samples; ++s) {
      for (index p = 0; p < n_in; ++p) {
        x_cotangent[m][s * n_in + p] =
            dot(n_out, parameters + p * n_out, y_cotangent[m] + s * n_out);
      }
    }
  }
  if (layer.bias) {
    T* gradient = parameter_gradient + n_in * n_out;
    for (int s = 0; s < samples; ++s) {
      for (index q = 0; q < n_out; ++q) gradient[q] += y_cotangent[0][s * n_out + q];
    }
  }
}

}  // namespace kanml::kernels
