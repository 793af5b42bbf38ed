// The loss of rows of least squares whose gradient is the transpose of their Jacobian times a
// cotangent.
#pragma once

#include "block/rows.hpp"

namespace kanml::block {

// For Pass: sum(cotangent * rows). Derivatives with respect to unknowns are added up over each
// tile, to one record.
template <class T>
struct PulledRows {
  FormulasView<T> formulas;
  const RowsRecord<T>* terms;
  const T* cotangent;  // (rows)
  double* records;     // (tiles, n_unknowns)

  template <class Block>
  KANML_DEVICE auto memory(Block& block, const Team& team) const {
    struct {
      decltype(formulas.memory(block, team)) registers;
      decltype(block.template shared<double>("", 0)) derivatives;
    } arrays{formulas.memory(block, team),
             block.template shared<double>("derivatives of samples", team.samples)};
    return arrays;
  }

  KANML_DEVICE bool has_cotangents(const TileAt<T>& at, int place) const {
    for (int row = 0; row < terms[at.batch].n_rows; ++row) {
      if (terms[at.batch].differentiated[row].any_at(place)) return true;
    }
    return false;
  }

  template <class Block, class Memory, class Outputs, class Cotangents>
  KANML_DEVICE void operator()(Block& block, const Team& team, const TileAt<T>& at,
                               const Memory& memory, const Outputs& outputs,
                               const Cotangents& cotangents, bool /*backward*/) const {
    const RowsRecord<T>& term = terms[at.batch];
    const auto weight = [&](int row, int s) {
      return term.scale * cotangent[term.number(at, s, row)];
    };
    phase_of_samples(block, team, at.tile, [&](int s, int group) {
      if (group != 0) return;
      formulas.run(term.formula, at, memory.registers, outputs, s);
      formulas.clear(at, cotangents, s);
      for (int row = 0; row < term.n_rows; ++row) {
        formulas.add(term.formula, term.differentiated[row], weight(row, s), memory.registers,
                     cotangents, s);
      }
    });
    for (int i = 0; i < formulas.n_unknowns; ++i) {
      phase_of_samples(block, team, at.tile, [&](int s, int group) {
        if (group != 0) return;
        double sum = 0.0;
        for (int row = 0; row < term.n_rows; ++row) {
          const Differentiated& by = term.differentiated[row];
          const T derivative =
              memory.registers(term.formula.program.outputs[by.first + by.count + i], s);
          sum += static_cast<double>(weight(row, s)) * static_cast<double>(derivative);
        }
        memory.derivatives[s] = sum;
      });
      reduce<double>(block, memory.derivatives, at.tile.count,
                     [](double a, double b) { return a + b; });
      block.phase([&](int thread) {
        if (thread == 0) records[at.number * formulas.n_unknowns + i] = memory.derivatives[0];
      });
    }
  }
};

}  // namespace kanml::block
