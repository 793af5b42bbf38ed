// From cotangents of values to those of inputs:
// cx_l += sum_{m >= l} sum_q cy_m[q] z_{m-l}[q],  z_r[q] = sum_j V_r[j] c_j[q].
#pragma once

#include "kernels/spline/planes.hpp"

namespace kanml::kernels::inline KANML_TARGET {

// Directions whose planes are projected together, since they share rows and V_0: one direction, or
// two with few planes. Plane 0 comes first, followed by the orders 1, 2, ... of each direction.
template <class T, int Degree>
struct Projection {
  const Weights<T, Degree>* value_slopes;  // V_0
  const Weights<T, Degree>* slopes;        // (planes - 1): V_1, V_2, ... of each direction
  const T* cy[1 + group_capacity];
  T* cx[1 + group_capacity];  // of one input
};

// Calls f(l, m, r) for every term cy_m z_r of cx_l, with planes numbered as in a Projection of two
// directions of these orders. Only the Projection that has `with_value` includes plane 0, which all
// directions share.
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
void project_strip(int samples, const std::int32_t* first, const Projection<T, Degree> projection,
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
        project_strip<T, Degree, Order1, Order2, with_value, width>(samples, first, projection,
                                                                    coefficients, n_out, q, n_in);
      },
      [&](index q) {
        project_column<T, Degree, Order1, Order2, with_value>(samples, first, projection,
                                                              coefficients, n_out, q, n_in);
      });
}

// Takes the directions of one input in turn, and projects them singly or in pairs. All orders are
// at most Highest.
template <class T, int Degree, int Highest>
class Projector {
 public:
  // `cx` holds the planes of all inputs, of which this is input p; if null, there is nothing to do.
  Projector(const SplineView<T>& layer, int samples, const std::int32_t* first,
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

  // Adds a direction by its curves; its planes from order 1 on begin with `plane`.
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

  // Projects what is left; without directions, the value alone.
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

  const SplineView<T>& layer_;
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

}  // namespace kanml::kernels::inline KANML_TARGET
