// Samples and terms of an evaluation as block programs read them. The records point into what they
// are made of.
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "block/terms.hpp"
#include "core/cpu/batches.hpp"

namespace kanml {

template <class T>
block::CurvesView<T> view_of(const Curves<T>& curves) {
  return {.n = curves.n,
          .x = curves.x.data(),
          .points = curves.points,
          .rows = curves.rows.empty() ? nullptr : curves.rows.data(),
          .n_directions = curves.directions.count,
          .orders = curves.directions.orders,
          .planes = curves.directions.planes,
          .n_planes = curves.directions.n_planes,
          .vectors = curves.vectors.data(),
          .one_a_point = curves.per_sample};
}

template <class T>
class BatchRecords {
 public:
  BatchRecords(std::span<const Batch<T>> batches, const block::Team& team) : batches_(batches) {
    for (const Batch<T>& batch : batches) {
      records_.push_back({.n = batch.n,
                          .first_tile = tiles_,
                          .first_place = static_cast<int>(places_.size()),
                          .n_places = static_cast<int>(batch.places.size())});
      tiles_ += block::n_tiles(batch.n, team);
      int n_planes = 0;
      for (const Curves<T>& curves : batch.places) {
        places_.push_back(view_of(curves));
        n_planes += curves.directions.n_planes;
        for (const int order : std::span(curves.directions.orders,
                                         static_cast<std::size_t>(curves.directions.count))) {
          order_ = std::max(order_, order);
        }
      }
      n_planes_ = std::max(n_planes_, n_planes);
    }
  }

  block::BatchesView<T> view() const {
    return {.batches = records_.data(),
            .count = static_cast<int>(records_.size()),
            .tiles = tiles_,
            .places = places_.data(),
            .n_planes = n_planes_};
  }
  index tiles() const { return tiles_; }
  int order() const { return order_; }  // the highest
  std::size_t batch_of(index tile) const {
    std::size_t batch = records_.size() - 1;
    while (records_[batch].first_tile > tile) --batch;
    return batch;
  }
  // Those of a tile, at the first place.
  const Curves<T>& curves_of(index tile) const { return batches_[batch_of(tile)].places.front(); }

 private:
  std::span<const Batch<T>> batches_;
  std::vector<block::BatchRecord> records_;
  std::vector<block::CurvesView<T>> places_;
  index tiles_ = 0;
  int n_planes_ = 1;
  int order_ = 0;
};

// The formulas of terms.
template <class T, class Formula>
class FormulaRecords {
 public:
  FormulaRecords(std::span<const TermOf<T, Formula>> terms, std::span<const double> unknowns)
      : unknowns_(unknowns.begin(), unknowns.end()) {
    for (const auto& term : terms) {
      const Program& program = term.formula->program();
      const auto constants = program.constants();
      constants_.emplace_back(constants.begin(), constants.end());
      n_registers_ = std::max(n_registers_, program.n_registers());
      records_.push_back(
          {.program = {.instructions = program.instructions().data(),
                       .n_instructions = static_cast<int>(program.instructions().size()),
                       .constants = constants_.back().data(),
                       .n_constants = static_cast<int>(constants.size()),
                       .n_inputs = program.n_inputs(),
                       .outputs = program.outputs().data()},
           .coefficients = term.formula->coefficients().data(),
           .n_coefficients = static_cast<int>(term.formula->coefficients().size()),
           .columns = term.columns.data(),
           .n_columns = static_cast<int>(term.columns.size())});
    }
  }

  block::FormulasView<T> view() const {
    return {unknowns_.data(), static_cast<int>(unknowns_.size()), n_registers_};
  }
  const block::FormulaRecord<T>& operator[](std::size_t term) const { return records_[term]; }

 private:
  std::vector<T> unknowns_;
  std::vector<std::vector<T>> constants_;
  std::vector<block::FormulaRecord<T>> records_;
  int n_registers_ = 0;
};

inline block::Differentiated differentiated_at(std::span<const Coefficient> coefficients,
                                               std::size_t first) {
  return {coefficients.data(), static_cast<int>(coefficients.size()), static_cast<int>(first)};
}

}  // namespace kanml
