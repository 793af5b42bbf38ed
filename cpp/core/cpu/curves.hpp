// Samples of an evaluation, and the directions along which they move.
#pragma once

#include <span>
#include <stdexcept>
#include <string_view>
#include <utility>
#include <vector>

#include "kanml/network.hpp"
#include "kernels/calls.hpp"

namespace kanml {

template <class T>
struct Curves {
  index n;                      // samples
  std::span<const T> x;         // (points, n_in)
  index points;                 // as many as samples, unless rows choose them
  std::span<const index> rows;  // (n), or empty: all points in their order
  std::span<const T> vectors;   // (count, n_in) or (count, points, n_in)
  bool per_sample = false;
  bool gathered = false;   // x holds the samples alone, although rows choose them
  std::string_view where;  // the beginning of messages about a sample
  std::vector<int> planes;
  kernels::Directions directions;

  Curves(index samples, std::span<const T> inputs) : n(samples), x(inputs), points(samples) {}
  Curves(index samples, std::span<const T> inputs, index n_in, const Directions<T>& given,
         std::span<const index> chosen = {})
      : n(samples),
        x(inputs),
        points(static_cast<index>(inputs.size()) / n_in),
        rows(chosen),
        vectors(given.vectors),
        per_sample(given.one_a_sample) {
    const auto count = static_cast<index>(given.orders.size());
    int next = 1;
    for (const int order : given.orders) planes.push_back(std::exchange(next, next + order));
    directions = {.count = static_cast<int>(count),
                  .orders = given.orders.data(),
                  .planes = planes.data(),
                  .n_planes = next};
    if (static_cast<index>(vectors.size()) != count * n_in * (per_sample ? points : 1)) {
      throw std::invalid_argument("the vectors of the directions have a wrong size");
    }
  }
  Curves(Curves&&) noexcept = default;  // not copied: the directions point into it

  // The point of a sample.
  index row(index sample) const {
    return rows.empty() ? sample : rows[static_cast<std::size_t>(sample)];
  }
};

// The samples of one term of a loss, at one or more places that go through the network together.
template <class T>
struct Batch {
  index n;
  std::vector<Curves<T>> places;
};

}  // namespace kanml
