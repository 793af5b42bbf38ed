// The vector operations of the optimizers; see include/kanml/vector_ops.hpp. Most are what ForEach
// and PartSums do with an entry.
#pragma once

#include <cmath>
#include <limits>

#include "block/entries.hpp"
#include "block/sums.hpp"

namespace kanml::block {

template <class T>
KANML_DEVICE bool is_positive_and_finite(T value) {
  return value > T(0) && value <= std::numeric_limits<T>::max();
}

template <class T>
struct Dot {
  using Sum = Total<double>;

  const T* x;
  const T* y;

  KANML_DEVICE void operator()(Sum& sum, index i) const {
    sum.value += static_cast<double>(x[i]) * static_cast<double>(y[i]);
  }
};

template <class T>
struct MaxAbs {
  using Sum = Largest;

  const T* x;

  KANML_DEVICE void operator()(Sum& sum, index i) const {
    sum.add({std::fabs(static_cast<double>(x[i]))});
  }
};

// y + a x, rounded once.
template <class T>
KANML_DEVICE T plus_multiple(T y, double a, T x) {
  return static_cast<T>(static_cast<double>(y) + a * static_cast<double>(x));
}

template <class T>
struct Axpy {
  double a;
  const T* x;
  const T* y;
  T* out;

  KANML_DEVICE void operator()(index i) const { out[i] = plus_multiple(y[i], a, x[i]); }
};

template <class T>
struct Scaled {
  T a;
  const T* x;
  T* out;

  KANML_DEVICE void operator()(index i) const { out[i] = a * x[i]; }
};

template <class T>
struct Fill {
  T value;
  T* out;

  KANML_DEVICE void operator()(index i) const { out[i] = value; }
};

template <class T>
struct PlusProduct {
  const T* x;
  const T* y;
  const T* z;
  T* out;

  KANML_DEVICE void operator()(index i) const { out[i] = x[i] + y[i] * z[i]; }
};

template <class T>
struct Quotient {
  const T* x;
  const T* y;
  T* out;

  KANML_DEVICE void operator()(index i) const { out[i] = x[i] / y[i]; }
};

template <class T>
struct AdamDirection {
  double rate;
  double beta1;
  double beta2;
  double eps;
  double correction1;  // 1 - beta1^updates
  double correction2;
  const T* gradient;
  const T* first_moment;
  const T* second_moment;
  T* new_first_moment;
  T* new_second_moment;
  T* direction;

  KANML_DEVICE void operator()(index i) const {
    const auto g = static_cast<double>(gradient[i]);
    const double m = beta1 * static_cast<double>(first_moment[i]) + (1 - beta1) * g;
    const double v = beta2 * static_cast<double>(second_moment[i]) + (1 - beta2) * (g * g);
    new_first_moment[i] = static_cast<T>(m);
    new_second_moment[i] = static_cast<T>(v);
    direction[i] = static_cast<T>(-rate * (m / correction1) / (std::sqrt(v / correction2) + eps));
  }
};

// What the update of a diagonal D needs of a curvature pair.
struct PairProducts {
  double curvature;        // s . y
  double inverse_product;  // y . D y
  double direct_product;   // s . D^{-1} s

  KANML_DEVICE void add(const PairProducts& other) {
    curvature += other.curvature;
    inverse_product += other.inverse_product;
    direct_product += other.direct_product;
  }
};

template <class T>
struct ProductsOfPair {
  using Sum = PairProducts;

  const T* step;
  const T* gradient_change;
  const T* diagonal;

  KANML_DEVICE void operator()(Sum& sum, index i) const {
    const auto s = static_cast<double>(step[i]);
    const auto y = static_cast<double>(gradient_change[i]);
    const auto d = static_cast<double>(diagonal[i]);
    sum.add({s * y, y * d * y, s / d * s});
  }
};

// After PartSums of ProductsOfPair.
template <class T>
struct UpdateDiagonal {
  Parts parts;
  const PairProducts* sums;  // (parts.count)
  ProductsOfPair<T> pair;
  T* updated;
  int blocks;
  int threads;

  template <class Block>
  KANML_DEVICE auto memory(Block& block) const {
    return memory_of_sums<PairProducts>(block);
  }
  template <class Block>
  KANML_DEVICE void operator()(Block& block) const {
    const PairProducts products = sum_of_parts(block, memory(block), parts, sums);
    const double r = products.inverse_product / products.curvature;
    for_entries(block, parts.n, [&](index i) {
      const auto y = static_cast<double>(pair.gradient_change[i]);
      const double b = 1 / static_cast<double>(pair.diagonal[i]);
      const double bs = b * static_cast<double>(pair.step[i]);
      const double entry = r * (b - bs * bs / products.direct_product) + y * y / products.curvature;
      const double least = std::numeric_limits<double>::epsilon() * r * b;
      const T rounded = static_cast<T>(1 / (entry < least ? least : entry));
      updated[i] = is_positive_and_finite(rounded) ? rounded : pair.diagonal[i];
    });
  }
};

}  // namespace kanml::block
