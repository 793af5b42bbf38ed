// B-spline basis functions at one point, by the Cox-de Boor triangle.
//
// On the interval [t_m, t_{m+1}) exactly d + 1 functions of degree d are nonzero: those supported
// on t_{m-d+r} .. t_{m+1+r}, r = 0..d. A *row* holds their d + 1 values. Raising a row from degree
// d - 1 to d costs d multiplications by the reciprocals 1 / (t_{l+d} - t_l), prepared once a space.
// Raised with an argument x, the row gains one factor of the blossom (polar form); with the same x
// at every degree the row ends as the basis at x, with k different arguments as a row of the
// Oslo algorithm.
#pragma once

#include <cstdint>

namespace kanml::point {

// Pointers to what evaluation needs of a spline space. `m` below counts from knots[0], the
// leftmost ghost knot, so interval i of the domain is m = i + degree.
template <class T>
struct SpaceView {
  const T* knots;        // (n_knots)
  const T* reciprocals;  // (degree, n_knots): row d - 1 holds 1 / (t_{l+d} - t_l)
  std::int32_t n_knots;
  std::int32_t intervals;
  T lower;
  T upper;

  // Finding the interval of a point: the domain is cut into equal buckets, and a bucket knows the
  // first and last interval that a point in it can lie in; bisection does the rest, in a number of
  // steps that is fixed for the space (one on uniform knots).
  const std::int32_t* bucket_first;  // (n_buckets)
  const std::int32_t* bucket_last;   // (n_buckets)
  T bucket_scale;                    // n_buckets / (upper - lower)
  std::int32_t n_buckets;
  std::int32_t bisections;
};

template <class T>
inline std::int32_t bucket_of(T x, T lower, T scale, std::int32_t n_buckets) {
  const T b = (x - lower) * scale;
  // The comparison also sends NaN to bucket 0: its values become NaN, its index stays valid.
  if (!(b > T(0))) return 0;
  return b < static_cast<T>(n_buckets) ? static_cast<std::int32_t>(b) : n_buckets - 1;
}

// The interval i with t_i <= x < t_{i+1}; the first one left of the domain and for NaN, the last
// one at and right of its upper end.
template <class T>
inline std::int32_t find_interval(const SpaceView<T>& space, int degree, T x) {
  const std::int32_t bucket = bucket_of(x, space.lower, space.bucket_scale, space.n_buckets);
  std::int32_t first = space.bucket_first[bucket];
  std::int32_t last = space.bucket_last[bucket];
  for (std::int32_t step = 0; step < space.bisections; ++step) {
    const std::int32_t middle = (first + last + 1) / 2;
    const bool right = x >= space.knots[middle + degree];
    first = right ? middle : first;
    last = right ? last : (middle > first ? middle - 1 : first);
  }
  return first;
}

// row: d values in, d + 1 out.
template <class T>
inline void raise_value(const SpaceView<T>& space, std::int32_t m, int d, T x, T* row) {
  const T* knots = space.knots + m;
  const T* reciprocals = space.reciprocals + (d - 1) * space.n_knots + m;
  T carried = T(0);
  for (int r = 0; r < d; ++r) {
    const T scaled = row[r] * reciprocals[1 - d + r];
    row[r] = carried + (knots[1 + r] - x) * scaled;
    carried = (x - knots[1 - d + r]) * scaled;
  }
  row[d] = carried;
}

// The same step for the derivative: b'_{l,d} = d (b_{l,d-1} / (t_{l+d} - t_l) - ...).
template <class T>
inline void raise_derivative(const SpaceView<T>& space, std::int32_t m, int d, T* row) {
  const T* reciprocals = space.reciprocals + (d - 1) * space.n_knots + m;
  T carried = T(0);
  for (int r = 0; r < d; ++r) {
    const T scaled = static_cast<T>(d) * row[r] * reciprocals[1 - d + r];
    row[r] = carried - scaled;
    carried = scaled;
  }
  row[d] = carried;
}

// From a row of degree D - 1 to the basis of degree Degree and its derivatives. D is a template
// parameter so that every loop unrolls and the rows live in registers.
template <class T, int Degree, int Top, int D>
inline void basis_from_row(const SpaceView<T>& space, std::int32_t m, T x, T* row,
                           T (&values)[Top + 1][Degree + 1]) {
  if constexpr (D <= Degree) {
    // Differentiated at every degree still to come, this row is the derivative of this order.
    constexpr int derivative = Degree - D + 1;
    if constexpr (derivative <= Top) {
      T* out = values[derivative];
      for (int r = 0; r < D; ++r) out[r] = row[r];
      for (int d = D; d <= Degree; ++d) raise_derivative(space, m, d, out);
    }
    raise_value(space, m, D, x, row);
    basis_from_row<T, Degree, Top, D + 1>(space, m, x, row, values);
  } else {
    for (int r = 0; r <= Degree; ++r) values[0][r] = row[r];
  }
}

// Derivatives 0..Top of the Degree + 1 functions that are nonzero on interval i, at x. The
// polynomial pieces of that interval are evaluated wherever x lies. Derivatives above the degree
// are zero.
template <class T, int Degree, int Top>
inline void basis(const SpaceView<T>& space, std::int32_t i, T x,
                  T (&values)[Top + 1][Degree + 1]) {
  T row[Degree + 1] = {T(1)};
  basis_from_row<T, Degree, Top, 1>(space, i + Degree, x, row, values);
  for (int derivative = Degree + 1; derivative <= Top; ++derivative) {
    for (int r = 0; r <= Degree; ++r) values[derivative][r] = T(0);
  }
}

}  // namespace kanml::point
