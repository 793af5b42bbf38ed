// The basis functions of one input on a tile of samples and their derivatives, in vectors with one
// sample in each lane. The last vector may hold fewer samples; its other lanes are at the lower end
// of the domain.
#pragma once

#include <type_traits>

#include "kernels/table.hpp"
#include "point/basis.hpp"
#include "simd/vectors.hpp"

namespace kanml::kernels::inline KANML_TARGET {

inline constexpr int cache_line = 64;

// A number for each sample and each function that is nonzero there. Loads and stores of full
// vectors stay within cache lines.
template <class T, int Degree>
struct alignas(cache_line) Weights {
  T rows[Degree + 1][tile_size];

  T* operator[](int j) { return rows[j]; }
  const T* operator[](int j) const { return rows[j]; }
};

// The number of samples, rounded up to full vectors.
template <class T>
inline int padded(int samples) {
  constexpr int lanes = full_lanes<T>;
  static_assert(tile_size % lanes == 0);
  return (samples + lanes - 1) / lanes * lanes;
}

// Distances from a vector of samples to the knots around them; see point/basis.hpp.
template <class T, int Degree>
class VectorKnots {
 public:
  using Number = FullVector<T>;

  // `first` holds the samples' intervals.
  VectorKnots(const point::SpaceView<T>& space, const std::int32_t* first, Number x) {
    for (int r = 0; r < Degree; ++r) {
      const int below = Degree - r;
      const int above = Degree + 1 + r;
      left_[r] = x - gather(space.knots + below, first);
      right_[r] = gather(space.knots + above, first) - x;
      if constexpr (!std::is_same_v<T, double>) {  // knots are numbers of type double
        left_[r] -= gather(space.remainders + below, first);
        right_[r] += gather(space.remainders + above, first);
      }
      for (int d = r + 1; d <= Degree; ++d) {
        const T* const row = space.reciprocals + (d - 1) * space.n_knots;
        reciprocals_[d - 1][r] = gather(row + Degree + 1 - d + r, first);
      }
    }
  }

  Number left(int r) const { return left_[r]; }
  Number right(int r) const { return right_[r]; }
  Number reciprocal(int d, int r) const { return reciprocals_[d - 1][r]; }
  Number rate(int d, int r) const { return static_cast<T>(d) * reciprocals_[d - 1][r]; }

 private:
  Number left_[Degree];
  Number right_[Degree];
  Number reciprocals_[Degree][Degree];  // [d - 1][r], r < d
};

// The Degree + 1 functions that are nonzero at each sample and their derivatives, with the layer's
// rule outside the domain.
template <class T, int Degree, int Top>
struct TileBasis {
  alignas(cache_line) std::int32_t first[tile_size];  // index of the first nonzero function
  Weights<T, Degree> derivatives[Top + 1];            // of orders 0..Top
  bool overflows;  // whether values of a sample far outside overflow; see overflow.hpp

  // Returns the first refused sample, or -1. Inlined, so that results need not go through memory.
  [[gnu::always_inline]] int fill(const point::SpaceView<T>& space, Extrapolation rule, int samples,
                                  const T* x) {
    alignas(cache_line) T at[tile_size];      // where the basis is evaluated
    alignas(cache_line) T beyond[tile_size];  // how far the sample lies from there
    const Number zero = {};
    const Number lower = zero + space.lower;
    const Number upper = zero + space.upper;
    const int lanes = padded<T>(samples);
    Number outside = zero;  // 1 in lanes that have a sample outside
    for (int s = 0; s < lanes; s += full_lanes<T>) {
      const Number xs = load_column(x + s, 1, samples - s, space.lower);
      // Comparisons are false for NaN.
      const Number end = xs < lower ? lower : xs > upper ? upper : xs;
      outside = ((xs < lower) | (xs > upper)) ? zero + T(1) : outside;
      store<full_lanes<T>>(at + s, rule == Extrapolation::polynomial ? xs : end);
      store<full_lanes<T>>(beyond + s, xs - end);
    }
    overflows = false;
    const bool any_outside = sum_of_lanes<T, full_lanes<T>>(outside) > T(0);
    if (any_outside && rule == Extrapolation::error) {
      return first_outside(space, samples, x);
    }
    const bool goes_on = any_outside && rule != Extrapolation::polynomial;
    const bool lacks_slopes = Top == 0 && goes_on && rule == Extrapolation::linear;
    if constexpr (Top == 0) {
      if (lacks_slopes) evaluate_with_slopes(space, lanes, at, beyond);
    }
    if (!lacks_slopes) {
      evaluate(space, lanes, at);
      if (goes_on) go_on(rule, lanes, beyond);
    }
    if (any_outside && rule != Extrapolation::clamp) overflows = !values_are_finite(lanes);
    return -1;
  }

 private:
  using Number = FullVector<T>;
  template <class, int, int>
  friend struct TileBasis;

  void evaluate(const point::SpaceView<T>& space, int samples, const T* at) {
    if (space.uniform) {
      evaluate_uniform(space, samples, at);
    } else {
      evaluate_general(space, samples, at);
    }
  }

  // Values that continue linearly, if there is no memory for the slopes.
  void evaluate_with_slopes(const point::SpaceView<T>& space, int samples, const T* at,
                            const T* beyond) {
    TileBasis<T, Degree, 1> with_slopes;
    with_slopes.evaluate(space, samples, at);
    with_slopes.go_on(Extrapolation::linear, samples, beyond);
    for (int s = 0; s < samples; ++s) first[s] = with_slopes.first[s];
    for (int j = 0; j <= Degree; ++j) {
      for (int s = 0; s < samples; ++s) derivatives[0][j][s] = with_slopes.derivatives[0][j][s];
    }
  }

  bool values_are_finite(int samples) const {
    Number zeros = {};  // or NaN
    for (int j = 0; j <= Degree; ++j) {
      for (int s = 0; s < samples; s += full_lanes<T>) {
        const Number value = load<full_lanes<T>>(derivatives[0][j] + s);
        zeros += value - value;
      }
    }
    return sum_of_lanes<T, full_lanes<T>>(zeros) == T(0);
  }

  // Knots are numbers of type double. In double their rounding matters, so they are looked up; in
  // float they are multiples of one spacing.
  void evaluate_uniform(const point::SpaceView<T> space, int samples, const T* at) {
    // Distances from the knot on the left and to that on the right. They are scaled later, since
    // scaled distances may underflow to zero.
    alignas(cache_line) T u[tile_size];
    alignas(cache_line) T v[tile_size];
    if constexpr (std::is_same_v<T, double>) {
      look_up(space, samples, at, u, v);
    } else {
      for (int s = 0; s < samples; s += full_lanes<T>) {
        Number interval;
        Number distances[2];
        point::locate(space.uniform_knots, Number(load<full_lanes<T>>(at + s)), interval,
                      distances);
        store<full_lanes<T>>(first + s, to_integers<T>(interval));
        store<full_lanes<T>>(u + s, distances[0]);
        store<full_lanes<T>>(v + s, distances[1]);
      }
    }
    for (int s = 0; s < samples; s += full_lanes<T>) {
      const Number left = load<full_lanes<T>>(u + s);
      const Number right = load<full_lanes<T>>(v + s);
      if constexpr (std::is_same_v<T, double>) {
        store_basis(s, point::between_knots(left, right, space.frequency));
      } else {
        store_basis(s, point::UniformKnotsAround<Number, T>{
                           left * space.frequency, right * space.frequency, space.frequency});
      }
    }
  }

  void look_up(const point::SpaceView<T>& space, int samples, const T* at, T* u, T* v) {
    const T* const knots = space.knots + Degree;
    const T last = static_cast<T>(space.intervals - 1);
    const Number zero = {};
    Number beside = zero;  // 1 in lanes where rounding may have led into a neighbouring interval
    for (int s = 0; s < samples; s += full_lanes<T>) {
      const Number x = load<full_lanes<T>>(at + s);
      const Number cell = point::equal_cell(x, space.lower, space.frequency, last);
      store<full_lanes<T>>(first + s, to_integers<T>(cell));
      const Number left = x - gather(knots, first + s);
      const Number right = gather(knots + 1, first + s) - x;
      const auto below = (left < zero) & (cell > zero);
      const auto above = (right <= zero) & (cell < zero + last);
      beside = below | above ? zero + T(1) : beside;
      store<full_lanes<T>>(u + s, left);
      store<full_lanes<T>>(v + s, right);
    }
    if (sum_of_lanes<T, full_lanes<T>>(beside) == T(0)) return;
    for (int s = 0; s < samples; s += full_lanes<T>) {
      const Number x = load<full_lanes<T>>(at + s);
      find_intervals(space, x, first + s);
      store<full_lanes<T>>(u + s, x - gather(knots, first + s));
      store<full_lanes<T>>(v + s, gather(knots + 1, first + s) - x);
    }
  }

  // point::find_interval for a vector of samples.
  static void find_intervals(const point::SpaceView<T>& space, Number x, std::int32_t* found) {
    constexpr int lanes = full_lanes<T>;
    const T last_bucket = static_cast<T>(space.intervals - 1);
    const Number bucket = point::equal_cell(x, space.lower, space.frequency, last_bucket);
    store<lanes>(found, to_integers<T>(bucket));
    auto low = gather_integers<T>(space.bucket_first, found);
    auto high = gather_integers<T>(space.bucket_last, found);
    for (std::int32_t step = 0; step < space.bisections; ++step) {
      const Integers<T> middle = (low + high + 1) / 2;
      store<lanes>(found, middle);
      const Number knot = gather(space.knots + Degree, found);
      Integers<T> right;
      if constexpr (std::is_same_v<T, double>) {  // knots are numbers of type double
        right = to_integers<T>(x >= knot);
      } else {
        right = to_integers<T>(x - knot >= gather(space.remainders + Degree, found));
      }
      const Integers<T> before = middle > low ? middle - 1 : low;
      low = right ? middle : low;
      high = right ? high : before;
    }
    store<lanes>(found, low);
  }

  void evaluate_general(const point::SpaceView<T>& space, int samples, const T* at) {
    for (int s = 0; s < samples; s += full_lanes<T>) {
      find_intervals(space, load<full_lanes<T>>(at + s), first + s);
      store_basis(s, VectorKnots<T, Degree>(space, first + s, load<full_lanes<T>>(at + s)));
    }
  }

  template <class Knots>
  [[gnu::always_inline]] void store_basis(int s, const Knots& knots) {
    Number found[Top + 1][Degree + 1];
    point::basis<Number, Degree, Top>(knots, found);
    for (int j = 0; j <= Degree; ++j) {
      for (int m = 0; m <= Top; ++m) store<full_lanes<T>>(derivatives[m][j] + s, found[m][j]);
    }
  }

  static int first_outside(const point::SpaceView<T>& space, int samples, const T* x) {
    for (int s = 0; s < samples; ++s) {
      if (x[s] < space.lower || x[s] > space.upper) return s;
    }
    return -1;
  }

  // Continues the basis from the ends of the domain, where it was evaluated, to the samples
  // outside: along the tangent, or with the value.
  void go_on(Extrapolation rule, int samples, const T* beyond) {
    if constexpr (Top > 0) {
      if (rule == Extrapolation::linear) add_tangents(samples, beyond);
    }
    const int vanishing = rule == Extrapolation::linear ? 2 : 1;  // from this order on
    for (int m = vanishing; m <= Top; ++m) {
      for (int j = 0; j <= Degree; ++j) {
        for (int s = 0; s < samples; ++s) {
          if (beyond[s] < T(0) || beyond[s] > T(0)) derivatives[m][j][s] = T(0);
        }
      }
    }
  }

  void add_tangents(int samples, const T* beyond) {
    const Number zero = {};
    for (int j = 0; j <= Degree; ++j) {
      for (int s = 0; s < samples; s += full_lanes<T>) {
        const Number slope = load<full_lanes<T>>(derivatives[1][j] + s);
        const Number change = point::rounded(Number(slope * load<full_lanes<T>>(beyond + s)));
        const Number value = load<full_lanes<T>>(derivatives[0][j] + s);
        store<full_lanes<T>>(derivatives[0][j] + s, value + (slope == zero ? zero : change));
      }
    }
  }
};

}  // namespace kanml::kernels::inline KANML_TARGET
