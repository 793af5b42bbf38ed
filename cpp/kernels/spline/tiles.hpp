// A layer of splines on a tile of samples: y_q = sum_p phi_pq(x_p).
//
// Everything that depends on the point alone is a set of Degree + 1 weights a sample and input:
// for each direction W_m, the Taylor coefficients of the basis along the curve x(s), and V_m, those
// of its derivative. What remains is three contractions of weights with coefficient rows:
//   contract   y_m[q]  += sum_j W_m[j] c_j[q]
//   scatter    cc_j[q] += sum_m W_m[j] cy_m[q]
//   project    cx_l    += sum_{m >= l} sum_q cy_m[q] z_{m-l}[q],  z_r[q] = sum_j V_r[j] c_j[q]
// W_0 and V_0 are the same for all directions.
//
// Outputs are taken in blocks that fill a vector register, then half a register, down to four: a
// block goes through all samples, each with rows of its own. The last one to three outputs are
// columns: there vectors run over samples, and the coefficients of the samples are gathered.
#pragma once

#include "kernels/basis/tile_basis.hpp"
#include "kernels/orders.hpp"
#include "kernels/spline/overflow.hpp"
#include "kernels/table.hpp"
#include "simd/vectors.hpp"

namespace kanml::kernels::inline KANML_TARGET {

// Planes that share coefficient rows, with their weights.
inline constexpr int group_capacity = 4;  // as many as keep their sums in registers
template <class T, int Degree>
struct PlaneGroup {
  int count;
  const Weights<T, Degree>* weights;  // (count)
  T* y[group_capacity];
};

template <class T, int Degree, int Planes, int Width>
void contract_block(int samples, const std::int32_t* first, const PlaneGroup<T, Degree> group,
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

template <class T, int Degree, int Planes, int Width>
void scatter_block(int samples, const std::int32_t* first, const PlaneGroup<T, Degree> group,
                   T* gradient, index n_out, index q) {
  for (int s = 0; s < samples; ++s) {
    T* rows = gradient + first[s] * n_out + q;
    Vector<T, Width> cotangents[Planes];
    for (int m = 0; m < Planes; ++m) cotangents[m] = load<Width>(group.y[m] + s * n_out + q);
    for (int j = 0; j <= Degree; ++j) {
      // The row comes last: the sample before may have just written it.
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

// How many planes a group may have.
template <int Order>
inline constexpr int highest_count = Order == 0 ? 1 : group_capacity;

template <class T, int Degree, int Order, int Top>
using LayerBasis = TileBasis<T, Degree, Top, Order == 0 ? 1 : 1 + group_capacity>;

// The planes of a layer's inputs, one input after the other, in memory of the caller.
template <class T>
class Columns {
 public:
  // Of some inputs. `memory` has room for all: (n_planes, n_in, tile_size).
  Columns(int samples, int n_planes, InputRange inputs, index n_in, const T* const* x, T* memory)
      : n_in_(n_in), memory_(memory) {
    for (int m = 0; m < n_planes; ++m) {
      transpose_matrix(samples, inputs.last - inputs.first, x[m] + inputs.first, n_in,
                       memory + (m * n_in + inputs.first) * tile_size, tile_size);
    }
  }

  const T* operator()(int plane, index input) const {
    return memory_ + (plane * n_in_ + input) * tile_size;
  }
  index plane_stride() const { return n_in_ * tile_size; }

 private:
  index n_in_;
  const T* memory_;
};

// The planes of all directions, in groups: calls f(group) with the weights W_m of each plane and
// its values or cotangents in `y`, and before that along(direction, its curves).
template <class T, int Degree, int Order, int Top, class F, class Along>
[[gnu::always_inline]] inline void for_plane_groups(LayerBasis<T, Degree, Order, Top>& basis,
                                                    int samples, const Directions& directions,
                                                    const Columns<T>& x, index p, T* const* y,
                                                    const F& f, const Along& along) {
  PlaneGroup<T, Degree> group{1, basis.planes, {y[0]}};
  if constexpr (Order > 0) {
    for (int d = 0; d < directions.count; ++d) {
      const int plane = directions.planes[d];
      if (group.count + directions.orders[d] > group_capacity) {
        f(group);
        group = {0, basis.planes + 1, {}};
      }
      for_order<Order>(directions.orders[d], [&](auto order) {
        const TileCurves<T, Degree, order> curves(samples, x(plane, p), x.plane_stride());
        along(d, curves);
        const auto first = group.weights - basis.planes + group.count;
        curves.taylor(basis.derivatives, basis.planes + first);
        for (int m = 0; m < order; ++m) group.y[group.count++] = y[plane + m];
      });
    }
  }
  f(group);
}

template <class T, int Degree, int Highest>
void contract(int samples, const std::int32_t* first, const PlaneGroup<T, Degree>& group,
              const T* coefficients, index n_out) {
  for_order<Highest>(group.count, [&](auto planes) {
    for_outputs<full_lanes<T>>(
        0, n_out,
        [&](index q, auto width) {
          contract_block<T, Degree, planes, width>(samples, first, group, coefficients, n_out, q);
        },
        [&](index q) {
          contract_column<T, Degree, planes>(samples, first, group, coefficients, n_out, q);
        });
  });
}

template <class T, int Degree, int Highest>
void scatter(int samples, const std::int32_t* first, const PlaneGroup<T, Degree>& group,
             T* gradient, index n_out) {
  for_order<Highest>(group.count, [&](auto planes) {
    for_outputs<full_lanes<T>>(
        0, n_out,
        [&](index q, auto width) {
          scatter_block<T, Degree, planes, width>(samples, first, group, gradient, n_out, q);
        },
        [&](index q) {
          scatter_column<T, Degree, planes>(samples, first, group, gradient, n_out, q);
        });
  });
}

// Directions whose planes are projected together, since they share rows and V_0: one, or two with
// few planes. Plane 0 comes first, then the orders 1, 2, ... of each direction.
template <class T, int Degree>
struct Projection {
  const Weights<T, Degree>* value_slopes;  // V_0
  const Weights<T, Degree>* slopes;        // (planes - 1): V_1, V_2, ... of each direction
  const T* cy[1 + group_capacity];
  T* cx[1 + group_capacity];  // of one input
};

// Calls f(l, m, r) for every term cy_m z_r of cx_l, where planes count as in a Projection of two
// directions of these orders. Plane 0, which all directions share, is left to the Projection that
// has `with_value`.
template <int Order1, int Order2, bool with_value, class F>
[[gnu::always_inline]] inline void for_terms(const F& f) {
  if (with_value) f(0, 0, 0);
  const auto of_direction = [&](int before, int order) __attribute__((always_inline)) {
    for (int m = 1; m <= order; ++m) {
      f(0, before + m, before + m);
      for (int l = 1; l <= m; ++l) f(before + l, before + m, l < m ? before + m - l : 0);
    }
  };
  of_direction(0, Order1);
  of_direction(Order1, Order2);
}

template <class T, int Degree, int Order1, int Order2, bool with_value, int Width>
void project_block(int samples, const std::int32_t* first, const Projection<T, Degree> projection,
                   const T* coefficients, index n_out, index q, index n_in) {
  constexpr int planes = 1 + Order1 + Order2;
  for (int s = 0; s < samples; ++s) {
    const T* rows = coefficients + first[s] * n_out + q;
    Vector<T, Width> z[planes] = {};
    for (int j = 0; j <= Degree; ++j) {
      const auto row = load<Width>(rows + j * n_out);
      z[0] += (*projection.value_slopes)[j][s] * row;
      for (int r = 1; r < planes; ++r) z[r] += projection.slopes[r - 1][j][s] * row;
    }
    Vector<T, Width> cotangents[planes];
    for (int m = 0; m < planes; ++m) cotangents[m] = load<Width>(projection.cy[m] + s * n_out + q);
    Vector<T, Width> sums[planes] = {};
    for_terms<Order1, Order2, with_value>([&](int l, int m, int r) __attribute__((always_inline)) {
      sums[l] += cotangents[m] * z[r];
    });
    T totals[summed_together<planes>];
    sum_lanes<T, Width, planes>(sums, totals);
    for (int l = 0; l < planes; ++l) projection.cx[l][s * n_in] += totals[l];
  }
}

template <class T, int Degree, int Order1, int Order2, bool with_value>
void project_column(int samples, const std::int32_t* first, const Projection<T, Degree>& projection,
                    const T* coefficients, index n_out, index q, index n_in) {
  constexpr int planes = 1 + Order1 + Order2;
  for (int s = 0; s < samples; s += full_lanes<T>) {
    FullVector<T> z[planes] = {};
    for (int j = 0; j <= Degree; ++j) {
      const FullVector<T> row = gather(coefficients + j * n_out + q, first + s, n_out);
      z[0] += load<full_lanes<T>>((*projection.value_slopes)[j] + s) * row;
      for (int r = 1; r < planes; ++r) {
        z[r] += load<full_lanes<T>>(projection.slopes[r - 1][j] + s) * row;
      }
    }
    FullVector<T> cotangents[planes];
    for (int m = 0; m < planes; ++m) {
      cotangents[m] = load_column(projection.cy[m] + s * n_out + q, n_out, samples - s, T(0));
    }
    FullVector<T> sums[planes] = {};
    for_terms<Order1, Order2, with_value>([&](int l, int m, int r) __attribute__((always_inline)) {
      sums[l] += cotangents[m] * z[r];
    });
    for (int l = 0; l < planes; ++l) {
      add_to_column<T>(sums[l], projection.cx[l] + s * n_in, n_in, samples - s);
    }
  }
}

template <class T, int Degree, int Order1, int Order2, bool with_value>
void project(int samples, const std::int32_t* first, const Projection<T, Degree>& projection,
             const T* coefficients, index n_out, index n_in) {
  for_outputs<full_lanes<T>>(
      0, n_out,
      [&](index q, auto width) {
        project_block<T, Degree, Order1, Order2, with_value, width>(samples, first, projection,
                                                                    coefficients, n_out, q, n_in);
      },
      [&](index q) {
        project_column<T, Degree, Order1, Order2, with_value>(samples, first, projection,
                                                              coefficients, n_out, q, n_in);
      });
}

// Takes the directions of one input in turn, and projects them in ones or twos. All orders are at
// most Highest.
template <class T, int Degree, int Highest>
class Projector {
 public:
  // `cx` are the planes of all inputs, of which this is input p; if null, there is nothing to do.
  Projector(const SplineLayerView<T>& layer, int samples, const std::int32_t* first,
            const Weights<T, Degree>* derivatives, const T* coefficients, const T* const* cy,
            T* const* cx, index p)
      : layer_(layer),
        samples_(samples),
        first_(first),
        derivatives_(derivatives),
        coefficients_(coefficients),
        cy_(cy),
        cx_(cx),
        p_(p),
        group_{derivatives, slopes_, {cy[0]}, {cx == nullptr ? nullptr : cx[0] + p}} {}

  // The curves of the direction whose planes, from order 1 on, begin with `plane`.
  template <int Order>
  void add(const TileCurves<T, Degree, Order>& curves, int plane) {
    if (cx_ == nullptr) return;
    if (order1_ > 0 && (order2_ > 0 || order1_ + Order > most_of_two)) finish();
    const int before = order1_;
    curves.taylor(derivatives_ + 1, slopes_ + before);
    for (int m = 1; m <= Order; ++m) {
      group_.cy[before + m] = cy_[plane + m - 1];
      group_.cx[before + m] = cx_[plane + m - 1] + p_;
    }
    (before == 0 ? order1_ : order2_) = Order;
  }

  // Where there was no direction, the value alone.
  void finish() {
    if (cx_ == nullptr) return;
    if (with_value_) {
      run<true>();
    } else {
      run<false>();
    }
    with_value_ = false;
    order1_ = order2_ = 0;
  }

 private:
  static constexpr int most_of_two = group_capacity - 1;

  template <bool with_value>
  void run() const {
    if (order1_ == 0) return project_orders<0, 0, true>();
    for_order<Highest>(order1_, [&](auto order1) {
      if (order2_ == 0) return project_orders<order1, 0, with_value>();
      constexpr int rest = most_of_two - order1;
      for_order<(rest < Highest ? rest : Highest)>(
          order2_, [&](auto order2) { project_orders<order1, order2, with_value>(); });
    });
  }
  template <int Order1, int Order2, bool with_value>
  void project_orders() const {
    project<T, Degree, Order1, Order2, with_value>(samples_, first_, group_, coefficients_,
                                                   layer_.n_out, layer_.n_in);
  }

  const SplineLayerView<T>& layer_;
  int samples_;
  const std::int32_t* first_;
  const Weights<T, Degree>* derivatives_;
  const T* coefficients_;
  const T* const* cy_;
  T* const* cx_;
  index p_;
  int order1_ = 0;
  int order2_ = 0;
  bool with_value_ = true;
  Weights<T, Degree> slopes_[group_capacity];
  Projection<T, Degree> group_;
};

// What a forward pass of values keeps of an input for the backward pass.
template <class T, int Degree>
using KeptBasis = LayerBasis<T, Degree, 0, 1>;

template <class T, int Degree>
index kept_bytes(index n_in) {
  return n_in * index{sizeof(KeptBasis<T, Degree>)};
}

// The forward pass, with the basis of input p in basis_of(p).
template <class T, int Degree, int Order, int Top, class BasisOf>
[[gnu::always_inline]] inline Refusal forward_with(const SplineLayerView<T>& layer, int samples,
                                                   const Directions& directions, const T* const* x,
                                                   const T* parameters, const T* parameter_tangent,
                                                   T* const* y, T* scratch,
                                                   const BasisOf& basis_of) {
  const Columns<T> columns(samples, directions.n_planes, {0, layer.n_in}, layer.n_in, x, scratch);
  for (int m = 0; m < directions.n_planes; ++m) clear(samples * layer.n_out, y[m]);
  bool overflows = false;
  for (index p = 0; p < layer.n_in; ++p) {
    LayerBasis<T, Degree, Order, Top>& basis = basis_of(p);
    const int refused = basis.fill(layer.spaces[p], layer.extrapolation, samples, columns(0, p));
    if (refused >= 0) return {refused, p};
    overflows |= basis.overflows;
    const index offset = layer.rows[p] * layer.n_out;
    for_plane_groups<T, Degree, Order, Top>(
        basis, samples, directions, columns, p, y,
        [&](const PlaneGroup<T, Degree>& group) {
          contract<T, Degree, highest_count<Order>>(samples, basis.first, group,
                                                    parameters + offset, layer.n_out);
        },
        [](int, const auto&) {});
    if (Order > 0 && parameter_tangent != nullptr) {
      const PlaneGroup<T, Degree> group{1, basis.planes, {y[1]}};
      contract<T, Degree, highest_count<Order>>(samples, basis.first, group,
                                                parameter_tangent + offset, layer.n_out);
    }
  }
  if (overflows) {
    sum_before_distances<T, Degree>(layer, samples, x, parameters, parameter_tangent, y);
  }
  return {};
}

template <class T, int Degree, int Order>
Refusal spline_forward(const SplineLayerView<T>& layer, int samples, const Directions& directions,
                       const T* const* x, const T* parameters, const T* parameter_tangent,
                       T* const* y, void* kept, T* scratch) {
  if constexpr (Order == 0) {
    if (kept != nullptr) {
      auto* const bases = static_cast<KeptBasis<T, Degree>*>(kept);
      return forward_with<T, Degree, Order, 1>(layer, samples, directions, x, parameters,
                                               parameter_tangent, y, scratch,
                                               [&](index p) -> auto& { return bases[p]; });
    }
  }
  LayerBasis<T, Degree, Order, Order> basis;
  return forward_with<T, Degree, Order, Order>(layer, samples, directions, x, parameters,
                                               parameter_tangent, y, scratch,
                                               [&](index) -> auto& { return basis; });
}

template <class T, int Degree, int Order>
Refusal spline_backward(const SplineLayerView<T>& layer, int samples, const Directions& directions,
                        InputRange inputs, const T* const* x, const T* parameters,
                        const T* const* y_cotangent, T* parameter_gradient, T* const* x_cotangent,
                        void* kept, T* scratch) {
  const index count = inputs.last - inputs.first;
  for (int m = 0; m < directions.n_planes && x_cotangent != nullptr; ++m) {
    if (count == layer.n_in) {
      clear(samples * count, x_cotangent[m]);
    } else {
      for (int s = 0; s < samples; ++s) {
        clear(count, x_cotangent[m] + s * layer.n_in + inputs.first);
      }
    }
  }
  const Columns<T> columns(samples, directions.n_planes, kept != nullptr ? InputRange{} : inputs,
                           layer.n_in, x, scratch);
  // Groups hold the planes of either pass as pointers to T; scatter only reads them.
  T* const* cotangents = const_cast<T* const*>(y_cotangent);
  const auto go_back = [&](index p, LayerBasis<T, Degree, Order, Order + 1>& basis) {
    const index offset = layer.rows[p] * layer.n_out;
    const T* const rows = parameters + offset;
    Projector<T, Degree, Order> projector(layer, samples, basis.first, basis.derivatives, rows,
                                          y_cotangent, x_cotangent, p);
    for_plane_groups<T, Degree, Order, Order + 1>(
        basis, samples, directions, columns, p, cotangents,
        [&](const PlaneGroup<T, Degree>& group) {
          scatter<T, Degree, highest_count<Order>>(samples, basis.first, group,
                                                   parameter_gradient + offset, layer.n_out);
        },
        [&](int d, const auto& curves) { projector.add(curves, directions.planes[d]); });
    projector.finish();
  };
  if constexpr (Order == 0) {
    if (kept != nullptr) {
      auto* const bases = static_cast<KeptBasis<T, Degree>*>(kept);
      for (index p = inputs.first; p < inputs.last; ++p) go_back(p, bases[p]);
      return {};
    }
  }
  LayerBasis<T, Degree, Order, Order + 1> basis;
  for (index p = inputs.first; p < inputs.last; ++p) {
    const int refused = basis.fill(layer.spaces[p], layer.extrapolation, samples, columns(0, p));
    if (refused >= 0) return {refused, p};
    go_back(p, basis);
  }
  return {};
}

}  // namespace kanml::kernels::inline KANML_TARGET
