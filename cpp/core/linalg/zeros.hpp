// Numbers on cache lines of their own.
#pragma once

#include <algorithm>
#include <cstddef>

#include "kanml/buffer.hpp"
#include "kanml/types.hpp"

namespace kanml {

// Aligned to a cache line, so that kernels load whole registers; zero at first.
class Zeros {
 public:
  explicit Zeros(index n) : buffer_(static_cast<std::size_t>(n) * sizeof(double)) {
    std::fill_n(data(), n, 0.0);
  }
  double* data() const { return static_cast<double*>(buffer_.data()); }

 private:
  Buffer buffer_;
};

}  // namespace kanml
