#include "core/linalg/bidiagonalisation.hpp"

#include <algorithm>

#include "core/runtime/active_kernels.hpp"
#include "core/runtime/parallel.hpp"
#include "kernels/linalg/reflection.hpp"

namespace kanml {

namespace {

using kernels::most_updates;
using kernels::square;
using kernels::strip_width;

constexpr index most_blocks = 16;  // of rows
constexpr index chunk = 64;        // columns of a task
constexpr index aligned = 8;       // columns at which loads of whole registers begin
constexpr index left_sums_stride = most_updates + aligned;

constexpr index rounded_up(index n, index unit) { return (n + unit - 1) / unit * unit; }

// Golub and Kahan's reduction with blocked updates (Dongarra, Sorensen and Hammarling 1989), in
// which a step reads the matrix A once: a row meets the reflection from the right of the step
// before, gives its entry of the next column, w, and is at once added to w^T A. What reflections
// did since the last update of A is A + L M.
//
// Step k has three phases: rows (that pass), columns (row k of the present matrix, and the
// reflection from the left as a row of M), and its end (the reflection from the right; where L is
// full, A is updated). Blocks of rows and chunks of columns depend on n alone.
class Reduction {
 public:
  Reduction(index n, std::span<const double> matrix);

  static constexpr index phases_of_step = 3;
  index phases() const { return phases_of_step * n_; }
  index tasks(index phase) const;
  void run(index phase, index task);
  Bidiagonalisation result() { return {std::move(system_), std::move(right_)}; }

 private:
  // Where a step stands: M has two rows for each step since the last update of A. There are two M,
  // since the next one begins while A is updated with this one.
  static index updates_before(index step) { return 2 * (step % strip_width); }
  double* m_row(index step, index row) {
    return m_.data() + ((step / strip_width % 2) * most_updates + row) * stride_;
  }
  bool ends_group(index step) const { return (step + 1) % strip_width == 0 || step + 1 == n_; }
  static index first_column(index step) { return step / aligned * aligned; }
  index block_of(index row) const { return row / rows_of_block_; }

  double* a_row(index row) { return a_.data() + row * stride_; }
  double* left_row(index row) { return left_.data() + row * most_updates; }
  double* left_sums_of(index block) { return left_sums_.data() + block * left_sums_stride; }

  void pass(index step, index block);
  void reflect_from_left(index step, index part);
  void reflect_from_right(index step);
  void keep_group(index step);
  void update(index step, index block);

  index n_;
  index stride_;  // of A and M: n + 1 and what fills the last strip
  index rows_of_block_;
  index blocks_;
  index chunks_;
  Zeros a_;     // (padded rows, stride)
  Zeros left_;  // (padded rows, most_updates): L
  Zeros m_;     // (2, most_updates, stride)
  // Of blocks of rows.
  Zeros sums_;       // (blocks, stride): w^T A
  Zeros left_sums_;  // (blocks, left_sums_stride): w^T L, then of its new columns
  // Of chunks of columns.
  Zeros moved_of_chunk_;    // (chunks, most_updates): M u
  Zeros squares_of_chunk_;  // (chunks)
  // The reflection from the right, and what the next pass reads.
  Zeros u_;            // (stride)
  Zeros moved_;        // (most_updates)
  Zeros entry_;        // (most_updates)
  Zeros sigmas_;       // (n): of the reflection before each step
  double head_ = 0.0;  // of row k, behind the diagonal
  BidiagonalSystem system_;
  Reflections right_;
};

Reduction::Reduction(index n, std::span<const double> matrix)
    : n_(n),
      stride_(rounded_up(n + 1, strip_width)),
      rows_of_block_(rounded_up((n + most_blocks - 1) / most_blocks, strip_width)),
      blocks_((n + rows_of_block_ - 1) / rows_of_block_),
      chunks_(n / chunk + 1),
      a_(rounded_up(n, kernels::strip_rows) * stride_),
      left_(rounded_up(n, kernels::strip_rows) * most_updates),
      m_(2 * most_updates * stride_),
      sums_(blocks_ * stride_),
      left_sums_(blocks_ * left_sums_stride),
      moved_of_chunk_(chunks_ * most_updates),
      squares_of_chunk_(chunks_),
      u_(stride_),
      moved_(most_updates),
      entry_(most_updates),
      sigmas_(rounded_up(n, strip_width)),
      right_(n) {
  const auto size = static_cast<std::size_t>(n);
  system_ = {std::vector<double>(size), std::vector<double>(size), std::vector<double>(size)};
  for (index i = 0; i < n; ++i) std::copy_n(matrix.data() + i * (n + 1), n + 1, a_row(i));
}

index Reduction::tasks(index phase) const {
  const index step = phase / phases_of_step;
  switch (phase % phases_of_step) {
    case 0:
      return blocks_ - block_of(step);
    case 1:
      return chunks_ - step / chunk;
    default:
      if (!ends_group(step)) return 1;
      return 2 + (step + 1 < n_ ? blocks_ - block_of(step + 1) : 0);
  }
}

void Reduction::run(index phase, index task) {
  const index step = phase / phases_of_step;
  switch (phase % phases_of_step) {
    case 0:
      return pass(step, block_of(step) + task);
    case 1:
      return reflect_from_left(step, step / chunk + task);
    default:
      if (task == 0) return reflect_from_right(step);
      if (task == 1) return keep_group(step);
      return update(step, block_of(step + 1) + task - 2);
  }
}

void Reduction::pass(index step, index block) {
  const index column = first_column(step);
  const index first = std::max(block * rows_of_block_, step + 1);
  const index last = std::min((block + 1) * rows_of_block_, n_);
  const auto rows_from = [&](index row) {
    return kernels::RowPass{
        .rows = 1,
        .columns = rounded_up(n_ + 1, aligned) - column,
        .a = a_row(row) + column,
        .stride = stride_,
        .left = left_row(row),
        .count = updates_before(step),
        .u = u_.data() + column,
        .moved = moved_.data(),
        .sigma = sigmas_.data()[step],
        .entry = entry_.data(),
        .place = step - column,
        .sums = nullptr,
        .left_sums = nullptr,
        .new_sums = nullptr,
    };
  };
  if (block == block_of(step)) active_matrix_kernels().pass_rows(rows_from(step));
  kernels::RowPass below = rows_from(first);
  below.rows = last - first;
  below.sums = sums_.data() + block * stride_ + column;
  below.left_sums = left_sums_of(block);
  below.new_sums = below.left_sums + most_updates;
  std::fill_n(below.sums, below.columns, 0.0);
  std::fill_n(below.left_sums, left_sums_stride, 0.0);
  active_matrix_kernels().pass_rows(below);
}

// Columns of a chunk: y = tau (row k + v^T (A + L M)) becomes a row of M, and is taken from row k.
// All tasks compute the numbers of the reflection, in the same way.
void Reduction::reflect_from_left(index step, index part) {
  const kernels::MatrixKernels& kernels = active_matrix_kernels();
  const index count = updates_before(step);
  const index first_block = block_of(step);
  const index blocks = blocks_ - first_block;
  double sums_of_left[most_updates] = {};
  double ones[most_blocks];
  std::fill_n(ones, blocks, 1.0);
  kernels.add_rows(blocks, most_updates, ones, left_sums_of(first_block), left_sums_stride,
                   sums_of_left);
  sums_of_left[count] = 0.0;
  double squares = 0.0;
  for (index block = first_block; block < blocks_; ++block) {
    sums_of_left[count] += left_sums_of(block)[most_updates];
    squares += left_sums_of(block)[most_updates + 1];
  }
  const double* const left = left_row(step);
  const auto [image, tau, scale] = kernels::reflection(left[count + 1], squares);

  const index begin = std::max(part * chunk, first_column(step));
  const index end = std::min((part + 1) * chunk, rounded_up(n_ + 1, aligned));
  const index width = end - begin;
  const double* const m = m_row(step, 0) + begin;
  double products[chunk] = {};
  kernels.add_rows(blocks, width, ones, sums_.data() + first_block * stride_ + begin, stride_,
                   products);
  kernels.add_rows(count + 1, width, sums_of_left, m, stride_, products);
  double row[chunk] = {};
  std::copy_n(a_row(step) + begin, width, row);
  kernels.add_rows(count + 1, width, left, m, stride_, row);
  double* const y = m_row(step, count + 1) + begin;
  double* const u = u_.data() + begin;
  for (index i = 0; i < width; ++i) {
    const double change = tau * (row[i] + scale * products[i]);
    y[i] = -scale * change;
    u[i] = row[i] - change;
  }
  const auto place = static_cast<std::size_t>(step);
  if (begin <= step && step < end) system_.diagonal[place] = image;
  if (begin <= step + 1 && step + 1 < end) head_ = u_.data()[step + 1];
  if (begin <= n_ && n_ < end) system_.right[place] = u_.data()[n_];
  for (index i = begin; i < std::min(end, step + 2); ++i) u_.data()[i] = 0.0;
  for (index i = std::max(begin, n_); i < end; ++i) u_.data()[i] = 0.0;
  kernels.multiply_rows(count + 2, width, m, stride_, u,
                        moved_of_chunk_.data() + part * most_updates);
  kernels.multiply_rows(1, width, u, stride_, u, squares_of_chunk_.data() + part);
}

void Reduction::reflect_from_right(index step) {
  const index next = step + 1;
  if (next == n_) return;
  double squares = 0.0;
  for (index part = step / chunk; part < chunks_; ++part) squares += squares_of_chunk_.data()[part];
  const auto [image, tau, scale] = kernels::reflection(head_, squares);
  double* const u = u_.data();
  system_.above[static_cast<std::size_t>(step)] = image;
  u[next] = head_ - image;
  sigmas_.data()[next] = tau * scale * scale;
  const index count = updates_before(next);
  for (index j = 0; j < most_updates; ++j) {
    double* const moved = moved_.data() + j;
    double* const entry = entry_.data() + j;
    *moved = *entry = 0.0;
    if (j >= count) continue;
    *entry = m_row(step, j)[next];
    *moved = *entry * u[next];
    for (index part = step / chunk; part < chunks_; ++part) {
      *moved += moved_of_chunk_.data()[part * most_updates + j];
    }
  }
  std::copy_n(u, stride_, m_row(next, count));
}

void Reduction::keep_group(index step) {
  const index group = step / strip_width;
  right_.set(group, m_row(step, 0), 2 * stride_, sigmas_.data() + group * strip_width);
}

void Reduction::update(index step, index block) {
  const index first = std::max(block * rows_of_block_, step + 1);
  const index last = std::min((block + 1) * rows_of_block_, rounded_up(n_, kernels::strip_rows));
  const index column = step + 1;
  active_matrix_kernels().add_product(last - first, most_updates, stride_ - column, left_row(first),
                                      most_updates, m_row(step, 0) + column, stride_,
                                      a_row(first) + column, stride_);
}

}  // namespace

Reflections::Reflections(index n)
    : padded_(rounded_up(n, strip_width)),
      vectors_(padded_ * padded_),
      factors_(padded_ * strip_width) {}

void Reflections::set(index group, const double* rows, index stride, const double* sigmas) {
  double* const vectors = vectors_of(group);
  double* const factor = factor_of(group);
  active_kernels<double>().transpose(strip_width, padded_, rows, stride, vectors, strip_width);
  double products[square] = {};
  active_matrix_kernels().add_transposed_product(padded_, vectors, vectors, products);
  for (index j = 0; j < strip_width; ++j) {
    for (index i = 0; i < j; ++i) {
      double sum = 0.0;
      for (index k = i; k < j; ++k) {
        sum += factor[i * strip_width + k] * products[k * strip_width + j];
      }
      factor[i * strip_width + j] = -sigmas[j] * sum;
    }
    factor[j * strip_width + j] = -sigmas[j];
  }
}

// The vectors of a group are zero before its first row.
void Reflections::apply(double* strip) const {
  const kernels::MatrixKernels& kernels = active_matrix_kernels();
  for (index group = padded_ / strip_width; group-- > 0;) {
    const index first = group * strip_width;
    const double* const vectors = vectors_of(group) + first * strip_width;
    double* const rows = strip + first * strip_width;
    double products[square] = {};
    kernels.add_transposed_product(padded_ - first, vectors, rows, products);
    double changes[square] = {};
    kernels.add_product(strip_width, strip_width, strip_width, factor_of(group), strip_width,
                        products, strip_width, changes, strip_width);
    kernels.add_product(padded_ - first, strip_width, strip_width, vectors, strip_width, changes,
                        strip_width, rows, strip_width);
  }
}

Bidiagonalisation bidiagonalise(index n, std::span<const double> matrix, int threads) {
  Reduction reduction(n, matrix);
  // A step of a smaller matrix is over before a second thread has saved what its three barriers
  // cost.
  constexpr index serial_size = 400;
  const int team = n < serial_size ? 1 : team_size(threads, reduction.tasks(0));
  parallel_phases(
      team, reduction.phases(), [&](index phase) { return reduction.tasks(phase); },
      [&](index phase, index task, int) { reduction.run(phase, task); });
  return reduction.result();
}

}  // namespace kanml
