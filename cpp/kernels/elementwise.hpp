// An activation function on every entry of a tile.
#pragma once

#include <utility>

#include "kernels/table.hpp"
#include "point/activation.hpp"
#include "point/orders.hpp"
#include "point/rounding.hpp"
#include "point/taylor.hpp"
#include "simd/mathematics.hpp"
#include "simd/vectors.hpp"

namespace kanml::kernels::inline KANML_TARGET {

// Numbers that are computed together.
template <class T>
using Group = Register<T, register_lanes<T>>;

// Entries of a plane that are computed together, one in each lane: the first `count` of those
// `stride` apart.
struct Entries {
  index first;
  index stride;
  int count;

  template <class T>
  [[gnu::always_inline]] Group<T> of(const T* plane) const {
    return load_column(plane + first, stride, count, T(0),
                       std::make_index_sequence<register_lanes<T>>{});
  }
  template <class T>
  [[gnu::always_inline]] void set(T* plane, Group<T> numbers) const {
    store_column(numbers, plane + first, stride, count);
  }
  template <class T>
  [[gnu::always_inline]] void add(T* plane, Group<T> terms) const {
    add_to_column(terms, plane + first, stride, count);
  }
};

// A whole group of neighbouring entries, whose sums have a single term.
struct WholeGroup {
  index first;

  template <class T>
  [[gnu::always_inline]] Group<T> of(const T* plane) const {
    return load<register_lanes<T>>(plane + first);
  }
  template <class T>
  [[gnu::always_inline]] void set(T* plane, Group<T> numbers) const {
    store<register_lanes<T>>(plane + first, numbers);
  }
  template <class T>
  [[gnu::always_inline]] void add(T* plane, Group<T> term) const {
    set(plane, term);
  }
};

// Calls f(first, count) for 0 .. n - 1 in groups; only the last may be smaller.
template <class T, class F>
[[gnu::always_inline]] inline void for_groups(index n, const F& f) {
  constexpr index lanes = register_lanes<T>;
  for (index i = 0; i < n; i += lanes) f(i, static_cast<int>(n - i < lanes ? n - i : lanes));
}

// Calls f(order as a constant, first plane) for each direction.
template <int Highest, class F>
[[gnu::always_inline]] inline void for_directions(const Directions& directions, const F& f) {
  for (int d = 0; d < directions.count; ++d) {
    point::for_order<Highest>(
        directions.orders[d], [&](auto order) __attribute__((always_inline)) {
          f(order, directions.planes[d]);
        });
  }
}

// The coefficients of one direction at some entries, 1..Order, whose planes are `x`, and their
// composition weights.
template <class T, int Order>
struct Curves {
  Group<T> weights[Order + 1][Order + 1];

  template <class Chosen>
  [[gnu::always_inline]] Curves(const Chosen& entries, const T* const* x) {
    Group<T> curve[Order + 1] = {};
    for (int m = 1; m <= Order; ++m) curve[m] = entries.of(x[m - 1]);
    point::composition_weights<T, Order>(curve, weights);
  }
};

// The entries `to` of the planes of one direction, y, become the composition of a function with
// the entries `from` of x; f holds the derivatives of the function.
template <class T, int Order, class Chosen>
[[gnu::always_inline]] inline void compose(const Group<T>* f, const Chosen& from, const T* const* x,
                                           const Chosen& to, T* const* y) {
  const Curves<T, Order> curves(from, x);
  for (int m = 1; m <= Order; ++m) {
    Group<T> sum = {};
    for (int r = 1; r <= m; ++r) sum += curves.weights[r][m] * f[r];
    to.set(y[m - 1], sum);
  }
}

// The adjoint, added to the cotangent of x; returns that of its values. With v_m the Taylor
// coefficients of f' along the curve: cx_l += sum_{m >= l} v_{m-l} cy_m.
template <class T, int Order, class Chosen>
[[gnu::always_inline]] inline Group<T> compose_back(const Group<T>* f, const Chosen& from,
                                                    const T* const* x, const Chosen& to,
                                                    const T* const* y_cotangent,
                                                    T* const* x_cotangent) {
  const Curves<T, Order> curves(from, x);
  Group<T> by_value = {};
  Group<T> v[Order + 1] = {f[1]};
  Group<T> cotangent[Order + 1] = {};
  for (int m = 1; m <= Order; ++m) {
    for (int r = 1; r <= m; ++r) v[m] += curves.weights[r][m] * f[r + 1];
    cotangent[m] = to.of(y_cotangent[m - 1]);
    by_value += v[m] * cotangent[m];
  }
  for (int l = 1; l <= Order; ++l) {
    Group<T> sum = {};
    for (int m = l; m <= Order; ++m) sum += v[m - l] * cotangent[m];
    from.add(x_cotangent[l - 1], sum);
  }
  return by_value;
}

// What activations need of mathematics.hpp.
struct VectorFunctions {
  template <class V>
  [[gnu::always_inline]] static V logistic(V x, V& complement) {
    return kernels::logistic(x, complement);
  }
  template <class V>
  [[gnu::always_inline]] static V tanh(V x, V& slope) {
    return kernels::tanh(x, slope);
  }
  template <class V>
  [[gnu::always_inline]] static SineAndCosine<V> sine_and_cosine(V x) {
    return kernels::sine_and_cosine(x);
  }
};

// The derivatives 0..Order + 1 at a group of entries.
template <class T, int Order>
struct Derivatives {
  Group<T> f[Order + 2];
};
template <class T, int Order>
index derivatives_bytes(index width) {
  constexpr index lanes = register_lanes<T>;
  return (width * tile_size + lanes - 1) / lanes * index{sizeof(Derivatives<T, Order>)};
}

// Neighbouring entries whose derivatives stay in the first cache until they are used. The first is
// that of a group.
struct Stretch {
  index first;
  index last;
};
template <class T, class F>
[[gnu::always_inline]] inline void for_stretches(index n, const F& f) {
  constexpr index length = 16 * register_lanes<T>;
  for (index i = 0; i < n; i += length) f(Stretch{i, n - i < length ? n : i + length});
}

// Calls f(group number, its entries), with a whole group as such.
template <class T, class F>
[[gnu::always_inline]] inline void for_chosen(const Stretch& stretch, const F& f) {
  constexpr index lanes = register_lanes<T>;
  index i = stretch.first;
  for (; i + lanes <= stretch.last; i += lanes) f(i / lanes, WholeGroup{i});
  if (i < stretch.last) f(i / lanes, Entries{i, 1, static_cast<int>(stretch.last - i)});
}

// What follows about directions is compiled once for all activations.

template <class T, int Order>
[[gnu::noinline]] void compose_planes(const Directions& directions, const Stretch& stretch,
                                      const Derivatives<T, Order>* derivatives, const T* const* x,
                                      T* const* y) {
  for_directions<Order>(directions, [&](auto order, int plane) {
    for_chosen<T>(stretch, [&](index group, const auto& entries) {
      compose<T, order>(derivatives[group].f, entries, x + plane, entries, y + plane);
    });
  });
}

// Adds to the cotangent of the values, and fills those of the directions.
template <class T, int Order>
[[gnu::noinline]] void compose_planes_back(const Directions& directions, const Stretch& stretch,
                                           const Derivatives<T, Order>* derivatives,
                                           const T* const* x, const T* const* y_cotangent,
                                           T* const* x_cotangent) {
  const index rest = stretch.last % register_lanes<T>;  // what is in no whole group is added
  for (int m = 1; m < directions.n_planes; ++m) clear(rest, x_cotangent[m] + stretch.last - rest);
  for_directions<Order>(directions, [&](auto order, int plane) {
    for_chosen<T>(stretch, [&](index group, const auto& entries) {
      const Group<T> by_value =
          compose_back<T, order>(derivatives[group].f, entries, x + plane, entries,
                                 y_cotangent + plane, x_cotangent + plane);
      entries.set(x_cotangent[0], Group<T>(entries.of(x_cotangent[0]) + by_value));
    });
  });
}

template <class T, ActivationKind Kind, int Order>
void find_derivatives(const Stretch& stretch, const T* x, Derivatives<T, Order>* derivatives) {
  constexpr index lanes = register_lanes<T>;
  for (index i = stretch.first; i < stretch.last; i += lanes) {
    const index left = stretch.last - i;
    const Entries entries = {i, 1, static_cast<int>(left < lanes ? left : lanes)};
    point::Activation<Kind>::template derivatives<VectorFunctions, T, Order + 1>(
        entries.of(x), derivatives[i / lanes].f);
  }
}

// Kept or not, the derivatives of a tile take derivatives_bytes of memory.
template <class T, ActivationKind Kind, int Order>
Refusal activation_forward(const ElementwiseView& layer, const ForwardCall<T>& call) {
  const Memory memory = call.memory;
  auto* const derivatives =
      static_cast<Derivatives<T, Order>*>(memory.kept != nullptr ? memory.kept : memory.scratch);
  for_stretches<T>(call.samples * layer.width, [&](const Stretch& stretch) {
    find_derivatives<T, Kind, Order>(stretch, call.x[0], derivatives);
    for_chosen<T>(stretch, [&](index group, const auto& entries) {
      entries.set(call.y[0], derivatives[group].f[0]);
    });
    if constexpr (Order > 0) {
      compose_planes<T, Order>(call.directions, stretch, derivatives, call.x, call.y);
    }
  });
  return {};
}

template <class T, ActivationKind Kind, int Order>
Refusal activation_backward(const ElementwiseView& layer, const BackwardCall<T>& call) {
  if (call.x_cotangent == nullptr) return {};
  const bool kept = call.memory.kept != nullptr;
  auto* const derivatives =
      static_cast<Derivatives<T, Order>*>(kept ? call.memory.kept : call.memory.scratch);
  for_stretches<T>(call.samples * layer.width, [&](const Stretch& stretch) {
    if (!kept) find_derivatives<T, Kind, Order>(stretch, call.x[0], derivatives);
    for_chosen<T>(stretch, [&](index group, const auto& entries) {
      entries.set(call.x_cotangent[0],
                  rounded(entries.of(call.y_cotangent[0]) * derivatives[group].f[1]));
    });
    if constexpr (Order > 0) {
      compose_planes_back<T, Order>(call.directions, stretch, derivatives, call.x, call.y_cotangent,
                                    call.x_cotangent);
    }
  });
  return {};
}

}  // namespace kanml::kernels::inline KANML_TARGET
