#pragma once

#include <stdexcept>
#include <string>

#include "kanml/types.hpp"

namespace kanml {

// The size of a matrix of parameters. Sizes computed from accepted matrices do not overflow.
inline index parameter_count(index rows, index columns) {
  constexpr index most = index{1} << 40;
  index result = 0;
  if (__builtin_mul_overflow(rows, columns, &result) || result > most) {
    throw std::invalid_argument("a layer of " + std::to_string(rows) + " times " +
                                std::to_string(columns) + " parameters is too large");
  }
  return result;
}

}  // namespace kanml
