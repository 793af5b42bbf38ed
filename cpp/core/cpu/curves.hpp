// The samples of an evaluation, and the directions along which they move.
#pragma once

#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

#include "kanml/network.hpp"
#include "kernels/calls.hpp"

namespace kanml {

template <class T>
struct Curves {
  index n;
  std::span<const T> x;        // (n, n_in)
  std::span<const T> vectors;  // (count, n_in) or (count, n, n_in)
  bool per_sample = false;
  std::vector<int> planes;
  kernels::Directions directions;

  Curves(index samples, std::span<const T> points) : n(samples), x(points) {}
  Curves(index samples, std::span<const T> points, index n_in, const Directions<T>& given)
      : n(samples), x(points), vectors(given.vectors) {
    const auto count = static_cast<index>(given.orders.size());
    per_sample = given.one_a_sample;
    int next = 1;
    for (const int order : given.orders) planes.push_back(std::exchange(next, next + order));
    directions = {.count = static_cast<int>(count),
                  .orders = given.orders.data(),
                  .planes = planes.data(),
                  .n_planes = next};
    if (static_cast<index>(vectors.size()) != count * n_in * (per_sample ? n : 1)) {
      throw std::invalid_argument("the vectors of the directions have a wrong size");
    }
  }
  Curves(const Curves&) = delete;  // the directions point into it
};

}  // namespace kanml
