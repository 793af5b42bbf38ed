#include "kanml/symmetric.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "core/runtime/parallel.hpp"
#include "kanml/buffer.hpp"

namespace kanml {

namespace {

using std::size_t;

// Rows that are read together, so that what belongs to columns is loaded once for all of them.
constexpr index rows_together = 4;

// Consecutive rows, cut such that all blocks have about as many entries. The cuts depend on n
// alone.
class Blocks {
 public:
  explicit Blocks(index n) : n_(n) {
    constexpr index least = 65536;  // entries that are worth a task
    constexpr index most = 32;
    count_ = std::clamp(packed_size(n) / least, index{1}, most);
  }

  index count() const { return count_; }
  index first_row(index block) const {
    const double share = static_cast<double>(block) / static_cast<double>(count_);
    const auto row = static_cast<index>(static_cast<double>(n_) * std::sqrt(share));
    return block == count_ ? n_ : row - row % rows_together;
  }

 private:
  index n_;
  index count_;
};

// Adds what the entries of `rows` rows from row i on contribute to the product: to[j] for their
// columns, and to[i + r] for themselves.
template <int rows, class T>
void add_product(const T* matrix, index i, const double* x, double* to) {
  const T* row[rows];
  double at_row[rows];
  for (int r = 0; r < rows; ++r) {
    row[r] = matrix + packed_size(i + r);
    at_row[r] = x[i + r];
  }
  constexpr index lanes = 2;  // partial sums of a row, in a fixed order
  double partial[rows][lanes] = {};
  const index whole = i - i % lanes;
  for (index j = 0; j < whole; j += lanes) {
#pragma GCC unroll 2
    for (index lane = 0; lane < lanes; ++lane) {
      double column = to[j + lane];
      for (int r = 0; r < rows; ++r) {
        const auto entry = static_cast<double>(row[r][j + lane]);
        partial[r][lane] += entry * x[j + lane];
        column += entry * at_row[r];
      }
      to[j + lane] = column;
    }
  }
  for (int r = 0; r < rows; ++r) {
    double sum = partial[r][0] + partial[r][1];
    for (index j = whole; j < i + r; ++j) {
      const auto entry = static_cast<double>(row[r][j]);
      sum += entry * x[j];
      to[j] += entry * at_row[r];
    }
    to[i + r] += sum + static_cast<double>(row[r][i + r]) * at_row[r];
  }
}

}  // namespace

template <class T>
void symmetric_product(std::span<const T> matrix, std::span<const T> x, std::span<T> out,
                       int threads) {
  const auto n = static_cast<index>(x.size());
  const Blocks blocks(n);
  const std::vector<double> wide(x.begin(), x.end());
  // Each block has sums of its own, up to its last row.
  const Buffer memory(static_cast<size_t>(blocks.count() * n) * sizeof(double));
  auto* const sums = static_cast<double*>(memory.data());
  const auto block_product = [&](index block, int) {
    const index end = blocks.first_row(block + 1);
    double* const to = sums + block * n;
    std::fill_n(to, end, 0.0);
    index i = blocks.first_row(block);
    for (; i + rows_together <= end; i += rows_together) {
      add_product<rows_together>(matrix.data(), i, wide.data(), to);
    }
    for (; i < end; ++i) add_product<1>(matrix.data(), i, wide.data(), to);
  };
  parallel_for(team_size(threads, blocks.count()), blocks.count(), block_product);

  std::vector<double> total(x.size(), 0.0);
  for (index block = 0; block < blocks.count(); ++block) {
    const double* const part = sums + block * n;
    for (index j = 0; j < blocks.first_row(block + 1); ++j)
      total[static_cast<size_t>(j)] += part[j];
  }
  std::transform(total.begin(), total.end(), out.begin(),
                 [](double v) { return static_cast<T>(v); });
}

template <class T>
bool symmetric_update(double scale, std::span<const T> matrix, const RankTwo<T>& added,
                      std::span<T> out, int threads) {
  const auto n = static_cast<index>(added.x.size());
  const Blocks blocks(n);
  // Entry (i, j) of what is added is x_i by_x[j] + y_i by_y[j].
  std::vector<double> by_x(added.x.size());
  std::vector<double> by_y(added.x.size());
  for (size_t j = 0; j < by_x.size(); ++j) {
    const auto x = static_cast<double>(added.x[j]);
    const auto y = static_cast<double>(added.y[j]);
    by_x[j] = added.xx * x + added.xy * y;
    by_y[j] = added.xy * x + added.yy * y;
  }
  std::vector<char> positive(static_cast<size_t>(blocks.count()), 1);
  const auto block_update = [&](index block, int) {
    const double* const px = by_x.data();
    const double* const py = by_y.data();
    for (index i = blocks.first_row(block); i < blocks.first_row(block + 1); ++i) {
      const T* const from = matrix.data() + packed_size(i);
      T* const to = out.data() + packed_size(i);
      const auto x = static_cast<double>(added.x[static_cast<size_t>(i)]);
      const auto y = static_cast<double>(added.y[static_cast<size_t>(i)]);
#pragma omp simd
      for (index j = 0; j <= i; ++j) {
        to[j] = static_cast<T>(scale * static_cast<double>(from[j]) + (x * px[j] + y * py[j]));
      }
      if (!(to[i] > 0 && std::isfinite(to[i]))) positive[static_cast<size_t>(block)] = 0;
    }
  };
  parallel_for(team_size(threads, blocks.count()), blocks.count(), block_update);
  return std::find(positive.begin(), positive.end(), 0) == positive.end();
}

template void symmetric_product(std::span<const float>, std::span<const float>, std::span<float>,
                                int);
template void symmetric_product(std::span<const double>, std::span<const double>, std::span<double>,
                                int);
template bool symmetric_update(double, std::span<const float>, const RankTwo<float>&,
                               std::span<float>, int);
template bool symmetric_update(double, std::span<const double>, const RankTwo<double>&,
                               std::span<double>, int);

}  // namespace kanml
