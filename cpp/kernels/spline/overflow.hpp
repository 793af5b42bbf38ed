// Samples so far outside the domain that weights overflow, above all infinite ones. The sum over
// functions is then inf - inf even if the spline has a finite or infinite value. So the functions
// are summed first, separately for each derivative at the end of the domain, and the distance from
// there enters last. This is slow, but rarely needed.
#pragma once

#include "kernels/basis/tile_basis.hpp"
#include "kernels/table.hpp"

namespace kanml::kernels::inline KANML_TARGET {

template <class T>
struct ValueAndSlope {
  T value;
  T slope;
};

// Value and slope of a spline at the distance `beyond` from the point at which the basis was
// evaluated, from its Taylor coefficients of orders 0 .. top there, by Horner's scheme.
template <class T, int Degree>
ValueAndSlope<T> continued(const TileBasis<T, Degree, Degree>& basis, int sample, T beyond, int top,
                           const T* coefficients, index n_out) {
  const T* const c = coefficients + basis.first[sample] * n_out;
  T taylor[Degree + 1] = {};
  for (int j = 0; j <= Degree; ++j) taylor[0] += basis.derivatives[0][j][sample] * c[j * n_out];
  T factorial = 1;
  for (int m = 1; m <= top; ++m) {
    factorial *= static_cast<T>(m);
    // From differences of coefficients, so that a constant has no slope.
    T sum = 0;
    for (int j = 0; j < Degree; ++j) {
      sum -= basis.derivatives[m][j][sample];
      taylor[m] += sum * (c[(j + 1) * n_out] - c[j * n_out]);
    }
    taylor[m] /= factorial;
  }
  ValueAndSlope<T> at{taylor[top], static_cast<T>(top) * taylor[top]};
  for (int m = top; m-- > 0;) {
    at.value = at.value * beyond + taylor[m];
    if (m > 0) at.slope = at.slope * beyond + static_cast<T>(m) * taylor[m];
  }
  return at;
}

// Recomputes the planes of such samples: the values, and plane 1 if it includes parameter_tangent.
// The weights of other planes are finite.
template <class T, int Degree>
[[gnu::noinline]] void sum_before_distances(const SplineView<T>& layer,
                                            const ForwardCall<T>& call) {
  const int samples = call.samples;
  const T* const* const x = call.x;
  const T* const parameters = call.parameters;
  const T* const parameter_tangent = call.parameter_tangent;
  T* const* const y = call.y;
  const bool linear = layer.extrapolation == Extrapolation::linear;
  alignas(cache_line) T column[tile_size];
  const auto take_column = [&](index p) {
    for (int s = 0; s < samples; ++s) column[s] = x[0][s * layer.n_in + p];
  };

  bool overflows[tile_size] = {};
  for (index p = 0; p < layer.n_in; ++p) {
    TileBasis<T, Degree, 0> weights;
    take_column(p);
    weights.fill(layer.spaces[p], layer.extrapolation, samples, column);
    for (int s = 0; s < samples; ++s) {
      const bool nan = column[s] != column[s];
      for (int j = 0; j <= Degree; ++j) {
        overflows[s] |= !nan && weights.derivatives[0][j][s] - weights.derivatives[0][j][s] != T(0);
      }
    }
  }

  for (int s = 0; s < samples; ++s) {
    if (!overflows[s]) continue;
    clear(layer.n_out, y[0] + s * layer.n_out);
    if (parameter_tangent != nullptr) clear(layer.n_out, y[1] + s * layer.n_out);
  }
  for (index p = 0; p < layer.n_in; ++p) {
    const auto& space = layer.spaces[p];
    const index offset = layer.rows[p] * layer.n_out;
    TileBasis<T, Degree, Degree> basis;  // at the ends of the domain
    T beyond[tile_size];
    take_column(p);
    for (int s = 0; s < samples; ++s) {
      const T xs = column[s];
      column[s] = xs < space.lower ? space.lower : xs > space.upper ? space.upper : xs;
      beyond[s] = xs - column[s];
    }
    basis.fill(space, Extrapolation::polynomial, samples, column);
    for (int s = 0; s < samples; ++s) {
      if (!overflows[s]) continue;
      const auto spline = [&](const T* coefficients, index q) {
        return continued(basis, s, beyond[s], linear ? 1 : Degree, coefficients + offset + q,
                         layer.n_out);
      };
      for (index q = 0; q < layer.n_out; ++q) {
        const ValueAndSlope<T> at = spline(parameters, q);
        y[0][s * layer.n_out + q] += at.value;
        if (parameter_tangent == nullptr) continue;
        y[1][s * layer.n_out + q] +=
            at.slope * x[1][s * layer.n_in + p] + spline(parameter_tangent, q).value;
      }
    }
  }
}

}  // namespace kanml::kernels::inline KANML_TARGET
