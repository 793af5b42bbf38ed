// Layers of splines: y_q = sum_p phi_pq(x_p), and weights of a base function beside them.
#pragma once

#include "block/coefficients.hpp"
#include "block/linear.hpp"
#include "block/pointwise.hpp"
#include "point/basis.hpp"
#include "point/continuation.hpp"

namespace kanml::block {

// The Degree + 1 functions that are nonzero at a point.
template <class T, int Degree, int Top>
struct BasisAt {
  std::int32_t first;                  // the index of the first of them
  T derivatives[Top + 1][Degree + 1];  // of orders 0..Top
};

// The polynomial pieces of the interval of x, or of the end interval outside the domain.
template <class T, int Degree, int Top>
KANML_DEVICE inline void find_basis(const point::SpaceView<T>& space, T x,
                                    BasisAt<T, Degree, Top>& basis) {
  if (!space.uniform) {
    basis.first = point::find_interval(space, Degree, x);
    const point::KnotsAround<T> knots{space, basis.first + Degree, x};
    point::basis<T, Degree, Top>(knots, basis.derivatives);
  } else if constexpr (std::is_same_v<T, double>) {
    // Knots are numbers of type double. In double their rounding matters, so they are looked up; in
    // float they are multiples of one spacing.
    basis.first = point::find_interval(space, Degree, x);
    const T* const knots = space.knots + basis.first + Degree;
    point::basis<T, Degree, Top>(point::between_knots(x - knots[0], knots[1] - x, space.frequency),
                                 basis.derivatives);
  } else {
    T interval;
    T distances[2];
    point::locate(space.uniform_knots, x, interval, distances);
    basis.first = static_cast<std::int32_t>(interval);
    const point::UniformKnotsAround<T, T> knots{distances[0] * space.frequency,
                                                distances[1] * space.frequency, space.frequency};
    point::basis<T, Degree, Top>(knots, basis.derivatives);
  }
}

// The end of the domain, for points beyond it.
template <class T>
KANML_DEVICE inline T nearest_inside(const point::SpaceView<T>& space, T x) {
  return x < space.lower ? space.lower : x > space.upper ? space.upper : x;  // NaN stays NaN
}
template <class T>
KANML_DEVICE inline bool is_outside(const point::SpaceView<T>& space, T x) {
  return x < space.lower || x > space.upper;
}

// The same with a layer's rule outside the domain. Top is at least 1, since values that go on
// linearly need slopes.
template <class T, int Degree, int Top>
KANML_DEVICE inline void find_basis(const point::SpaceView<T>& space, Extrapolation rule, T x,
                                    BasisAt<T, Degree, Top>& basis) {
  const T end = nearest_inside(space, x);
  find_basis(space, rule == Extrapolation::polynomial ? x : end, basis);
  if (!is_outside(space, x) || rule == Extrapolation::polynomial) return;
  const bool linear = rule == Extrapolation::linear;
  for (int j = 0; j <= Degree; ++j) {
    const T slope = basis.derivatives[1][j];
    if (linear && slope != T(0)) basis.derivatives[0][j] += slope * (x - end);
    if (!linear) basis.derivatives[1][j] = T(0);
    for (int m = 2; m <= Top; ++m) basis.derivatives[m][j] = T(0);
  }
}

// The functions of one input at a sample, as far as all outputs share them.
template <class T, int Degree, int Top>
struct EdgesAt {
  BasisAt<T, Degree, Top> basis;
  T base[Top + 1] = {};  // derivatives of the base function
  bool has_base;

  KANML_DEVICE EdgesAt(const SplinesView<T>& splines, int p, T x)
      : has_base(splines.layer.has_base) {
    find_basis(splines.space(p), splines.layer.extrapolation, x, basis);
    if (has_base) activation_derivatives<T, Top>(splines.layer.base, x, base);
  }

  // Derivatives From..To of the functions to the outputs q .. q + Width - 1.
  template <int From, int To, int Width, class Numbers>
  KANML_DEVICE void derivatives(const EdgeCoefficients<Numbers>& from, int q,
                                T (&z)[Width][To - From + 1]) const {
    for (int i = 0; i < Width; ++i) {
      for (int r = 0; r <= To - From; ++r) z[i][r] = T(0);
    }
    for (int j = 0; j <= Degree; ++j) {
      for (int i = 0; i < Width; ++i) {
        const T c = from.rows[j * from.stride + q + i];
        for (int r = 0; r <= To - From; ++r) z[i][r] += basis.derivatives[From + r][j] * c;
      }
    }
    if (!has_base) return;
    for (int i = 0; i < Width; ++i) {
      const T w = from.weights[q + i];
      for (int r = 0; r <= To - From; ++r) z[i][r] += base[From + r] * w;
    }
  }

  // Whether weights overflow, although x is a number.
  KANML_DEVICE bool overflows(T x) const {
    T zeros = T(0);  // or NaN
    for (int j = 0; j <= Degree; ++j) zeros += basis.derivatives[0][j] - basis.derivatives[0][j];
    return x == x && zeros != T(0);
  }
};

// The values of outputs at such a sample: coefficients are summed before distances enter.
template <class T, int Degree, class Array>
[[gnu::noinline]] KANML_DEVICE void sum_before_distances(const Team& team,
                                                         const SplinesView<T>& splines, int s,
                                                         int group, const Planes<Array>& in,
                                                         const Planes<Array>& out) {
  const LayerRecord& layer = splines.layer;
  const int top = layer.extrapolation == Extrapolation::linear ? 1 : Degree;
  const index n_out = layer.n_out;
  for_strips(team, group, layer.n_out, [&](int first, auto width) {
    for (int q = first; q < first + width; ++q) {
      T sum = T(0);
      for (int p = 0; p < layer.n_in; ++p) {
        const T x = in(0, p, s);
        const T end = nearest_inside(splines.space(p), x);
        BasisAt<T, Degree, Degree> basis;
        find_basis(splines.space(p), end, basis);
        const auto derivative = [&](int m, int j) { return basis.derivatives[m][j]; };
        const T* const coefficients = splines.parameters + splines.rows(p) + q;
        sum += point::continued<Degree>(derivative, x - end, top,
                                        coefficients + basis.first * n_out, n_out)
                   .value;
        if (layer.has_base) {
          T base[1] = {};
          activation_derivatives<T, 0>(layer.base, x, base);
          sum += base[0] * splines.parameters[splines.weights(p) + q];
        }
      }
      out(0, q, s) = sum;
    }
  });
}

// A thread owns the outputs of its group at its sample. Calls refuse(s, p, x) for inputs that the
// layer refuses, by one thread of each sample.
template <class T, int Degree, int Order, class Block, class Memory, class Array, class Refuse>
KANML_DEVICE void spline_forward(Block& block, const Team& team, const SplinesView<T>& splines,
                                 const CurvesView<T>& curves, const Tile& tile,
                                 const Memory& memory, const Planes<Array>& in,
                                 const Planes<Array>& out, const Refuse& refuse) {
  constexpr int top = Order < 1 ? 1 : Order;
  const LayerRecord& layer = splines.layer;
  typename Block::template PerThread<bool, 1> overflows(block);
  for_inputs(block, team, splines, memory, [&](int first, int end, const auto& coefficients_of) {
    for_samples(block, team, tile, [&](int s, int group) {
      bool& overflow = overflows[team.thread_of(s, group)][0];
      if (first == 0) overflow = false;
      for (int p = first; p < end; ++p) {
        const T x = in(0, p, s);
        const EdgesAt<T, Degree, top> edges(splines, p, x);
        const auto coefficients = coefficients_of(p, edges.basis.first);
        overflow |= edges.overflows(x);
        if (group == 0 && layer.extrapolation == Extrapolation::error &&
            is_outside(splines.space(p), x)) {
          refuse(s, p, x);
        }
        for_strips(team, group, layer.n_out, [&](int q, auto width) {
          T z[width][Order + 1];
          edges.template derivatives<0, Order>(coefficients, q, z);
          const auto add = [&](int plane, int i, T term) {
            const T before = p == 0 ? T(0) : T(out(plane, q + i, s));
            out(plane, q + i, s) = before + term;
          };
          for (int i = 0; i < width; ++i) add(0, i, z[i][0]);
          for_directions<Order>(curves, [&](auto order, int plane) {
            const Composition<T, order> composition(in, plane, p, s);
            for (int i = 0; i < width; ++i) {
              for (int m = 1; m <= order; ++m) add(plane + m - 1, i, composition.composed(m, z[i]));
            }
          });
        });
      }
    });
  });
  phase_of_samples(block, team, tile, [&](int s, int group) {
    if (overflows[team.thread_of(s, group)][0]) {
      sum_before_distances<T, Degree>(team, splines, s, group, in, out);
    }
  });
}

// A thread owns the cotangents of the inputs of its group at its sample.
template <class T, int Degree, int Order, class Block, class Memory, class Array>
KANML_DEVICE void spline_back(Block& block, const Team& team, const SplinesView<T>& splines,
                              const CurvesView<T>& curves, const Tile& tile, const Memory& memory,
                              const Planes<Array>& in, const Planes<Array>& cy,
                              const Planes<Array>& cx) {
  for_inputs(block, team, splines, memory, [&](int first, int end, const auto& coefficients_of) {
    for_samples(block, team, tile, [&](int s, int group) {
      for (int p = first + group; p < end; p += team.groups) {
        for (int m = 0; m < curves.n_planes; ++m) cx(m, p, s) = T(0);
        const EdgesAt<T, Degree, Order + 1> edges(splines, p, in(0, p, s));
        const auto coefficients = coefficients_of(p, edges.basis.first);
        for_strips({team.samples, 1}, 0, splines.layer.n_out, [&](int q, auto width) {
          T slopes[width][Order + 1];
          edges.template derivatives<1, Order + 1>(coefficients, q, slopes);
          add_cotangents<Order>(curves, slopes, in, cy, q, cx, p, s);
        });
      }
    });
  });
  block.sync();
}

}  // namespace kanml::block
