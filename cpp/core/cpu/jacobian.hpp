// The executors for rows of a Jacobian, tile by tile: its entries, and its product with a
// direction.
#pragma once

#include <algorithm>
#include <span>

#include "core/cpu/term_rows.hpp"

namespace kanml {

// Writes the derivatives of one row at all samples of a tile to `to` (samples), a stride apart:
// those with respect to parameters as kernels read them, then to unknowns. They are cleared where
// and when they are needed in cache.
template <class T, class Add>
void write_derivatives(const TermRows<T>& rows, const TileOf& at, std::size_t row, int thread,
                       const Add& add, index n_parameters, T* to, index stride) {
  for (index s = 0; s < at.tile.samples; ++s) std::fill_n(to + s * stride, n_parameters, T(0));
  add(kernels::Sink<T>{.gradient = to, .stride = stride});
  rows.unknowns(thread, row, to + n_parameters, stride);
}

template <class T>
class Jacobian {
 public:
  Jacobian(const Walk<T>& walk, const Pass<T>& pass, TermRows<T>& rows)
      : walk_(walk), pass_(pass), rows_(rows) {}

  // The entries, with respect to what is stored: jacobian (rows, parameters and unknowns).
  void write(std::span<const T> stored, std::span<T> jacobian, int requested) const {
    const index n_parameters = walk_.plan.n_parameters();
    const index n = n_parameters + rows_.n_unknowns();
    const int threads = pass_.team(requested, pass_.tiles());
    for_rows(threads, [&](const TileOf& at, std::size_t row, int thread, const auto& add) {
      const index stride = static_cast<index>(rows_.of_sample(at.batch)) * n;
      T* const first = jacobian.data() + (rows_.first(at) + static_cast<index>(row)) * n;
      write_derivatives(rows_, at, row, thread, add, n_parameters, first, stride);
      for (index s = 0; s < at.tile.samples; ++s) {
        walk_.plan.pull_back(stored,
                             std::span(first + s * stride, static_cast<std::size_t>(n_parameters)));
      }
    });
  }

  // Its product with a direction: that of the parameters as kernels read them, and of the unknowns.
  void push(const T* direction, std::span<const T> of_unknowns, std::span<T> products,
            int requested) const {
    index contributions = 0;
    for (const auto& layer : walk_.layers) {
      contributions = std::max(contributions, layer->contributions());
    }
    const auto numbers =
        static_cast<std::size_t>(contributions + kernels::tile_size * (1 + rows_.n_unknowns()));
    const int threads = pass_.team(requested, pass_.tiles());
    const ThreadBuffer memory(threads, numbers * sizeof(T));
    for_rows(threads, [&](const TileOf& at, std::size_t row, int thread, const auto& add) {
      T* const scratch = static_cast<T*>(memory.of(thread));
      T* const sums = scratch + contributions;
      T* const by_unknowns = sums + kernels::tile_size;
      std::fill_n(sums, at.tile.samples, T(0));
      add(kernels::Sink<T>{.direction = direction, .products = sums, .contributions = scratch});
      rows_.unknowns(thread, row, by_unknowns, rows_.n_unknowns());
      const auto n_rows = static_cast<index>(rows_.of_sample(at.batch));
      T* const to = products.data() + rows_.first(at) + static_cast<index>(row);
      for (index s = 0; s < at.tile.samples; ++s) {
        T sum = sums[s];
        for (std::size_t i = 0; i < of_unknowns.size(); ++i) {
          sum += by_unknowns[s * rows_.n_unknowns() + static_cast<index>(i)] * of_unknowns[i];
        }
        to[s * n_rows] = sum;
      }
    });
  }

 private:
  // Calls f(tile, row, thread, add) for the rows of all tiles.
  template <class F>
  void for_rows(int threads, const F& f) const {
    rows_.prepare(threads, pass_.tiles());
    typename Pass<T>::template Memory<TermRows<T>> memory(pass_, threads);
    parallel_for(threads, pass_.tiles(), [&](index t, int thread) {
      pass_.rows_of_tile(
          rows_, t, thread, memory,
          [&](const TileOf& at, std::size_t row, const auto& add) { f(at, row, thread, add); });
    });
  }

  const Walk<T>& walk_;
  const Pass<T>& pass_;
  TermRows<T>& rows_;
};

}  // namespace kanml
