// Losses, in the form that executors ask for: called with each tile after its forward pass. Such a
// class has
//   reads_outputs                            whether the last layer has to run forwards
//   prepare(threads, tiles)                  called before the tiles
//   operator()(at, thread, workspaces, backward)   workspaces: those of the places; fills the
//                                            cotangents of the outputs if `backward`
//   has_cotangents(batch, place)             whether a place has any
#pragma once

#include <span>

#include "core/cpu/pass.hpp"

namespace kanml {

// Given cotangents (n_planes, n, n_out) of a single batch at one place; the outputs are not needed.
template <class T>
class GivenCotangents {
 public:
  static constexpr bool reads_outputs = false;

  GivenCotangents(const Walk<T>& walk, index n, std::span<const T> cotangents)
      : walk_(walk), n_(n), cotangents_(cotangents) {}

  void prepare(int /*threads*/, index /*tiles*/) {}
  void operator()(const TileOf& at, int /*thread*/, Workspace<T>* workspaces,
                  bool /*backward*/) const {
    // Planes are writable, but nothing writes these.
    walk_.bind_outputs(at.tile, n_, const_cast<T*>(cotangents_.data()),
                       workspaces[0].cotangents.back());
  }
  bool has_cotangents(std::size_t /*batch*/, std::size_t /*place*/) const { return true; }

 private:
  const Walk<T>& walk_;
  index n_;
  std::span<const T> cotangents_;
};

}  // namespace kanml
