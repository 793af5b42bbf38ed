// The programs for rows of least squares: themselves and their Jacobian, and its product with a
// direction in parameter space.
#pragma once

#include "block/pass.hpp"
#include "block/terms.hpp"

namespace kanml::block {

template <class T>
struct RowsRecord {
  FormulaRecord<T> formula;
  int n_rows;                            // of the formula
  const Differentiated* differentiated;  // (n_rows)
  T scale;
  index first;  // the number of its first row

  KANML_DEVICE index number(const TileAt<T>& at, int s, int row) const {
    return first + (at.tile.first + s) * n_rows + row;
  }
};

// A pass that takes the tiles of a range to their rows. Rows are numbered from the first of them.
template <class T, int Order>
struct RowPass {
  Pass<T, Order> pass;
  FormulasView<T> formulas;
  const RowsRecord<T>* terms;
  index n_parameters;
  index first_tile;
  index end_tile;
  index first_row;

  KANML_DEVICE index number(const TileAt<T>& at, int s, int row) const {
    return terms[at.batch].number(at, s, row) - first_row;
  }

  template <class Block>
  KANML_DEVICE auto memory(Block& block) const {
    return pass.memory_with(block, formulas);
  }

  // Calls f(tile) for the tiles of a block, after it has run their formulas.
  template <class Block, class Arrays, class F>
  KANML_DEVICE void for_tiles(Block& block, const Arrays& arrays, const F& f) const {
    for (index t = first_tile + block.number(); t < end_tile; t += block.blocks()) {
      const TileAt<T> at = pass.tile_at(t);
      pass.there(block, arrays.of_pass, at);
      const auto outputs = pass.outputs(arrays.of_pass, at);
      phase_of_samples(block, pass.team(), at.tile, [&](int s, int group) {
        if (group == 0) formulas.run(terms[at.batch].formula, at, arrays.of_next, outputs, s);
      });
      f(at);
    }
  }

  // The cotangents of the outputs that belong to a row at one sample.
  template <class Arrays>
  KANML_DEVICE void write_cotangents(const Arrays& arrays, const TileAt<T>& at, int row,
                                     int s) const {
    const RowsRecord<T>& term = terms[at.batch];
    const auto cotangents = pass.cotangents(arrays.of_pass, at);
    formulas.clear(at, cotangents, s);
    formulas.add(term.formula, term.differentiated[row], term.scale, arrays.of_next, cotangents, s);
  }
  // The derivative of a row with respect to an unknown.
  template <class Arrays>
  KANML_DEVICE T by_unknown(const Arrays& arrays, const TileAt<T>& at, int row, int unknown,
                            int s) const {
    const RowsRecord<T>& term = terms[at.batch];
    const Differentiated& by = term.differentiated[row];
    return term.scale *
           arrays.of_next(term.formula.program.outputs[by.first + by.count + unknown], s);
  }

  // Carries them back through the layers, at all places.
  template <class Block, class Arrays, class Sink>
  KANML_DEVICE void back(Block& block, const Arrays& arrays, const TileAt<T>& at, int row,
                         const Sink& sink) const {
    for (int place = 0; place < at.n_places; ++place) {
      if (!terms[at.batch].differentiated[row].any_at(place)) continue;
      pass.back(block, arrays.of_pass, at, place, false, sink);
    }
  }
};

// Blocks take tiles, in turn: once there, and once back for each row of the formula. Each sample
// has rows of its own; the thread of a sample and a group owns the parameters of some inputs.
template <class T, int Order>
struct Rows {
  RowPass<T, Order> rows;
  T* values;    // (rows)
  T* jacobian;  // (rows, n_parameters + n_unknowns), or null
  int blocks;
  int threads = rows.pass.team().threads();

  template <class Block>
  KANML_DEVICE auto memory(Block& block) const {
    return rows.memory(block);
  }

  template <class Block>
  KANML_DEVICE void operator()(Block& block) const {
    const auto arrays = memory(block);
    rows.for_tiles(block, arrays, [&](const TileAt<T>& at) {
      const RowsRecord<T>& term = rows.terms[at.batch];
      phase_of_samples(block, rows.pass.team(), at.tile, [&](int s, int group) {
        for (int row = 0; group == 0 && row < term.n_rows; ++row) {
          values[rows.number(at, s, row)] =
              term.scale * arrays.of_next(term.formula.program.outputs[row], s);
        }
      });
      for (int row = 0; jacobian != nullptr && row < term.n_rows; ++row) {
        write_derivatives(block, arrays, at, row);
      }
    });
  }

 private:
  template <class Block, class Arrays>
  KANML_DEVICE void write_derivatives(Block& block, const Arrays& arrays, const TileAt<T>& at,
                                      int row) const {
    const index n = rows.n_parameters + rows.formulas.n_unknowns;
    const auto row_of = [&](int s) { return jacobian + rows.number(at, s, row) * n; };
    block.phase([&](int thread) {
      for (int s = 0; s < at.tile.count; ++s) {
        for (index i = thread; i < rows.n_parameters; i += block.threads()) row_of(s)[i] = T(0);
      }
      const int s = rows.pass.team().sample_of(thread);
      if (s >= at.tile.count || rows.pass.team().group_of(thread) != 0) return;
      rows.write_cotangents(arrays, at, row, s);
      for (int i = 0; i < rows.formulas.n_unknowns; ++i) {
        row_of(s)[rows.n_parameters + i] = rows.by_unknown(arrays, at, row, i, s);
      }
    });
    const RowSink<T> sink{row_of(0), rows.terms[at.batch].n_rows * n};
    rows.back(block, arrays, at, row, sink);
  }
};

// The Jacobian times a direction: what would be an entry of it is multiplied where it arises. A
// thread adds up the products of its sample and group; then the groups of a sample are added.
template <class T, int Order>
struct Push {
  RowPass<T, Order> rows;
  const T* direction;  // (n_parameters + n_unknowns)
  T* products;         // (rows)
  int blocks;
  int threads = rows.pass.team().threads();

  template <class Block>
  KANML_DEVICE auto memory(Block& block) const {
    struct {
      decltype(rows.memory(block)) of_rows;
      decltype(block.template shared<T>("", 0)) sums;
    } arrays{rows.memory(block), block.template shared<T>("products of threads", threads)};
    return arrays;
  }

  template <class Block>
  KANML_DEVICE void operator()(Block& block) const {
    const auto all = memory(block);
    const auto& arrays = all.of_rows;
    const auto& sums = all.sums;
    const Team& team = rows.pass.team();
    rows.for_tiles(block, arrays, [&](const TileAt<T>& at) {
      for (int row = 0; row < rows.terms[at.batch].n_rows; ++row) {
        phase_of_samples(block, team, at.tile, [&](int s, int group) {
          T sum = T(0);
          if (group == 0) {
            rows.write_cotangents(arrays, at, row, s);
            for (int i = 0; i < rows.formulas.n_unknowns; ++i) {
              sum += rows.by_unknown(arrays, at, row, i, s) * direction[rows.n_parameters + i];
            }
          }
          sums[team.thread_of(s, group)] = sum;
        });
        rows.back(block, arrays, at, row, ProductSink{direction, sums, team});
        phase_of_samples(block, team, at.tile, [&](int s, int group) {
          if (group != 0) return;
          T sum = T(0);
          for (int g = 0; g < team.groups; ++g) sum += sums[team.thread_of(s, g)];
          products[rows.number(at, s, row)] = sum;
        });
      }
    });
  }
};

}  // namespace kanml::block
