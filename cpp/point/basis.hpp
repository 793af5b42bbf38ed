// B-spline basis functions at one point, by the Cox-de Boor triangle.
//
// On the interval [t_m, t_{m+1}) exactly d + 1 functions of degree d are nonzero: those supported
// on t_{m-d+r} .. t_{m+1+r}, r = 0..d. A *row* holds their d + 1 values. Raising a row from degree
// d - 1 to d needs the distances of x from the knots and the reciprocals 1 / (t_{l+d} - t_l).
// Raised with an argument x, the row gains one factor of the blossom (polar form). With the same x
// at every degree the row ends as the basis at x; with k different arguments it ends as a row of
// the Oslo algorithm.
//
// If the knots are uniform, the distances are u + r and v + r intervals, with the two local
// coordinates u and v = 1 - u of x, and the reciprocals are 1 / d: no table, no division. Every
// term is positive inside the interval, so each value has a small relative error.
//
// A Number is a scalar, or a vector with one point in each lane.
#pragma once

#include <cstdint>
#include <limits>
#include <type_traits>

#include "point/device.hpp"
#include "point/rounding.hpp"
#include "point/space_view.hpp"
#include "point/target.hpp"

namespace kanml::point::inline KANML_TARGET {

// Rounds down numbers >= 0 that fit an int32.
template <class T, class Number>
[[gnu::always_inline]] KANML_DEVICE inline Number whole_part(Number x) {
  if constexpr (std::is_same_v<Number, T>) {
    return static_cast<T>(static_cast<std::int32_t>(x));
  } else {
    const T magic = T(1) / std::numeric_limits<T>::epsilon();  // all numbers from here on are whole
    const Number nearest = (x + magic) - magic;
    return nearest > x ? nearest - T(1) : nearest;
  }
}

// The cell of x, 0 .. last, if the domain is divided into equal cells. NaN belongs to cell 0: its
// values become NaN, but its index stays valid.
template <class T, class Number>
[[gnu::always_inline]] KANML_DEVICE inline Number equal_cell(Number x, T lower, T frequency,
                                                             T last) {
  const Number zero = {};
  const Number position = (x - lower) * frequency;
  const Number inside = position > zero ? position : zero;
  return whole_part<T>(inside < zero + last ? inside : zero + last);
}

// The interval i with t_i <= x < t_{i+1}: the first one left of the domain and for NaN, the last
// one at and right of its upper end.
template <class T>
KANML_DEVICE inline std::int32_t find_interval(const SpaceView<T>& space, int degree, T x) {
  const T last_bucket = static_cast<T>(space.intervals - 1);
  const auto bucket =
      static_cast<std::int32_t>(equal_cell(x, space.lower, space.frequency, last_bucket));
  std::int32_t first = space.bucket_first[bucket];
  std::int32_t last = space.bucket_last[bucket];
  for (std::int32_t step = 0; step < space.bisections; ++step) {
    const std::int32_t middle = (first + last + 1) / 2;
    const std::int32_t m = middle + degree;
    // Knots are numbers of type double.
    const bool right =
        std::is_same_v<T, double> ? x >= space.knots[m] : x - space.knots[m] >= space.remainders[m];
    first = right ? middle : first;
    last = right ? last : (middle > first ? middle - 1 : first);
  }
  return first;
}

// Distances from x to the knots around the interval [t_m, t_{m+1}): left(r) = x - t_{m-r},
// right(r) = t_{m+1+r} - x, and rate(d, r) = d / (t_{l+d} - t_l) for l = m + 1 - d + r.
template <class T>
struct KnotsAround {
  const SpaceView<T>& space;
  std::int32_t m;
  T x;

  KANML_DEVICE T left(int r) const { return (x - space.knots[m - r]) - remainder(m - r); }
  KANML_DEVICE T right(int r) const { return (space.knots[m + 1 + r] - x) + remainder(m + 1 + r); }
  KANML_DEVICE T reciprocal(int d, int r) const {
    return space.reciprocals[(d - 1) * space.n_knots + m + 1 - d + r];
  }
  KANML_DEVICE T rate(int d, int r) const { return static_cast<T>(d) * reciprocal(d, r); }

 private:
  // Knots are numbers of type double.
  KANML_DEVICE T remainder(std::int32_t i) const {
    return std::is_same_v<T, double> ? T(0) : space.remainders[i];
  }
};

// The same on uniform knots, in units of their spacing.
template <class Number, class T>
struct UniformKnotsAround {
  Number u;     // (x - t_m) / (t_{m+1} - t_m)
  Number v;     // 1 - u
  T frequency;  // 1 / spacing

  KANML_DEVICE Number left(int r) const { return u + static_cast<T>(r); }
  KANML_DEVICE Number right(int r) const { return v + static_cast<T>(r); }
  KANML_DEVICE static T reciprocal(int d, int) { return T(1) / static_cast<T>(d); }
  KANML_DEVICE T rate(int, int) const { return frequency; }
};

// The same, if knots are looked up: from the distances to the knots on both sides of a point.
template <class Number, class T>
[[gnu::always_inline]] KANML_DEVICE inline UniformKnotsAround<Number, T> between_knots(
    Number left, Number right, T frequency) {
  // The reciprocal width of the interval itself, so that u + v = 1 and the basis sums to one: one
  // Newton step from the reciprocal spacing, which is close enough.
  const Number scale = Number{} + frequency + frequency * (T(1) - (left + right) * frequency);
  return {left * scale, right * scale, frequency};
}

// The interval of x between multiples of the spacing, and its distances from both ends. Differences
// are exact or rounded once, so the distances have small relative errors. The exception are points
// within rounding of a knot, where the error is about 1e-9 of the spacing.
template <class Number, class T>
[[gnu::always_inline]] KANML_DEVICE inline void locate(const UniformKnots<T>& knots, Number x,
                                                       Number& interval, Number (&distances)[2]) {
  // x - lower = above + rest (Knuth's two-sum)
  const Number above = x - knots.lower;
  const Number back = above - x;
  const Number rest = (x - (above - back)) - (knots.lower + back) - knots.lower_rest;
  const auto from_knot = [&](Number i) __attribute__((always_inline)) {
    return (above - i * knots.spacing) + (rest - i * knots.spacing_rest);
  };
  const Number zero = {};
  const Number last = zero + knots.last;
  const Number i = equal_cell(x, knots.lower, knots.frequency, knots.last);
  const Number u = from_knot(i);
  const Number v = -from_knot(i + T(1));
  // Rounding may have led into a neighbouring interval. Then x is in the lower or the upper
  // interval beside it, and its distance from the common knot is known.
  const auto in_lower = (u < zero) & (i > zero);
  const auto in_upper = (v <= zero) & (i < last);
  const Number spacing = zero + (knots.spacing + knots.spacing_rest);
  interval = in_lower ? i - T(1) : in_upper ? i + T(1) : i;
  distances[0] = in_lower ? u + spacing : in_upper ? -v : u;
  distances[1] = in_upper ? v + spacing : in_lower ? -u : v;
}

// row: d values in, d + 1 out.
template <class Number, class Knots>
[[gnu::always_inline]] KANML_DEVICE inline void raise_value(const Knots& knots, int d,
                                                            Number* row) {
  Number carried = {};
  for (int r = 0; r < d; ++r) {
    const Number scaled = row[r] * knots.reciprocal(d, r);
    row[r] = carried + knots.right(r) * scaled;
    carried = rounded(knots.left(d - 1 - r) * scaled);
  }
  row[d] = carried;
}

// The same step for the derivative: b'_{l,d} = d (b_{l,d-1} / (t_{l+d} - t_l) - ...).
template <class Number, class Knots>
[[gnu::always_inline]] KANML_DEVICE inline void raise_derivative(const Knots& knots, int d,
                                                                 Number* row) {
  Number carried = {};
  for (int r = 0; r < d; ++r) {
    const Number scaled = rounded(row[r] * knots.rate(d, r));
    row[r] = carried - scaled;
    carried = scaled;
  }
  row[d] = carried;
}

// From a row of degree D - 1 to the basis of degree Degree and its derivatives. D is a template
// parameter, so every loop unrolls and the rows stay in registers.
template <class Number, int Degree, int Top, int D, class Knots>
[[gnu::always_inline]] KANML_DEVICE inline void basis_from_row(
    const Knots& knots, Number* row, Number (&values)[Top + 1][Degree + 1]) {
  if constexpr (D <= Degree) {
    // Differentiated at all remaining degrees, this row is the derivative of this order.
    constexpr int derivative = Degree - D + 1;
    if constexpr (derivative <= Top) {
      Number* out = values[derivative];
      for (int r = 0; r < D; ++r) out[r] = row[r];
      for (int d = D; d <= Degree; ++d) raise_derivative(knots, d, out);
    }
    raise_value(knots, D, row);
    basis_from_row<Number, Degree, Top, D + 1>(knots, row, values);
  } else {
    for (int r = 0; r <= Degree; ++r) values[0][r] = row[r];
  }
}

// Derivatives 0..Top at x of the Degree + 1 functions that are nonzero on an interval. The
// polynomial pieces of that interval are evaluated wherever x lies. Derivatives above the degree
// are zero.
template <class Number, int Degree, int Top, class Knots>
[[gnu::always_inline]] KANML_DEVICE inline void basis(const Knots& knots,
                                                      Number (&values)[Top + 1][Degree + 1]) {
  Number row[Degree + 1] = {Number{} + 1};
  basis_from_row<Number, Degree, Top, 1>(knots, row, values);
  for (int derivative = Degree + 1; derivative <= Top; ++derivative) {
    for (int r = 0; r <= Degree; ++r) values[derivative][r] = Number{};
  }
}

}  // namespace kanml::point::inline KANML_TARGET
