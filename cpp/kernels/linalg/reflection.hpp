// One Householder reflection.
#pragma once

#include <cmath>

#include "point/target.hpp"

namespace kanml::kernels::inline KANML_TARGET {

// 1 - tau [1; v] [1; v]^T with v = scale x, which maps [head; x] to [image; 0].
struct Reflection {
  double image;
  double tau;
  double scale;
};

// Of `squares`, the sum of the squares of x. Below `smallest` it has lost its digits, and x counts
// as zero: then its numbers are below 1e-145.
inline Reflection reflection(double head, double squares) {
  constexpr double smallest = 1e-290;
  if (squares < smallest) return {head, 0.0, 0.0};
  const double image = -std::copysign(std::hypot(head, std::sqrt(squares)), head);
  return {image, (image - head) / image, 1.0 / (head - image)};
}

}  // namespace kanml::kernels::inline KANML_TARGET
