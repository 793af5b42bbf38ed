// Pointers to what evaluation needs of a spline space.
#pragma once

#include <cstdint>

namespace kanml::point {

// Knots at lower + i spacing. What rounding to T took from a number follows it; the spacing's first
// part has so few digits that its multiples are exact.
template <class T>
struct UniformKnots {
  T lower, lower_rest;
  T spacing, spacing_rest;
  T frequency;  // 1 / spacing
  T last;       // the last interval
};

// Knots count from knots[0], the leftmost ghost knot: interval i of the domain begins at
// knots[i + degree].
template <class T>
struct SpaceView {
  const T* knots;        // (n_knots)
  const T* remainders;   // (n_knots): what rounding to T took from the knots
  const T* reciprocals;  // (degree, n_knots): row d - 1 holds 1 / (t_{l+d} - t_l)
  std::int32_t n_knots;
  std::int32_t intervals;
  T lower;
  T upper;
  T frequency;  // intervals / (upper - lower)
  bool uniform;
  UniformKnots<T> uniform_knots;  // if `uniform`

  // Finding the interval of a point between any knots: the domain is cut into equal buckets, as
  // many as there are intervals, and a bucket knows the first and last interval that a point in it
  // can lie in; bisection does the rest, in a number of steps that is fixed for the space.
  const std::int32_t* bucket_first;  // (intervals)
  const std::int32_t* bucket_last;   // (intervals)
  std::int32_t bisections;
};

}  // namespace kanml::point
