// The end of the forward pass of a tile: its loss, and the cotangents of its outputs.
#pragma once

#include <span>

#include "core/cpu/walk.hpp"

namespace kanml {

// Given cotangents (n_planes, n, n_out); the outputs are not needed.
template <class T>
class GivenCotangents {
 public:
  static constexpr bool reads_outputs = false;

  GivenCotangents(const Walk<T>& walk, index n, std::span<const T> cotangents)
      : walk_(walk), n_(n), cotangents_(cotangents) {}

  double operator()(const Tile& tile, Workspace<T>& workspace) const {
    // Planes are writable, but nothing writes these.
    walk_.bind_outputs(tile, n_, const_cast<T*>(cotangents_.data()), workspace.cotangents.back());
    return 0.0;
  }

 private:
  const Walk<T>& walk_;
  index n_;
  std::span<const T> cotangents_;
};

// The sum of (y - target)^2; the cotangents are those of the mean.
template <class T>
class SquaredError {
 public:
  static constexpr bool reads_outputs = true;

  SquaredError(index n, index n_out, std::span<const T> target)
      : n_out_(n_out),
        target_(target.data()),
        factor_(static_cast<T>(2.0 / static_cast<double>(n * n_out))) {}

  double operator()(const Tile& tile, const Workspace<T>& workspace) const {
    const T* y = workspace.features.back()[0];
    T* cotangent = workspace.cotangents.back()[0];
    const T* wanted = target_ + tile.first * n_out_;
    double sum = 0.0;
    for (index i = 0; i < tile.samples * n_out_; ++i) {
      const T error = y[i] - wanted[i];
      sum += static_cast<double>(error) * static_cast<double>(error);
      cotangent[i] = factor_ * error;
    }
    return sum;
  }

 private:
  index n_out_;
  const T* target_;
  T factor_;
};

}  // namespace kanml
