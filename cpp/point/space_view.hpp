// Pointers to the data of a spline space that evaluation needs.
#pragma once

#include <cstdint>

namespace kanml::point {

// Knots at lower + i spacing. Each number is followed by its rounding error in T; the first part of
// the spacing has so few digits that its multiples are exact.
template <class T>
struct UniformKnots {
  T lower, lower_rest;
  T spacing, spacing_rest;
  T frequency;  // 1 / spacing
  T last;       // the last interval
};

// Knots are numbered from knots[0], the leftmost ghost knot: interval i of the domain begins at
// knots[i + degree].
template <class T>
struct SpaceView {
  const T* knots;        // (n_knots)
  const T* remainders;   // (n_knots): the rounding errors of the knots in T
  const T* reciprocals;  // (degree, n_knots): row d - 1 holds 1 / (t_{l+d} - t_l)
  std::int32_t n_knots;
  std::int32_t intervals;
  T lower;
  T upper;
  T frequency;  // intervals / (upper - lower)
  bool uniform;
  UniformKnots<T> uniform_knots;  // if `uniform`

  // For finding the interval of a point between arbitrary knots, the domain is divided into as many
  // equal buckets as there are intervals. A bucket holds the first and last interval in which its
  // points can lie. Bisection does the rest, in a fixed number of steps for each space.
  const std::int32_t* bucket_first;  // (intervals)
  const std::int32_t* bucket_last;   // (intervals)
  std::int32_t bisections;
};

}  // namespace kanml::point
