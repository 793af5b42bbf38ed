// What tiles contribute to the sums of terms, one record each, and its reduction.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "kanml/terms.hpp"

namespace kanml {

// A record holds the sum of the losses, the largest component, and the sums of the derivatives with
// respect to all unknowns.
class LossRecords {
 public:
  explicit LossRecords(std::size_t n_unknowns) : size_(2 + n_unknowns) {}

  void clear(index tiles) {
    records_.assign(static_cast<std::size_t>(tiles) * size_, 0.0);
    terms_.assign(static_cast<std::size_t>(tiles), 0);
  }
  double* data() { return records_.data(); }  // (tiles, size of a record)
  // The record of a tile, which belongs to a term.
  double* of_tile(index tile, std::size_t term) {
    terms_[static_cast<std::size_t>(tile)] = term;
    return records_.data() + static_cast<std::size_t>(tile) * size_;
  }

  // A NaN is larger than any number.
  static double larger(double a, double b) { return b > a || b != b ? b : a; }

  // Adds up in the order of the tiles.
  template <class T>
  void add_up(std::span<const double> factors, std::span<TermSums> sums,
              std::span<T> unknown_gradient) const {
    std::vector<double> gradient(size_ - 2, 0.0);
    std::fill(sums.begin(), sums.end(), TermSums{});
    for (std::size_t t = 0; t < terms_.size(); ++t) {
      const double* const record = records_.data() + t * size_;
      TermSums& of_term = sums[terms_[t]];
      of_term.loss += record[0];
      of_term.largest = larger(of_term.largest, record[1]);
      for (std::size_t i = 0; i < gradient.size(); ++i) {
        gradient[i] += factors[terms_[t]] * record[2 + i];
      }
    }
    for (std::size_t i = 0; i < unknown_gradient.size(); ++i) {
      unknown_gradient[i] = static_cast<T>(gradient[i]);
    }
  }

 private:
  std::size_t size_;
  std::vector<double> records_;
  std::vector<std::size_t> terms_;  // (tiles)
};

}  // namespace kanml
