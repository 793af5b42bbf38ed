// Numbers that look random and are a function of their position: any entry of a long vector can
// be had again without storing it, and every run sees the same data.
#pragma once

#include <cstdint>
#include <vector>

#include "kanml/types.hpp"

namespace bench {

using kanml::index;

// Vectors with different names are independent of each other.
enum class Stream : std::uint64_t {
  points = 1,
  parameters,
  cotangent,
  other,
  point_signs,
  parameter_signs,
  output_signs,
  diagonal,
};

// In [-1, 1): SplitMix64 (Steele, Lea and Flood 2014) of the position.
inline double noise(Stream stream, index i) {
  auto z = (static_cast<std::uint64_t>(stream) << 48) + static_cast<std::uint64_t>(i);
  z = (z + 1) * 0x9e3779b97f4a7c15U;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
  z ^= z >> 31;
  return static_cast<double>(z >> 11) * 0x1p-52 - 1.0;
}

inline double random_sign(Stream stream, index i) { return noise(stream, i) < 0.0 ? -1.0 : 1.0; }

template <class T>
std::vector<T> noise_vector(Stream stream, index n, double scale = 1.0) {
  std::vector<T> values(static_cast<std::size_t>(n));
  for (index i = 0; i < n; ++i) {
    values[static_cast<std::size_t>(i)] = static_cast<T>(scale * noise(stream, i));
  }
  return values;
}

}  // namespace bench
