// Short vectors of neighbouring numbers, with the vector extensions of GCC and Clang.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "kanml/types.hpp"
#include "point/target.hpp"

namespace kanml::kernels::inline KANML_TARGET {

#if defined(__AVX512F__)
inline constexpr int register_bytes = 64;
#elif defined(__AVX__)
inline constexpr int register_bytes = 32;
#else
inline constexpr int register_bytes = 16;
#endif

// The lanes of a full register, but at least four.
template <class T>
inline constexpr int full_lanes = register_bytes / sizeof(T) < 4 ? 4 : register_bytes / sizeof(T);

template <class T, int Lanes>
struct VectorOf {
  // Loads and stores need no alignment beyond that of T.
  typedef T type __attribute__((vector_size(Lanes * sizeof(T)), aligned(sizeof(T)), may_alias));
};
template <class T, int Lanes>
using Vector = typename VectorOf<T, Lanes>::type;

// A separate type for arithmetic only: its arrays are aligned, and it can be deduced as a template
// argument.
template <class T, int Lanes>
struct RegisterOf {
  typedef T type __attribute__((vector_size(Lanes * sizeof(T))));
};
template <class T, int Lanes>
using Register = typename RegisterOf<T, Lanes>::type;
template <class T>
using FullVector = Register<T, full_lanes<T>>;

template <int Lanes, class T>
[[gnu::always_inline]] inline Vector<T, Lanes> load(const T* from) {
  return *reinterpret_cast<const Vector<T, Lanes>*>(from);
}
template <int Lanes, class T>
[[gnu::always_inline]] inline void store(T* to, Vector<T, Lanes> vector) {
  *reinterpret_cast<Vector<T, Lanes>*>(to) = vector;
}

// The same for the first `count` numbers; other lanes are zero.
template <int Lanes, class T>
[[gnu::always_inline]] inline Vector<T, Lanes> load_first(const T* from, int count) {
  T numbers[Lanes] = {};
  for (int i = 0; i < count; ++i) numbers[i] = from[i];
  return load<Lanes>(numbers);
}
template <int Lanes, class T>
[[gnu::always_inline]] inline void store_first(T* to, Vector<T, Lanes> vector, int count) {
  T numbers[Lanes];
  store<Lanes>(numbers, vector);
  for (int i = 0; i < count; ++i) to[i] = numbers[i];
}

// The lanes of one register: with many vectors, wider ones would spill.
template <class T>
inline constexpr int register_lanes = register_bytes / static_cast<int>(sizeof(T));

// f of a vector, one register at a time: compilers take comparisons and shifts of wider vectors
// apart into single numbers.
template <class V, class F>
[[gnu::always_inline]] inline V by_registers(V x, const F& f) {
  if constexpr (sizeof(V) <= register_bytes) {
    return f(x);
  } else {
    using T = std::remove_cvref_t<decltype(x[0])>;
    Register<T, sizeof(V) / sizeof(T) / 2> halves[2];
    __builtin_memcpy(halves, &x, sizeof x);
    for (auto& half : halves) half = by_registers(half, f);
    __builtin_memcpy(&x, halves, sizeof x);
    return x;
  }
}

// As many integers as a full vector has numbers.
template <class T>
using Integers = Vector<std::int32_t, full_lanes<T>>;

// Whole numbers, or the results of comparisons, as integers.
template <class T, class Numbers>
[[gnu::always_inline]] inline Integers<T> to_integers(Numbers whole) {
  return __builtin_convertvector(whole, Integers<T>);
}

// A vector of numbers that are `stride` apart, with `rest` in the lanes from `count` on. It is
// assembled in registers, since a load waits for stores of single numbers to the same place.
template <class T, std::size_t... Lanes>
[[gnu::always_inline]] inline auto load_column(const T* from, index stride, int count, T rest,
                                               std::index_sequence<Lanes...>) {
  constexpr int n = sizeof...(Lanes);
  using V = Register<T, n>;
  if (count >= n) {
    if (stride == 1) return static_cast<V>(load<n>(from));
    return V{from[static_cast<index>(Lanes) * stride]...};
  }
  return V{(static_cast<int>(Lanes) < count ? from[static_cast<index>(Lanes) * stride] : rest)...};
}
template <class T>
[[gnu::always_inline]] inline FullVector<T> load_column(const T* from, index stride, int count,
                                                        T rest) {
  return load_column(from, stride, count, rest, std::make_index_sequence<full_lanes<T>>{});
}

// A vector of numbers at given places of a table, `stride` apart, also assembled in registers.
template <class T, std::size_t... Lanes>
[[gnu::always_inline]] inline FullVector<T> gather(const T* table, const std::int32_t* places,
                                                   index stride, std::index_sequence<Lanes...>) {
  return FullVector<T>{table[places[Lanes] * stride]...};
}
template <class T>
[[gnu::always_inline]] inline FullVector<T> gather(const T* table, const std::int32_t* places,
                                                   index stride = 1) {
  return gather(table, places, stride, std::make_index_sequence<full_lanes<T>>{});
}

template <class T, std::size_t... Lanes>
[[gnu::always_inline]] inline Integers<T> gather_integers(const std::int32_t* table,
                                                          const std::int32_t* places,
                                                          std::index_sequence<Lanes...>) {
  return Integers<T>{table[places[Lanes]]...};
}
template <class T>
[[gnu::always_inline]] inline Integers<T> gather_integers(const std::int32_t* table,
                                                          const std::int32_t* places) {
  return gather_integers<T>(table, places, std::make_index_sequence<full_lanes<T>>{});
}

// Sets the first `count` of numbers that are `stride` apart.
template <class T, class V>
[[gnu::always_inline]] inline void store_column(V numbers, T* to, index stride, int count) {
  constexpr int n = sizeof(V) / sizeof(T);
  if (stride == 1 && count >= n) {
    store<n>(to, numbers);
    return;
  }
  for (int i = 0; i < n && i < count; ++i) to[i * stride] = numbers[i];
}

// Adds to the first `count` of numbers that are `stride` apart.
template <class T, class V>
[[gnu::always_inline]] inline void add_to_column(V terms, T* to, index stride, int count) {
  constexpr int n = sizeof(V) / sizeof(T);
  if (stride == 1 && count >= n) {
    store<n>(to, load<n>(to) + terms);
    return;
  }
  for (int i = 0; i < n && i < count; ++i) to[i * stride] += terms[i];
}

// Adds halves until `Left` lanes remain.
template <class T, int Lanes, int Left>
[[gnu::always_inline]] inline Vector<T, Left> fold(Vector<T, Lanes> vector) {
  if constexpr (Lanes == Left) {
    return vector;
  } else {
    Vector<T, Lanes / 2> halves[2];
    static_assert(sizeof halves == sizeof vector);
    __builtin_memcpy(halves, &vector, sizeof vector);
    return fold<T, Lanes / 2, Left>(halves[0] + halves[1]);
  }
}
template <class T, int Lanes>
[[gnu::always_inline]] inline T sum_of_lanes(Vector<T, Lanes> vector) {
  return fold<T, Lanes, 1>(vector)[0];
}

// In each group of 2 Step lanes, exchanges the upper half of a with the lower half of b.
template <int Step, class V, std::size_t... Lanes>
[[gnu::always_inline]] inline void exchange_halves(V& a, V& b, std::index_sequence<Lanes...>) {
  constexpr std::size_t n = sizeof...(Lanes);
  const V lower = a;
#if defined(__clang__)
  a = __builtin_shufflevector(lower, b, (Lanes & Step ? n + (Lanes ^ Step) : Lanes)...);
  b = __builtin_shufflevector(lower, b, (Lanes & Step ? n + Lanes : Lanes ^ Step)...);
#else
  using Places = decltype(a < b);
  a = __builtin_shuffle(lower, b, Places{(Lanes & Step ? n + (Lanes ^ Step) : Lanes)...});
  b = __builtin_shuffle(lower, b, Places{(Lanes & Step ? n + Lanes : Lanes ^ Step)...});
#endif
}

template <class V>
inline constexpr auto lanes_of =
    std::make_index_sequence<sizeof(V) / sizeof(std::declval<V&>()[0])>{};

// The sums over the lanes of 2 Step vectors, which are overwritten.
template <int Step, class V>
[[gnu::always_inline]] inline V sums_over_lanes(V* vectors) {
  if constexpr (Step == 0) {
    return vectors[0];
  } else {
    for (int i = 0; i < Step; ++i) {
      exchange_halves<Step>(vectors[i], vectors[i + Step], lanes_of<V>);
      vectors[i] += vectors[i + Step];
    }
    return sums_over_lanes<Step / 2>(vectors);
  }
}

// Transposes the squares of 2 Step lanes in as many vectors as there are lanes.
template <int Step, class V>
[[gnu::always_inline]] inline void transpose(V* rows) {
  if constexpr (Step > 0) {
    constexpr int n = sizeof(V) / sizeof(rows[0][0]);
    for (int i = 0; i < n; ++i) {
      if ((i & Step) == 0) exchange_halves<Step>(rows[i], rows[i + Step], lanes_of<V>);
    }
    transpose<Step / 2>(rows);
  }
}

// to (columns, rows) = the transpose of from (rows, columns); rows are a stride apart. Squares of
// Lanes numbers go through registers; the rest follows in smaller ones.
template <class T, int Lanes = register_lanes<T>>
void transpose_matrix(index rows, index columns, const T* from, index from_stride, T* to,
                      index to_stride) {
  index c = 0;
  index r = 0;
  for (; c + Lanes <= columns; c += Lanes) {
    for (r = 0; r + Lanes <= rows; r += Lanes) {
      Register<T, Lanes> square[Lanes];
      for (int i = 0; i < Lanes; ++i) square[i] = load<Lanes>(from + (r + i) * from_stride + c);
      transpose<Lanes / 2>(square);
      for (int i = 0; i < Lanes; ++i) store<Lanes>(to + (c + i) * to_stride + r, square[i]);
    }
  }
  if constexpr (Lanes > 1) {
    const auto rest = [&](index first_row, index n_rows, index first_column, index n_columns) {
      if (n_rows == 0 || n_columns == 0) return;
      transpose_matrix<T, Lanes / 2>(n_rows, n_columns,
                                     from + first_row * from_stride + first_column, from_stride,
                                     to + first_column * to_stride + first_row, to_stride);
    };
    rest(r, rows - r, 0, c);
    rest(0, rows, c, columns - c);
  }
}

template <class T>
[[gnu::always_inline]] inline void clear(index n, T* values) {
  for (index i = 0; i < n; ++i) values[i] = T(0);
}

// Calls strip(first output, integral constant of its width) and column(output).
template <int Width, class Strip, class Column>
[[gnu::always_inline]] inline void for_outputs(index q, index n_out, const Strip& strip,
                                               const Column& column) {
  if constexpr (Width >= 4) {
    for (; q + Width <= n_out; q += Width) strip(q, std::integral_constant<int, Width>{});
    for_outputs<Width / 2>(q, n_out, strip, column);
  } else {
    for (; q < n_out; ++q) column(q);
  }
}

}  // namespace kanml::kernels::inline KANML_TARGET
