// Terms of a loss, and of least squares: programs at the outputs of a network; see kanml/terms.hpp.
#pragma once

#include "block/pass.hpp"
#include "block/program.hpp"
#include "block/reduction.hpp"
#include "kanml/terms.hpp"

namespace kanml::block {

// A formula with what it reads beside the unknowns.
template <class T>
struct FormulaRecord {
  ProgramView<T> program;
  const Coefficient* coefficients;
  int n_coefficients;
  const Column<T>* columns;
  int n_columns;
};

// Derivatives of an output of a formula with respect to coefficients: outputs of its program, the
// first of which is number `first`. Those with respect to all unknowns follow.
struct Differentiated {
  const Coefficient* coefficients;
  int count;
  int first;

  KANML_DEVICE bool any_at(int place) const {
    for (int i = 0; i < count; ++i) {
      if (coefficients[i].place == place) return true;
    }
    return false;
  }
};

// What formulas of several terms share.
template <class T>
struct FormulasView {
  const T* unknowns;
  int n_unknowns;
  int n_registers;  // the most

  template <class Block>
  KANML_DEVICE auto memory(Block& block, const Team& team) const {
    return registers_of<T>(block, n_registers, team);
  }

  // Runs the program of a formula at sample s of a tile. Its thread belongs to the first group.
  template <class Array, class Outputs>
  KANML_DEVICE void run(const FormulaRecord<T>& formula, const TileAt<T>& at,
                        const Registers<Array>& registers, const Outputs& outputs, int s) const {
    int next = 0;
    for (int i = 0; i < formula.n_coefficients; ++i) {
      const Coefficient& c = formula.coefficients[i];
      registers(next++, s) = outputs(c.place)(c.plane, static_cast<int>(c.output), s);
    }
    const index point = at.places[0].point_of(at.tile.first + s);
    for (int i = 0; i < formula.n_columns; ++i) {
      registers(next++, s) = formula.columns[i].first[point * formula.columns[i].stride];
    }
    for (int i = 0; i < n_unknowns; ++i) registers(next++, s) = unknowns[i];
    run_program(formula.program, registers, s);
  }

  // Clears the cotangents of the outputs at sample s, and adds weight times derivatives.
  template <class Cotangents>
  KANML_DEVICE void clear(const TileAt<T>& at, const Cotangents& cotangents, int s) const {
    for (int place = 0; place < at.n_places; ++place) {
      const auto planes = cotangents(place);
      for (int m = 0; m < at.places[place].n_planes; ++m) {
        for (int q = 0; q < planes.width; ++q) planes(m, q, s) = T(0);
      }
    }
  }
  template <class Array, class Cotangents>
  KANML_DEVICE void add(const FormulaRecord<T>& formula, const Differentiated& by, T weight,
                        const Registers<Array>& registers, const Cotangents& cotangents,
                        int s) const {
    for (int i = 0; i < by.count; ++i) {
      const Coefficient& c = by.coefficients[i];
      const T derivative = registers(formula.program.outputs[by.first + i], s);
      cotangents(c.place)(c.plane, static_cast<int>(c.output), s) += weight * derivative;
    }
  }
};

template <class T>
struct LossRecord {
  FormulaRecord<T> formula;
  int n_components;
  Differentiated differentiated;
  T factor;
  T* components;  // (n, n_components), or null
};

// Losses of terms, for Pass. The loss of a point, its largest component and its derivatives with
// respect to unknowns are reduced over each tile, to one record.
template <class T>
struct TermLosses {
  FormulasView<T> formulas;
  const LossRecord<T>* terms;
  double* records;  // (tiles, 2 + n_unknowns)

  struct OfSamples {
    double loss;
    double largest;
  };

  template <class Block>
  KANML_DEVICE auto memory(Block& block, const Team& team) const {
    struct {
      decltype(formulas.memory(block, team)) registers;
      decltype(block.template shared<OfSamples>("", 0)) losses;
      decltype(block.template shared<double>("", 0)) derivatives;
    } arrays{formulas.memory(block, team),
             block.template shared<OfSamples>("losses of samples", team.samples),
             block.template shared<double>("derivatives of samples", team.samples)};
    return arrays;
  }

  KANML_DEVICE bool has_cotangents(const TileAt<T>& at, int place) const {
    return terms[at.batch].differentiated.any_at(place);
  }

  template <class Block, class Memory, class Outputs, class Cotangents>
  KANML_DEVICE void operator()(Block& block, const Team& team, const TileAt<T>& at,
                               const Memory& memory, const Outputs& outputs,
                               const Cotangents& cotangents, bool backward) const {
    const LossRecord<T>& term = terms[at.batch];
    const std::int32_t* const of_program = term.formula.program.outputs;
    phase_of_samples(block, team, at.tile, [&](int s, int group) {
      if (group != 0) return;
      formulas.run(term.formula, at, memory.registers, outputs, s);
      double largest = 0.0;
      for (int c = 0; c < term.n_components; ++c) {
        const T component = memory.registers(of_program[1 + c], s);
        largest = larger(largest, std::fabs(static_cast<double>(component)));
        if (term.components == nullptr) continue;
        term.components[(at.tile.first + s) * term.n_components + c] = component;
      }
      const T loss = memory.registers(of_program[0], s);
      memory.losses[s] = OfSamples{static_cast<double>(loss), largest};
      if (!backward) return;
      formulas.clear(at, cotangents, s);
      formulas.add(term.formula, term.differentiated, term.factor, memory.registers, cotangents, s);
    });

    double* const record = records + at.number * (2 + formulas.n_unknowns);
    reduce<OfSamples>(block, memory.losses, at.tile.count,
                      [](const OfSamples& a, const OfSamples& b) {
                        return OfSamples{a.loss + b.loss, larger(a.largest, b.largest)};
                      });
    block.phase([&](int thread) {
      if (thread != 0) return;
      const OfSamples sum = memory.losses[0];
      record[0] = sum.loss;
      record[1] = sum.largest;
    });
    const int first = term.differentiated.first + term.differentiated.count;
    for (int i = 0; backward && i < formulas.n_unknowns; ++i) {
      phase_of_samples(block, team, at.tile, [&](int s, int group) {
        if (group != 0) return;
        const T derivative = memory.registers(of_program[first + i], s);
        memory.derivatives[s] = static_cast<double>(derivative);
      });
      reduce<double>(block, memory.derivatives, at.tile.count,
                     [](double a, double b) { return a + b; });
      block.phase([&](int thread) {
        if (thread == 0) record[2 + i] = memory.derivatives[0];
      });
    }
  }
};

}  // namespace kanml::block
