// The executor for the triangular factor of the QR factorisation of rows: they are collected in
// panels, which are folded into triangles. Memory is a matter of parameters and threads, not of
// rows.
#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include "core/cpu/jacobian.hpp"
#include "core/linalg/triangle.hpp"

namespace kanml {

// Turns the factor of derivatives with respect to what kernels read, of layers from one on, into
// that with respect to what is stored: the rows of the triangle are mapped, and no others.
template <class T>
void map_to_stored(const Plan& plan, std::span<const T> parameters, std::size_t first_layer,
                   index columns, std::span<double> factor, int threads) {
  if (plan.stored_parts.empty()) return;
  const index of_network = plan.n_parameters_from(first_layer);
  const std::vector<double> stored(parameters.begin(), parameters.end());
  std::vector<double> gradient(stored.size());  // zero in front of the first layer
  for (index row = 0; row < columns; ++row) {
    double* const entries = factor.data() + row * columns;
    std::copy_n(entries, of_network, gradient.end() - of_network);
    plan.pull_back<double>(stored, gradient);
    std::copy_n(gradient.end() - of_network, of_network, entries);
  }
  Triangle triangle(columns);
  triangle.fold(columns, factor.data(), columns, threads);
  std::ranges::copy(triangle.entries(), factor.begin());
}

// Which rows a triangle folds in, and in which panels, depends on numbers of rows and parameters
// alone.
template <class T>
class Triangles {
 public:
  Triangles(const Pass<T>& pass, TermRows<T>& rows)
      : pass_(pass),
        rows_(rows),
        n_parameters_(pass.n_parameters()),
        n_(n_parameters_ + rows.n_unknowns() + 1) {}

  // The factor of derivatives, with respect to the parameters of the pass as kernels read them and
  // to unknowns, and of the rows themselves as the last column.
  Triangle reduce(int requested) const {
    const index count = std::min(triangles_for(rows_.total(), n_), pass_.tiles());
    return count > 1 ? several(count, requested) : one(requested);
  }

 private:
  static constexpr index panel_rows = 256;

  using Memory = typename Pass<T>::template Memory<TermRows<T>>;

  // Folding a row in takes as many times the work of making it as there are columns.
  int team(int requested, index tasks) const { return pass_.team(requested, tasks, n_); }
  index rows_of(const TileOf& at) const {
    return at.tile.samples * static_cast<index>(rows_.of_sample(at.batch));
  }

  // A team that makes rows.
  struct Team {
    Team(const Triangles& of, int threads)
        : memory(of.pass_, threads),
          tile_rows(threads, static_cast<std::size_t>(kernels::tile_size * of.n_) * sizeof(T)) {
      of.rows_.prepare(threads, of.pass_.tiles());
    }
    Memory memory;
    ThreadBuffer tile_rows;  // (tile_size, n - 1): those of one number
  };

  // Calls f(samples) for the rows of a tile, and copies them to where it says: (samples, n).
  template <class F>
  void make_rows(index t, int thread, Team& team, const F& f) const {
    T* const derivatives = static_cast<T*>(team.tile_rows.of(thread));
    const index width = n_ - 1;
    pass_.rows_of_tile(
        rows_, t, thread, team.memory, [&](const TileOf& at, std::size_t row, const auto& add) {
          write_derivatives(rows_, at, row, thread, add, n_parameters_, derivatives, width);
          double* const to = f(at.tile.samples);
          for (index s = 0; s < at.tile.samples; ++s) {
            std::copy_n(derivatives + s * width, width, to + s * n_);
          }
          rows_.values(thread, row, to + width, n_);
        });
  }

  // Each triangle folds in a range of tiles, and they are merged pair by pair.
  Triangle several(index count, int requested) const {
    const int threads = team(requested, count);
    Team team(*this, threads);
    const ThreadBuffer panels(threads, static_cast<std::size_t>(panel_rows * n_) * sizeof(double));
    std::vector<Triangle> triangles;
    for (index i = 0; i < count; ++i) triangles.emplace_back(n_);
    parallel_for(threads, count, [&](index i, int thread) {
      auto* const panel = static_cast<double*>(panels.of(thread));
      index filled = 0;
      const auto fold = [&] {
        triangles[static_cast<std::size_t>(i)].fold(std::exchange(filled, 0), panel, n_);
      };
      for (index t = i * pass_.tiles() / count; t < (i + 1) * pass_.tiles() / count; ++t) {
        make_rows(t, thread, team, [&](index samples) {
          if (filled + samples > panel_rows) fold();
          return panel + std::exchange(filled, filled + samples) * n_;
        });
      }
      fold();
    });
    for (index step = 1; step < count; step *= 2) {
      const auto merge = [&](index pair, auto... of_team) {
        const auto first = static_cast<std::size_t>(2 * step * pair);
        triangles[first].merge(triangles[first + static_cast<std::size_t>(step)], of_team...);
      };
      const index pairs = (count - step + 2 * step - 1) / (2 * step);
      if (pairs == 1) {
        merge(0, threads);
      } else {
        parallel_for(threads, pairs, [&](index pair, int /*thread*/) { merge(pair); });
      }
    }
    return std::move(triangles.front());
  }

  // Threads make the rows of a panel, tile by tile, and fold it together.
  Triangle one(int requested) const {
    index capacity = 2 * panel_rows;
    for (index t = 0; t < pass_.tiles(); ++t) {
      capacity = std::max(capacity, rows_of(pass_.tile_of(t)));
    }
    const int threads = team(requested, capacity);
    Team team(*this, threads);
    const Buffer memory(static_cast<std::size_t>(capacity * n_) * sizeof(double));
    auto* const panel = static_cast<double*>(memory.data());
    Triangle triangle(n_);
    std::vector<index> first_rows;
    for (index first = 0; first < pass_.tiles(); first += static_cast<index>(first_rows.size())) {
      first_rows.clear();
      index filled = 0;
      for (index t = first; t < pass_.tiles(); ++t) {
        const index count = rows_of(pass_.tile_of(t));
        if (filled + count > capacity) break;
        first_rows.push_back(std::exchange(filled, filled + count));
      }
      const auto tiles = static_cast<index>(first_rows.size());
      parallel_for(threads, tiles, [&](index t, int thread) {
        double* next = panel + first_rows[static_cast<std::size_t>(t)] * n_;
        make_rows(first + t, thread, team,
                  [&](index samples) { return std::exchange(next, next + samples * n_); });
      });
      triangle.fold(filled, panel, n_, threads);
    }
    return triangle;
  }

  const Pass<T>& pass_;
  TermRows<T>& rows_;
  index n_parameters_;
  index n_;  // columns
};

}  // namespace kanml
