// Short vectors of neighbouring numbers, as GCC and Clang have them.
#pragma once

#include <cstdint>
#include <type_traits>

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

// What fills a register, but at least four numbers.
template <class T>
inline constexpr int full_lanes = register_bytes / sizeof(T) < 4 ? 4 : register_bytes / sizeof(T);

template <class T, int Lanes>
struct VectorOf {
  // Loads and stores may be anywhere in arrays of T.
  typedef T type __attribute__((vector_size(Lanes * sizeof(T)), aligned(sizeof(T)), may_alias));
};
template <class T, int Lanes>
using Vector = typename VectorOf<T, Lanes>::type;

// The same for arithmetic alone, as a type of its own.
template <class T>
struct FullVectorOf {
  typedef T type __attribute__((vector_size(full_lanes<T> * sizeof(T))));
};
template <class T>
using FullVector = typename FullVectorOf<T>::type;

template <int Lanes, class T>
[[gnu::always_inline]] inline Vector<T, Lanes> load(const T* from) {
  return *reinterpret_cast<const Vector<T, Lanes>*>(from);
}
template <int Lanes, class T>
[[gnu::always_inline]] inline void store(T* to, Vector<T, Lanes> vector) {
  *reinterpret_cast<Vector<T, Lanes>*>(to) = vector;
}

// Whole numbers, as such.
template <class T>
[[gnu::always_inline]] inline Vector<std::int32_t, full_lanes<T>> to_integers(FullVector<T> whole) {
  return __builtin_convertvector(whole, Vector<std::int32_t, full_lanes<T>>);
}

// The sum of all lanes: halves are added until one lane is left.
template <class T, int Lanes>
[[gnu::always_inline]] inline T sum_of_lanes(Vector<T, Lanes> vector) {
  if constexpr (Lanes == 1) {
    return vector[0];
  } else {
    Vector<T, Lanes / 2> halves[2];
    static_assert(sizeof halves == sizeof vector);
    __builtin_memcpy(halves, &vector, sizeof vector);
    return sum_of_lanes<T, Lanes / 2>(halves[0] + halves[1]);
  }
}

template <class T>
[[gnu::always_inline]] inline void clear(index n, T* values) {
  for (index i = 0; i < n; ++i) values[i] = T(0);
}

// Calls block(first output, integral constant of its width) and column(output).
template <int Width, class Block, class Column>
[[gnu::always_inline]] inline void for_outputs(index q, index n_out, const Block& block,
                                               const Column& column) {
  if constexpr (Width >= 4) {
    for (; q + Width <= n_out; q += Width) block(q, std::integral_constant<int, Width>{});
    for_outputs<Width / 2>(q, n_out, block, column);
  } else {
    for (; q < n_out; ++q) column(q);
  }
}

}  // namespace kanml::kernels::inline KANML_TARGET
