// The program for rows of least squares and their Jacobian.
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
};

// Blocks take tiles, in turn: once there, and once back for each row of the formula. Each sample
// has rows of its own; the thread of a sample and a group owns the parameters of some inputs.
template <class T, int Order>
struct Rows {
  Pass<T, Order> pass;
  FormulasView<T> formulas;
  const RowsRecord<T>* terms;
  index n_parameters;
  T* values;    // (rows)
  T* jacobian;  // (rows, n_parameters + n_unknowns), or null
  int blocks;
  int threads = pass.programs.team.threads();

  template <class Block>
  KANML_DEVICE auto memory(Block& block) const {
    return pass.memory_with(block, formulas);
  }

  template <class Block>
  KANML_DEVICE void operator()(Block& block) const {
    const auto arrays = memory(block);
    for (index t = block.number(); t < pass.batches.tiles; t += block.blocks()) {
      const TileAt<T> at = pass.tile_at(t);
      pass.there(block, arrays.of_pass, at);
      run_formula(block, arrays, at);
      for (int row = 0; jacobian != nullptr && row < terms[at.batch].n_rows; ++row) {
        write_derivatives(block, arrays, at, row);
      }
    }
  }

 private:
  KANML_DEVICE index number(const TileAt<T>& at, int s, int row) const {
    const RowsRecord<T>& term = terms[at.batch];
    return term.first + (at.tile.first + s) * term.n_rows + row;
  }

  template <class Block, class Arrays>
  KANML_DEVICE void run_formula(Block& block, const Arrays& arrays, const TileAt<T>& at) const {
    const RowsRecord<T>& term = terms[at.batch];
    const auto outputs = pass.outputs(arrays.of_pass, at);
    phase_of_samples(block, pass.team(), at.tile, [&](int s, int group) {
      if (group != 0) return;
      formulas.run(term.formula, at, arrays.of_next, outputs, s);
      for (int row = 0; row < term.n_rows; ++row) {
        values[number(at, s, row)] =
            term.scale * arrays.of_next(term.formula.program.outputs[row], s);
      }
    });
  }

  template <class Block, class Arrays>
  KANML_DEVICE void write_derivatives(Block& block, const Arrays& arrays, const TileAt<T>& at,
                                      int row) const {
    const RowsRecord<T>& term = terms[at.batch];
    const Differentiated& by = term.differentiated[row];
    const index n = n_parameters + formulas.n_unknowns;
    const auto cotangents = pass.cotangents(arrays.of_pass, at);
    phase_of_samples(block, pass.team(), at.tile, [&](int s, int group) {
      T* const to = jacobian + number(at, s, row) * n;
      for (index i = group; i < n_parameters; i += pass.team().groups) to[i] = T(0);
      if (group != 0) return;
      formulas.clear(at, cotangents, s);
      formulas.add(term.formula, by, term.scale, arrays.of_next, cotangents, s);
      for (int i = 0; i < formulas.n_unknowns; ++i) {
        const std::int32_t output = term.formula.program.outputs[by.first + by.count + i];
        to[n_parameters + i] = term.scale * arrays.of_next(output, s);
      }
    });
    const RowSink<T> sink{jacobian + number(at, 0, row) * n, term.n_rows * n};
    for (int place = 0; place < at.n_places; ++place) {
      if (by.any_at(place)) pass.back(block, arrays.of_pass, at, place, false, sink);
    }
  }
};

}  // namespace kanml::block
