#include "kanml/relu_transform.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "core/splines/double_double.hpp"

namespace kanml {

namespace {

bool in_range(double v) {
  return std::isfinite(v) && std::fabs(v) >= std::numeric_limits<double>::min();
}

// y += a x over m entries.
template <class T>
void add_scaled(index m, double a, const T* x, double* y) {
  for (index c = 0; c < m; ++c) y[c] += a * static_cast<double>(x[c]);
}

// A product of a few numbers, of any size: their exponents are kept apart.
struct Product {
  explicit Product(double sign) : mantissa{sign} {}

  void multiply(DoubleDouble factor) {
    int e = 0;
    factor.high = std::frexp(factor.high, &e);
    factor.low = std::ldexp(factor.low, -e);
    mantissa = mantissa * factor;
    exponent += e;
  }

  DoubleDouble mantissa;
  int exponent = 0;
};

double quotient(const Product& a, const Product& b) {
  return std::ldexp((a.mantissa / b.mantissa).high, a.exponent - b.exponent);
}

// A row of running sums, one for each column. Each carries its rounding error along, so that a sum
// of many terms is as accurate as a sum of two.
class RunningSums {
 public:
  explicit RunningSums(index m) : m_(m), high_(size()), low_(size()) {}

  void restart() {
    std::fill(high_.begin(), high_.end(), 0.0);
    std::fill(low_.begin(), low_.end(), 0.0);
  }

  // Adds factor * row to the sums, and leaves them in the row.
  void add(double factor, double* row) {
    double* const high = high_.data();
    double* const low = low_.data();
    for (index c = 0; c < m_; ++c) {
      const DoubleDouble sum = two_sum(high[c], factor * row[c]);
      low[c] += sum.low;
      high[c] = sum.high;
      row[c] = sum.high + low[c];
    }
  }

 private:
  std::size_t size() const { return static_cast<std::size_t>(m_); }

  index m_;
  std::vector<double> high_;
  std::vector<double> low_;
};

}  // namespace

// A_ij = (-1)^r (t_{i+r} - t_i) / prod_{l in i..i+r, l != j} (t_j - t_l) with r = degree + 1, the
// weights of a divided difference. No sum is formed, so every entry is accurate to rounding.
ReluTransform::ReluTransform(const SplineSpace& space)
    : degree_(space.degree()), dim_(space.dim()) {
  const auto t = space.knots();
  const int r = degree_ + 1;
  const auto width = static_cast<std::size_t>(r + 1);
  const auto dim = static_cast<std::size_t>(dim_);
  band_.assign(dim * width, 0.0);
  std::vector<double> column_sums(dim, 0.0);  // |A^T| 1
  for (std::size_t i = 0; i < dim; ++i) {
    for (std::size_t c = 0; c < width && i + c < dim; ++c) {
      Product numerator(r % 2 == 0 ? 1.0 : -1.0);
      numerator.multiply(two_sum(t[i + width - 1], -t[i]));
      Product denominator(1.0);
      for (std::size_t l = i; l < i + width; ++l) {
        if (l != i + c) denominator.multiply(two_sum(t[i + c], -t[l]));
      }
      const double rounded = quotient(numerator, denominator);
      if (!in_range(rounded)) {
        throw std::invalid_argument("an entry of the matrix is beyond the range of float64");
      }
      band_[i * width + c] = rounded;
      column_sums[i + c] += std::fabs(rounded);
    }
  }
  for (int d = 1; d <= degree_; ++d) {
    for (std::size_t i = 0; i < dim; ++i) {
      spans_.push_back(t[i + static_cast<std::size_t>(d)] - t[i]);
    }
  }
  // The inverse has no negative entries, so solving with |A^T| 1 applies its absolute value.
  solve_transpose<double>(1, 1, column_sums, column_sums);
  condition_ = *std::max_element(column_sums.begin(), column_sums.end());
  if (!std::isfinite(condition_)) {
    throw std::invalid_argument("an entry of the inverse is beyond the range of float64");
  }
}

// Row i of the result is the sum over j of A_ij or A_ji times row j, computed in double. Rows are
// visited in an order in which overwritten ones are not read again, so y may be x.
template <class T>
void ReluTransform::apply(index copies, index m, std::span<const T> x, std::span<T> y) const {
  std::vector<double> sum(static_cast<std::size_t>(m));
  for (index copy = 0; copy < copies; ++copy) {
    const T* from = x.data() + copy * dim_ * m;
    T* to = y.data() + copy * dim_ * m;
    for (index i = 0; i < dim_; ++i) {
      std::fill(sum.begin(), sum.end(), 0.0);
      for (index j = i; j < std::min(i + degree_ + 2, dim_); ++j) {
        add_scaled(m, entry(i, j), from + j * m, sum.data());
      }
      std::transform(sum.begin(), sum.end(), to + i * m,
                     [](double v) { return static_cast<T>(v); });
    }
  }
}

template <class T>
void ReluTransform::apply_transpose(index copies, index m, std::span<const T> x,
                                    std::span<T> y) const {
  std::vector<double> sum(static_cast<std::size_t>(m));
  for (index copy = 0; copy < copies; ++copy) {
    const T* from = x.data() + copy * dim_ * m;
    T* to = y.data() + copy * dim_ * m;
    for (index j = dim_ - 1; j >= 0; --j) {
      std::fill(sum.begin(), sum.end(), 0.0);
      for (index i = std::max<index>(0, j - degree_ - 1); i <= j; ++i) {
        add_scaled(m, entry(i, j), from + i * m, sum.data());
      }
      std::transform(sum.begin(), sum.end(), to + j * m,
                     [](double v) { return static_cast<T>(v); });
    }
  }
}

// A factorises into differences and divisions by knot spans (the recursion (5) of the paper):
//   A = D S_k D S_{k-1} ... S_1 D,  (D v)_i = v_i - v_{i+1},  S_d = diag(1 / (t_{i+d} - t_i)),
// so its inverse is a cascade of running sums and multiplications by spans. Nothing is subtracted,
// and the error is a few rounding errors of |A^-1| |x| for any dim. (Elimination with the band of A
// would subtract nearly equal numbers, and lose accuracy like a power of dim.)
template <class T>
void ReluTransform::solve(index copies, index m, std::span<const T> x, std::span<T> y) const {
  cascade<T>(copies, m, x, y, [this, m](double* rows, RunningSums& sums) {
    for (int d = degree_; d >= 0; --d) {
      sums.restart();
      for (index i = dim_ - 1; i >= 0; --i) {
        sums.add(d == degree_ ? 1.0 : span(d + 1, i), rows + i * m);
      }
    }
  });
}

template <class T>
void ReluTransform::solve_transpose(index copies, index m, std::span<const T> x,
                                    std::span<T> y) const {
  cascade<T>(copies, m, x, y, [this, m](double* rows, RunningSums& sums) {
    for (int d = 0; d <= degree_; ++d) {
      sums.restart();
      for (index i = 0; i < dim_; ++i) sums.add(d == 0 ? 1.0 : span(d, i), rows + i * m);
    }
  });
}

// Runs `sweeps(rows, sums)` on a copy of the rows in double.
template <class T, class Sweeps>
void ReluTransform::cascade(index copies, index m, std::span<const T> x, std::span<T> y,
                            const Sweeps& sweeps) const {
  const index size = dim_ * m;
  std::vector<double> rows(static_cast<std::size_t>(size));
  RunningSums sums(m);
  for (index copy = 0; copy < copies; ++copy) {
    std::copy_n(x.data() + copy * size, size, rows.begin());
    sweeps(rows.data(), sums);
    std::transform(rows.begin(), rows.end(), y.data() + copy * size,
                   [](double v) { return static_cast<T>(v); });
  }
}

#define KANML_INSTANTIATE(T)                                                                      \
  template void ReluTransform::apply<T>(index, index, std::span<const T>, std::span<T>) const;    \
  template void ReluTransform::apply_transpose<T>(index, index, std::span<const T>, std::span<T>) \
      const;                                                                                      \
  template void ReluTransform::solve<T>(index, index, std::span<const T>, std::span<T>) const;    \
  template void ReluTransform::solve_transpose<T>(index, index, std::span<const T>, std::span<T>) \
      const
KANML_INSTANTIATE(float);
KANML_INSTANTIATE(double);
#undef KANML_INSTANTIATE

}  // namespace kanml
