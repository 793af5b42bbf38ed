// Sums of products.
#pragma once

#include "kanml/types.hpp"
#include "point/target.hpp"

namespace kanml::kernels::inline KANML_TARGET {

// The number of independent sums: a single sum would wait for each addition before the next.
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

}  // namespace kanml::kernels::inline KANML_TARGET
