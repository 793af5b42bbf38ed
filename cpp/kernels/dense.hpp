// A dense layer on a tile of samples: y = x W + b. W multiplies every Taylor plane; the bias is
// added to plane 0.
#pragma once

#include "kernels/dot.hpp"
#include "kernels/table.hpp"
#include "simd/vectors.hpp"

namespace kanml::kernels::inline KANML_TARGET {

// Width entries of Count rows of y: y_i += sum_p x[i x_row + p x_column] w_p. Several rows are
// computed at once, so that a row of W is loaded once for all and no addition waits for another.
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

// The same for one row, split into several sums.
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
  const auto in_strip = [&](index q, auto width) {
    index i = 0;
    for (; i + lanes <= rows; i += lanes) {
      multiply_rows<lanes, width>(terms, x + i * x_row, x_row, x_column, w + q, columns,
                                  y + i * columns + q, columns);
    }
    for (; i < rows; ++i) {
      multiply_row<width>(terms, x + i * x_row, x_column, w + q, columns, y + i * columns + q);
    }
  };
  for_outputs<full_lanes<T>>(0, columns, in_strip,
                             [&](index q) { in_strip(q, std::integral_constant<int, 1>{}); });
}

template <class T>
Refusal dense_forward(const DenseView& layer, const ForwardCall<T>& call) {
  const int samples = call.samples;
  const auto start_from_bias = [&](const T* source, T* plane) {
    const T* bias = source + layer.n_in * layer.n_out;
    for (int s = 0; s < samples; ++s) {
      for (index q = 0; q < layer.n_out; ++q) plane[s * layer.n_out + q] = bias[q];
    }
  };
  const auto add_product = [&](const T* x, const T* weights, T* y) {
    multiply_add(samples, layer.n_in, layer.n_out, x, layer.n_in, 1, weights, y);
  };
  for (int m = 0; m < call.directions.n_planes; ++m) {
    const T* source = m == 0 ? call.parameters : m == 1 ? call.parameter_tangent : nullptr;
    if (layer.bias && source != nullptr) {
      start_from_bias(source, call.y[m]);
    } else {
      clear(samples * layer.n_out, call.y[m]);
    }
    add_product(call.x[m], call.parameters, call.y[m]);
  }
  if (call.parameter_tangent != nullptr) add_product(call.x[0], call.parameter_tangent, call.y[1]);
  return {};
}

// The cotangents of the parameters of a dense layer: one outer product a sample and plane, and that
// of the bias.

template <class T>
void add_to_sum(const DenseView& layer, const BackwardCall<T>& call) {
  const auto [first, last] = call.inputs;
  const index n_out = layer.n_out;
  for (int m = 0; m < call.directions.n_planes; ++m) {
    multiply_add(last - first, call.samples, n_out, call.x[m] + first, 1, layer.n_in,
                 call.y_cotangent[m], call.sink.gradient + first * n_out);
  }
  if (layer.bias && first == 0) {
    T* gradient = call.sink.gradient + layer.n_in * n_out;
    for (int s = 0; s < call.samples; ++s) {
      for (index q = 0; q < n_out; ++q) gradient[q] += call.y_cotangent[0][s * n_out + q];
    }
  }
}

template <class T>
void add_to_rows(const DenseView& layer, const BackwardCall<T>& call) {
  const index n_out = layer.n_out;
  for (int s = 0; s < call.samples; ++s) {
    T* const gradient = call.sink.gradient + s * call.sink.stride;
    for (int m = 0; m < call.directions.n_planes; ++m) {
      const T* const cotangent = call.y_cotangent[m] + s * n_out;
      for (index p = call.inputs.first; p < call.inputs.last; ++p) {
        const T x = call.x[m][s * layer.n_in + p];
        for (index q = 0; q < n_out; ++q) gradient[p * n_out + q] += x * cotangent[q];
      }
    }
    if (layer.bias && call.inputs.first == 0) {
      T* const of_bias = gradient + layer.n_in * n_out;
      for (index q = 0; q < n_out; ++q) of_bias[q] += call.y_cotangent[0][s * n_out + q];
    }
  }
}

template <class T>
void add_to_products(const DenseView& layer, const BackwardCall<T>& call) {
  const T* const direction = call.sink.direction;
  const index n_out = layer.n_out;
  for (int s = 0; s < call.samples; ++s) {
    T sum = 0;
    for (int m = 0; m < call.directions.n_planes; ++m) {
      const T* const cotangent = call.y_cotangent[m] + s * n_out;
      for (index p = call.inputs.first; p < call.inputs.last; ++p) {
        sum += call.x[m][s * layer.n_in + p] * dot(n_out, direction + p * n_out, cotangent);
      }
    }
    if (layer.bias && call.inputs.first == 0) {
      sum += dot(n_out, direction + layer.n_in * n_out, call.y_cotangent[0] + s * n_out);
    }
    call.sink.products[s] += sum;
  }
}

template <class T>
Refusal dense_backward(const DenseView& layer, const BackwardCall<T>& call) {
  if (call.sink.direction != nullptr) {
    add_to_products(layer, call);
  } else if (call.sink.stride != 0) {
    add_to_rows(layer, call);
  } else {
    add_to_sum(layer, call);
  }
  if (call.x_cotangent == nullptr) return {};
  const index n_in = layer.n_in;
  const index n_out = layer.n_out;
  for (int m = 0; m < call.directions.n_planes; ++m) {
    for (int s = 0; s < call.samples; ++s) {
      for (index p = call.inputs.first; p < call.inputs.last; ++p) {
        call.x_cotangent[m][s * n_in + p] =
            dot(n_out, call.parameters + p * n_out, call.y_cotangent[m] + s * n_out);
      }
    }
  }
  return {};
}

}  // namespace kanml::kernels::inline KANML_TARGET
