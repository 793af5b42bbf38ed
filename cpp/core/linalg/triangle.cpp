#include "core/linalg/triangle.hpp"

#include <algorithm>

#include "core/runtime/active_kernels.hpp"
#include "core/runtime/parallel.hpp"
#include "kanml/least_squares.hpp"

namespace kanml {

namespace {

using kernels::square;
using kernels::strip_rows;
using kernels::strip_width;

// The rows that are folded in together: their strips stay in cache.
constexpr index panel_rows = 256;

constexpr index strips_of(index n) { return (n + strip_width - 1) / strip_width; }

// A square of a matrix of n columns: that in a row and column of strips.
class Square {
 public:
  Square(double* matrix, index n, index row, index column)
      : n_(n),
        rows_(std::min(strip_width, n - row * strip_width)),
        columns_(std::min(strip_width, n - column * strip_width)),
        entries_(matrix + row * strip_width * n + column * strip_width) {
    for (index i = 0; i < rows_; ++i) {
      std::copy_n(entries_ + i * n, columns_, copy_ + i * strip_width);
    }
  }

  index columns() const { return columns_; }
  double* data() { return copy_; }
  void write_back() const {
    for (index i = 0; i < rows_; ++i) {
      std::copy_n(copy_ + i * strip_width, columns_, entries_ + i * n_);
    }
  }

 private:
  index n_;
  index rows_;
  index columns_;
  double* entries_;
  double copy_[square] = {};
};

}  // namespace

// Rows that are folded in together, at most panel_rows. If they are rows of a triangle, `first` is
// the number of the first one there, and entries before the diagonal are zero; otherwise -1.
struct Triangle::Panel {
  index rows;
  const double* data;
  index stride;
  index first = -1;

  // The rows that have entries in a strip of columns.
  index filled(index strip) const {
    if (first < 0) return rows;
    return std::clamp((strip + 1) * strip_width - first, index{0}, rows);
  }
  // The same with rows of zeros behind.
  index padded(index strip) const {
    return (filled(strip) + strip_rows - 1) / strip_rows * strip_rows;
  }
};

Triangle::Triangle(index n)
    : n_(n),
      strips_(strips_of(n)),
      entries_(static_cast<std::size_t>(n * n)),
      panel_(strips_ * panel_rows * strip_width),
      factors_(strips_ * square) {}

Triangle::Triangle(index n, std::span<const double> entries) : Triangle(n) {
  for (index i = 0; i < n; ++i) {
    std::copy_n(entries.data() + i * n + i, n - i, entries_.data() + i * n + i);
  }
}

void Triangle::clear() { std::fill(entries_.begin(), entries_.end(), 0.0); }

double* Triangle::strip_of(index strip) { return panel_.data() + strip * panel_rows * strip_width; }
double* Triangle::factor_of(index strip) { return factors_.data() + strip * square; }

void Triangle::take(const Panel& panel, index strip) {
  const index rows = panel.filled(strip);
  const index columns = std::min(strip_width, n_ - strip * strip_width);
  double* const to = strip_of(strip);
  const double* const from = panel.data + strip * strip_width;
  std::fill_n(to, panel.padded(strip) * strip_width, 0.0);
  for (index r = 0; r < rows; ++r) {
    std::copy_n(from + r * panel.stride, columns, to + r * strip_width);
  }
}

void Triangle::reduce(const Panel& panel, index strip) {
  Square diagonal(entries_.data(), n_, strip, strip);
  active_matrix_kernels().reduce(diagonal.columns(), panel.padded(strip), diagonal.data(),
                                 strip_of(strip), factor_of(strip));
  diagonal.write_back();
}

void Triangle::reflect(const Panel& panel, index reduced, index strip) {
  const kernels::MatrixKernels& kernels = active_matrix_kernels();
  const index rows = panel.padded(reduced);
  const double* const v = strip_of(reduced);
  Square top(entries_.data(), n_, reduced, strip);
  Square sums = top;
  kernels.add_transposed_product(rows, v, strip_of(strip), sums.data());
  double change[square] = {};
  kernels.add_transposed_product(strip_width, factor_of(reduced), sums.data(), change);
  for (index i = 0; i < square; ++i) top.data()[i] += change[i];
  top.write_back();
  kernels.add_product(rows, strip_width, strip_width, v, strip_width, change, strip_width,
                      strip_of(strip), strip_width);
}

// One thread finishes a strip before it takes the next, so that it finds it in its cache. Several
// do the same in phases: all strips follow one reduction, of which the first is reduced at once.
void Triangle::fold(const Panel& panel, int threads) {
  index first = 0;
  while (panel.filled(first) == 0) ++first;
  if (threads == 1) {
    for (index strip = first; strip < strips_; ++strip) {
      take(panel, strip);
      for (index reduced = first; reduced < strip; ++reduced) reflect(panel, reduced, strip);
      reduce(panel, strip);
    }
    return;
  }
  parallel_phases(
      threads, strips_ - first, [&](index phase) { return strips_ - first - phase; },
      [&](index phase, index task, int) {
        const index strip = first + phase + task;
        if (phase == 0) {
          take(panel, strip);
        } else {
          reflect(panel, first + phase - 1, strip);
        }
        if (task == 0) reduce(panel, strip);
      });
}

int Triangle::team(int requested, index rows) const {
  // A phase of a smaller triangle takes some 40 microseconds: a second thread saves little more
  // than its barrier costs, and far less than the time slices for which barriers wait on a busy
  // machine.
  constexpr index serial_size = 200;
  return n_ < serial_size ? 1 : team_size(requested, strips_, rows * n_ * n_);
}

void Triangle::fold(index rows, const double* panel, index stride, int threads) {
  const int team = this->team(threads, rows);
  for (index r = 0; r < rows; r += panel_rows) {
    fold({std::min(panel_rows, rows - r), panel + r * stride, stride}, team);
  }
}

void Triangle::merge(const Triangle& other, int threads) {
  const int team = this->team(threads, n_);
  for (index r = 0; r < n_; r += panel_rows) {
    fold({std::min(panel_rows, n_ - r), other.entries_.data() + r * n_, n_, r}, team);
  }
}

void Triangle::fold(index rows, const double* panel, index stride) { fold(rows, panel, stride, 1); }
void Triangle::merge(const Triangle& other) { merge(other, 1); }

std::vector<double> fold_triangle(index n, std::span<const double> triangle,
                                  std::span<const double> rows, int threads) {
  Triangle folded(n, triangle);
  folded.fold(n == 0 ? 0 : static_cast<index>(rows.size()) / n, rows.data(), n, threads);
  return {folded.entries().begin(), folded.entries().end()};
}

index triangles_for(index rows, index n) {
  constexpr index most = 16;
  constexpr index most_entries = (index{128} << 20) / static_cast<index>(sizeof(double));
  return std::max(index{1}, std::min({most, rows / (2 * n), most_entries / (n * n)}));
}

}  // namespace kanml
