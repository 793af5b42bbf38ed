// The rows of terms of least squares: what their programs give, sample by sample. Rows are numbered
// term by term, sample by sample of the batch, row by row of the formula.
#pragma once

#include <span>
#include <vector>

#include "core/cpu/term_programs.hpp"

namespace kanml {

// The numbers of rows, and their programs.
template <class T>
class NumberedRows {
 public:
  NumberedRows(std::span<const RowTerm<T>> terms, std::span<const double> scales, index n_out,
               std::span<const double> unknowns)
      : programs(terms, n_out, unknowns),
        terms_(terms),
        scales_(scales),
        n_unknowns_(unknowns.size()) {
    for (const RowTerm<T>& term : terms) {
      first_rows_.push_back(total_);
      total_ += term.n * static_cast<index>(term.formula->n_rows());
    }
  }

  index total() const { return total_; }
  std::size_t n_unknowns() const { return n_unknowns_; }
  std::size_t of_sample(std::size_t term) const { return terms_[term].formula->n_rows(); }
  index number(std::size_t term, index sample) const {
    return first_rows_[term] + sample * static_cast<index>(of_sample(term));
  }
  const RowTerm<T>& term(std::size_t term) const { return terms_[term]; }
  T scale(std::size_t term) const { return static_cast<T>(scales_[term]); }

  TermPrograms<T, PointRows> programs;

 private:
  std::span<const RowTerm<T>> terms_;
  std::span<const double> scales_;  // (terms): factors of rows and their derivatives
  std::size_t n_unknowns_;
  std::vector<index> first_rows_;  // (terms)
  index total_ = 0;
};

// Rows one after the other, for passes that take each of them back. Without a way back it is a
// loss; see losses.hpp.
template <class T>
class TermRows {
 public:
  static constexpr bool reads_outputs = true;

  // The rows themselves are written to `values` (rows) unless it is empty.
  TermRows(NumberedRows<T>& rows, std::span<T> values) : rows_(rows), values_(values) {}

  index total() const { return rows_.total(); }
  index n_unknowns() const { return static_cast<index>(rows_.n_unknowns()); }
  std::size_t of_sample(std::size_t batch) const { return rows_.of_sample(batch); }
  // The number of the first row of a tile.
  index first(const TileOf& at) const { return rows_.number(at.batch, at.tile.first); }

  void prepare(int threads, index /*tiles*/) { rows_.programs.prepare(threads); }
  void operator()(const TileOf& at, int thread, Workspace<T>* places, bool /*backward*/) {
    const std::size_t n_rows = of_sample(at.batch);
    rows_.programs.run(at, thread, places, [&](const auto& desk) {
      if (values_.empty()) return;
      T* const to = values_.data() + rows_.number(at.batch, desk.sample);
      for (std::size_t row = 0; row < n_rows; ++row) {
        copy(desk, row, to + row, static_cast<index>(n_rows));
      }
    });
  }

  // Of the tile that the thread has run last; each number is that of a sample, a stride apart.

  template <class To>
  void values(int thread, std::size_t row, To* to, index stride) const {
    copy(rows_.programs.desk(thread), row, to, stride);
  }
  // The derivatives with respect to all unknowns.
  template <class To>
  void unknowns(int thread, std::size_t row, To* to, index stride) const {
    const auto& desk = rows_.programs.desk(thread);
    const std::size_t first = first_derivative(desk, row) + differentiated(desk.term, row).size();
    for (std::size_t i = 0; i < rows_.n_unknowns(); ++i) copy(desk, first + i, to + i, stride);
  }
  void write_cotangents(int thread, std::size_t row, Workspace<T>* places) const {
    const auto& desk = rows_.programs.desk(thread);
    const T scale = rows_.scale(desk.term);
    rows_.programs.clear_cotangents(desk);
    rows_.programs.add_cotangents(desk, differentiated(desk.term, row), first_derivative(desk, row),
                                  [&](int) { return scale; });
    rows_.programs.send_back(desk, places);
  }
  bool has_cotangents(std::size_t batch, std::size_t row, std::size_t place) const {
    return any_at(differentiated(batch, row), place);
  }

 private:
  using Desk = typename TermPrograms<T, PointRows>::Desk;

  std::span<const Coefficient> differentiated(std::size_t term, std::size_t row) const {
    return rows_.term(term).formula->differentiated(row);
  }
  std::size_t first_derivative(const Desk& desk, std::size_t row) const {
    return rows_.term(desk.term).formula->first_derivative(row);
  }
  template <class To>
  void copy(const Desk& desk, std::size_t output, To* to, index stride) const {
    const T scale = rows_.scale(desk.term);
    const T* const from = desk[output];
    for (int s = 0; s < desk.count; ++s) to[s * stride] = static_cast<To>(scale * from[s]);
  }

  NumberedRows<T>& rows_;
  std::span<T> values_;
};

// A loss (see losses.hpp) whose gradient is that of sum(cotangent * rows).
template <class T>
class PulledRows {
 public:
  static constexpr bool reads_outputs = true;

  PulledRows(NumberedRows<T>& rows, std::span<const T> cotangent)
      : rows_(rows), cotangent_(cotangent), n_unknowns_(rows.n_unknowns()) {}

  void prepare(int threads, index tiles) {
    records_.assign(static_cast<std::size_t>(tiles) * n_unknowns_, 0.0);
    rows_.programs.prepare(threads);
  }
  void operator()(const TileOf& at, int thread, Workspace<T>* places, bool /*backward*/) {
    const PointRows& formula = *rows_.term(at.batch).formula;
    const auto n_rows = static_cast<index>(formula.n_rows());
    const T scale = rows_.scale(at.batch);
    double* const record = records_.data() + static_cast<std::size_t>(at.number) * n_unknowns_;
    rows_.programs.run(at, thread, places, [&](const auto& desk) {
      rows_.programs.clear_cotangents(desk);
      const T* of_row = cotangent_.data() + rows_.number(at.batch, desk.sample);
      for (std::size_t row = 0; row < formula.n_rows(); ++row, ++of_row) {
        const auto weight = [&](int s) { return scale * of_row[s * n_rows]; };
        const std::size_t first = formula.first_derivative(row);
        rows_.programs.add_cotangents(desk, formula.differentiated(row), first, weight);
        const std::size_t of_unknowns = first + formula.differentiated(row).size();
        for (std::size_t i = 0; i < n_unknowns_; ++i) {
          const T* const derivative = desk[of_unknowns + i];
          double sum = 0.0;
          for (int s = 0; s < desk.count; ++s) {
            sum += static_cast<double>(weight(s)) * static_cast<double>(derivative[s]);
          }
          record[i] += sum;
        }
      }
      rows_.programs.send_back(desk, places);
    });
  }
  bool has_cotangents(std::size_t batch, std::size_t place) const {
    const PointRows& formula = *rows_.term(batch).formula;
    for (std::size_t row = 0; row < formula.n_rows(); ++row) {
      if (any_at(formula.differentiated(row), place)) return true;
    }
    return false;
  }

  // The gradient with respect to the unknowns, summed in the order of the tiles.
  void add_up(std::span<T> unknown_gradient) const {
    for (std::size_t i = 0; i < n_unknowns_; ++i) {
      double sum = 0.0;
      for (std::size_t r = i; r < records_.size(); r += n_unknowns_) sum += records_[r];
      unknown_gradient[i] = static_cast<T>(sum);
    }
  }

 private:
  NumberedRows<T>& rows_;
  std::span<const T> cotangent_;  // (rows)
  std::size_t n_unknowns_;
  std::vector<double> records_;  // (tiles, unknowns)
};

}  // namespace kanml
