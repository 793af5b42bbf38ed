#include "kanml/prolongation.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>

#include "core/splines/space_tables.hpp"
#include "point/basis.hpp"

namespace kanml {

namespace {

void require_nested(const SplineSpace& coarse, const SplineSpace& fine) {
  if (coarse.degree() != fine.degree()) {
    throw std::invalid_argument("prolongation needs two spaces of one degree");
  }
  // Grids computed in two ways differ by rounding.
  const double rounding = 4 * std::numeric_limits<double>::epsilon() *
                          std::max(std::fabs(fine.lower()), std::fabs(fine.upper()));
  const auto same = [&](double s, double t) { return std::fabs(s - t) <= rounding; };
  if (!same(coarse.lower(), fine.lower()) || !same(coarse.upper(), fine.upper())) {
    throw std::invalid_argument("prolongation needs two spaces on one domain");
  }
  auto candidate = fine.breakpoints().begin();
  for (const double t : coarse.breakpoints()) {
    while (candidate != fine.breakpoints().end() && !same(*candidate, t)) ++candidate;
    if (candidate == fine.breakpoints().end()) {
      throw std::invalid_argument("the coarse breakpoint " + std::to_string(t) +
                                  " is not a breakpoint of the fine space");
    }
  }
}

bool is_dyadic(const SplineSpace& coarse, const SplineSpace& fine) {
  return coarse.uniform() && fine.uniform() && fine.intervals() == 2 * coarse.intervals();
}

// Row j = 2 i + s - k of a dyadic refinement holds 2^{-k} C(k+1, s) in column i: the two-scale
// relation of uniform B-splines.
void dyadic_rows(int degree, std::span<index> first_column, std::span<double> values) {
  double binomials[max_degree + 2] = {1.0};  // C(k+1, s) 2^{-k}
  for (int r = 1; r <= degree + 1; ++r) {
    for (int s = r; s >= 1; --s) binomials[s] += binomials[s - 1];
  }
  for (double& b : binomials) b = std::ldexp(b, -degree);

  const auto width = static_cast<std::size_t>(degree + 1);
  const index last_first = (static_cast<index>(first_column.size()) - degree) / 2 - 1;
  for (std::size_t j = 0; j < first_column.size(); ++j) {
    // The columns i with 0 <= j + k - 2 i <= k + 1, moved into the matrix at its right end.
    const index first = std::min(static_cast<index>(j) / 2, last_first);
    first_column[j] = first;
    for (std::size_t c = 0; c < width; ++c) {
      const index s = static_cast<index>(j) + degree - 2 * (first + static_cast<index>(c));
      values[j * width + c] = s >= 0 && s <= degree + 1 ? binomials[s] : 0.0;
    }
  }
}

// Fine coefficient j is the blossom of the coarse polynomial piece at the k fine knots inside the
// support of function j (the Oslo algorithm: Cohen, Lyche and Riesenfeld 1980). All pieces in that
// support and in the domain give the same number. The widest one extrapolates and cancels least,
// since the arguments are closest to it relative to its width.
void blossom_rows(const SplineSpace& coarse, const SplineSpace& fine, std::span<index> first_column,
                  std::span<double> values) {
  const int degree = coarse.degree();
  const SpaceTables<double> tables(coarse);
  const auto space = tables.view();
  const auto knots = fine.knots();
  for (index j = 0; j < fine.dim(); ++j) {
    // Fine interval i has the knots i + degree and i + degree + 1; function j is
    // supported on the intervals j - degree .. j.
    const auto width_of = [&](index piece) {
      return knots[static_cast<std::size_t>(piece + degree + 1)] -
             knots[static_cast<std::size_t>(piece + degree)];
    };
    index widest = std::max<index>(0, j - degree);
    for (index piece = widest; piece <= std::min(j, fine.intervals() - 1); ++piece) {
      if (width_of(piece) > width_of(widest)) widest = piece;
    }
    const double middle = knots[static_cast<std::size_t>(widest + degree)] + 0.5 * width_of(widest);
    const std::int32_t i = point::find_interval(space, degree, middle);
    double* row = values.data() + j * (degree + 1);
    row[0] = 1.0;
    for (int d = 1; d <= degree; ++d) {
      const double knot = knots[static_cast<std::size_t>(j + d)];
      point::raise_value(point::KnotsAround<double>{space, i + degree, knot}, d, row);
    }
    first_column[static_cast<std::size_t>(j)] = i;
  }
}

// y_r += a x_r over m entries.
template <class T>
void add_scaled(index m, double a, const T* x, T* y) {
  const T scale = static_cast<T>(a);
  for (index r = 0; r < m; ++r) y[r] += scale * x[r];
}

}  // namespace

Prolongation::Prolongation(const SplineSpace& coarse, const SplineSpace& fine)
    : columns_(coarse.dim()), degree_(coarse.degree()) {
  require_nested(coarse, fine);
  first_column_.resize(static_cast<std::size_t>(fine.dim()));
  values_.resize(first_column_.size() * static_cast<std::size_t>(degree_ + 1));
  if (is_dyadic(coarse, fine)) {
    dyadic_rows(degree_, first_column_, values_);
  } else {
    blossom_rows(coarse, fine, first_column_, values_);
  }
  factor_gram();
}

// P^T P = L L^T, with row i of L stored as its entries in columns i - degree .. i.
void Prolongation::factor_gram() {
  const index width = degree_ + 1;
  gram_factor_.assign(static_cast<std::size_t>(columns_ * width), 0.0);
  const auto entry = [&](index i, index j) -> double& {
    return gram_factor_[static_cast<std::size_t>(i * width + j - i + degree_)];
  };
  for (index row = 0; row < rows(); ++row) {
    const index first = first_column_[static_cast<std::size_t>(row)];
    const double* p = values_.data() + row * width;
    for (index a = 0; a < width; ++a) {
      for (index b = 0; b <= a; ++b) entry(first + a, first + b) += p[a] * p[b];
    }
  }
  for (index i = 0; i < columns_; ++i) {
    const index begin = std::max<index>(0, i - degree_);
    for (index j = begin; j <= i; ++j) {
      double sum = entry(i, j);
      for (index l = std::max(begin, j - degree_); l < j; ++l) sum -= entry(i, l) * entry(j, l);
      entry(i, j) = i == j ? std::sqrt(sum) : sum / entry(j, j);
    }
  }
}

template <class T>
void Prolongation::apply(index copies, index m, std::span<const T> x, std::span<T> y) const {
  std::fill(y.begin(), y.end(), T(0));
  for (index copy = 0; copy < copies; ++copy) {
    const T* from = x.data() + copy * columns_ * m;
    T* to = y.data() + copy * rows() * m;
    for (index row = 0; row < rows(); ++row) {
      const index first = first_column_[static_cast<std::size_t>(row)];
      for (index c = 0; c <= degree_; ++c) {
        const double p = values_[static_cast<std::size_t>(row * (degree_ + 1) + c)];
        add_scaled(m, p, from + (first + c) * m, to + row * m);
      }
    }
  }
}

template <class T>
void Prolongation::apply_transpose(index copies, index m, std::span<const T> x,
                                   std::span<T> y) const {
  std::fill(y.begin(), y.end(), T(0));
  for (index copy = 0; copy < copies; ++copy) {
    const T* from = x.data() + copy * rows() * m;
    T* to = y.data() + copy * columns_ * m;
    for (index row = 0; row < rows(); ++row) {
      const index first = first_column_[static_cast<std::size_t>(row)];
      for (index c = 0; c <= degree_; ++c) {
        const double p = values_[static_cast<std::size_t>(row * (degree_ + 1) + c)];
        add_scaled(m, p, from + row * m, to + (first + c) * m);
      }
    }
  }
}

template <class T>
void Prolongation::apply_dual(index copies, index m, std::span<const T> x, std::span<T> y) const {
  const index width = degree_ + 1;
  const auto entry = [&](index i, index j) {
    return gram_factor_[static_cast<std::size_t>(i * width + j - i + degree_)];
  };
  std::vector<T> z(x.begin(), x.end());
  for (index copy = 0; copy < copies; ++copy) {
    const auto row_of = [&](index i) { return z.data() + (copy * columns_ + i) * m; };
    const auto divide = [&](index i) {
      const T pivot = static_cast<T>(entry(i, i));
      for (index r = 0; r < m; ++r) row_of(i)[r] /= pivot;
    };
    for (index i = 0; i < columns_; ++i) {
      for (index j = std::max<index>(0, i - degree_); j < i; ++j) {
        add_scaled(m, -entry(i, j), row_of(j), row_of(i));
      }
      divide(i);
    }
    for (index i = columns_ - 1; i >= 0; --i) {
      for (index j = i + 1; j <= std::min(columns_ - 1, i + degree_); ++j) {
        add_scaled(m, -entry(j, i), row_of(j), row_of(i));
      }
      divide(i);
    }
  }
  apply<T>(copies, m, z, y);
}

#define KANML_INSTANTIATE(T)                                                                     \
  template void Prolongation::apply<T>(index, index, std::span<const T>, std::span<T>) const;    \
  template void Prolongation::apply_transpose<T>(index, index, std::span<const T>, std::span<T>) \
      const;                                                                                     \
  template void Prolongation::apply_dual<T>(index, index, std::span<const T>, std::span<T>) const
KANML_INSTANTIATE(float);
KANML_INSTANTIATE(double);
#undef KANML_INSTANTIATE

}  // namespace kanml
