// Samples so far outside the domain that weights overflow, above all infinite ones. The sum over
// functions is then inf - inf even if the spline has a finite or infinite value. So the functions
// are summed first, separately for each derivative at the end of the domain, and the distance from
// there enters last. This is slow, but rarely needed.
#pragma once

#include "kernels/basis/tile_basis.hpp"
#include "kernels/table.hpp"
#include "point/continuation.hpp"

namespace kanml::kernels::inline KANML_TARGET {

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
        const auto derivative = [&](int m, int j) { return basis.derivatives[m][j][s]; };
        return point::continued<Degree>(derivative, beyond[s], linear ? 1 : Degree,
                                        coefficients + offset + basis.first[s] * layer.n_out + q,
                                        layer.n_out);
      };
      for (index q = 0; q < layer.n_out; ++q) {
        const point::ValueAndSlope<T> at = spline(parameters, q);
        y[0][s * layer.n_out + q] += at.value;
        if (parameter_tangent == nullptr) continue;
        y[1][s * layer.n_out + q] +=
            at.slope * x[1][s * layer.n_in + p] + spline(parameter_tangent, q).value;
      }
    }
  }
}

}  // namespace kanml::kernels::inline KANML_TARGET
