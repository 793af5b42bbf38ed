// A network, samples and terms as block programs read them, in the memory of a device. Points and
// columns are there already.
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "block/rows.hpp"
#include "block/terms.hpp"
#include "core/block/package.hpp"
#include "core/cpu/batches.hpp"
#include "core/network/description.hpp"

namespace kanml {

template <class T>
point::SpaceView<T> sent(Package& package, point::SpaceView<T> space) {
  const auto n_knots = static_cast<std::size_t>(space.n_knots);
  const auto intervals = static_cast<std::size_t>(space.intervals);
  const std::size_t degree = (n_knots - 1 - intervals) / 2;
  space.knots = package.send(std::span(space.knots, n_knots));
  space.remainders = package.send(std::span(space.remainders, n_knots));
  space.reciprocals = package.send(std::span(space.reciprocals, degree * n_knots));
  space.bucket_first = package.send(std::span(space.bucket_first, intervals));
  space.bucket_last = package.send(std::span(space.bucket_last, intervals));
  return space;
}

template <class T>
block::NetworkView<T> sent(Package& package, const Description<T>& description) {
  block::NetworkView<T> network = description.view();
  std::vector<point::SpaceView<T>> spaces;
  for (const auto& space : description.spaces) spaces.push_back(sent(package, space));
  network.layers = package.send(description.layers);
  network.spaces = package.send(spaces);
  network.integers = package.send(description.integers);
  network.numbers = package.send(description.numbers);
  return network;
}

template <class T>
block::CurvesView<T> sent(Package& package, const Curves<T>& curves) {
  const auto count = static_cast<std::size_t>(curves.directions.count);
  return {.n = curves.n,
          .x = curves.x.data(),
          .points = curves.points,
          .rows = curves.rows.empty() ? nullptr : curves.rows.data(),
          .n_directions = curves.directions.count,
          .orders = package.send(std::span(curves.directions.orders, count)),
          .planes = package.send(std::span(curves.directions.planes, count)),
          .n_planes = curves.directions.n_planes,
          .vectors = curves.vectors.data(),
          .one_a_point = curves.per_sample};
}

// The batches of an evaluation, in tiles.
template <class T>
class BatchRecords {
 public:
  BatchRecords(std::span<const Batch<T>> batches, const block::Team& team, index coefficients = 0)
      : batches_(batches), team_(team), coefficients_(coefficients) {
    int first_place = 0;
    for (const Batch<T>& batch : batches) {
      const auto n_places = static_cast<int>(batch.places.size());
      records_.push_back({batch.n, tiles_, first_place, n_places});
      first_place += n_places;
      tiles_ += block::n_tiles(batch.n, team);
      int n_planes = 0;
      for (const Curves<T>& curves : batch.places) n_planes += curves.directions.n_planes;
      n_planes_ = std::max(n_planes_, n_planes);
    }
  }

  block::BatchesView<T> sent(Package& package) const {
    std::vector<block::CurvesView<T>> places;
    for (const Batch<T>& batch : batches_) {
      for (const Curves<T>& curves : batch.places) places.push_back(kanml::sent(package, curves));
    }
    return {.batches = package.send(records_),
            .count = static_cast<int>(records_.size()),
            .tiles = tiles_,
            .places = package.send(places),
            .n_planes = n_planes_};
  }

  const block::Team& team() const { return team_; }
  // How many are in shared memory at a time.
  index coefficients() const { return coefficients_; }
  index tiles() const { return tiles_; }
  // The samples of a tile, and the batch that they belong to.
  block::Tile tile(index t) const {
    const block::BatchRecord& record = records_[batch_of(t)];
    return block::tile_at(t - record.first_tile, record.n, team_);
  }
  std::size_t batch_of(index t) const {
    std::size_t batch = records_.size() - 1;
    while (records_[batch].first_tile > t) --batch;
    return batch;
  }

 private:
  std::span<const Batch<T>> batches_;
  block::Team team_;
  index coefficients_;
  std::vector<block::BatchRecord> records_;
  index tiles_ = 0;
  int n_planes_ = 1;
};

// How many coefficients layers can use at a time, if there is shared memory for `limit` of them.
inline index coefficients_at_once(std::span<const block::LayerRecord> layers,
                                  const block::Team& team, index limit) {
  index most = 0;
  for (const block::LayerRecord& layer : layers) {
    if (layer.kind != block::LayerKind::splines) continue;
    const block::CoefficientLayout layout(layer);
    most = std::max(most, layout.inputs_at_once(layer, team, limit) * layout.of_input);
  }
  return most;
}

// The highest order of the directions of batches.
template <class T>
int order_of(std::span<const Batch<T>> batches) {
  int highest = 0;
  for (const Batch<T>& batch : batches) {
    for (const Curves<T>& curves : batch.places) {
      for (int d = 0; d < curves.directions.count; ++d) {
        highest = std::max(highest, curves.directions.orders[d]);
      }
    }
  }
  return highest;
}

template <class T, class Formula>
block::FormulaRecord<T> sent(Package& package, const TermOf<T, Formula>& term) {
  const Program& program = term.formula->program();
  const std::vector<T> constants(program.constants().begin(), program.constants().end());
  return {.program = {.instructions = package.send(program.instructions()),
                      .n_instructions = static_cast<int>(program.instructions().size()),
                      .constants = package.send(constants),
                      .n_constants = static_cast<int>(constants.size()),
                      .n_inputs = program.n_inputs(),
                      .outputs = package.send(program.outputs())},
          .coefficients = package.send(term.formula->coefficients()),
          .n_coefficients = static_cast<int>(term.formula->coefficients().size()),
          .columns = package.send(term.columns),
          .n_columns = static_cast<int>(term.columns.size())};
}

// What the formulas of terms share.
template <class T, class Formula>
block::FormulasView<T> sent_formulas(Package& package, std::span<const TermOf<T, Formula>> terms,
                                     std::span<const double> unknowns) {
  int n_registers = 0;
  for (const auto& term : terms) {
    n_registers = std::max(n_registers, term.formula->program().n_registers());
  }
  const std::vector<T> values(unknowns.begin(), unknowns.end());
  return {package.send(values), static_cast<int>(values.size()), n_registers};
}

inline block::Differentiated sent(Package& package, std::span<const Coefficient> coefficients,
                                  std::size_t first) {
  return {package.send(coefficients), static_cast<int>(coefficients.size()),
          static_cast<int>(first)};
}

// The records of losses. Components go to the arrays that are not empty.
template <class T>
const block::LossRecord<T>* sent_losses(Package& package, std::span<const Term<T>> terms,
                                        std::span<const double> factors,
                                        std::span<const std::span<T>> components) {
  std::vector<block::LossRecord<T>> losses;
  for (std::size_t i = 0; i < terms.size(); ++i) {
    const PointLoss& loss = *terms[i].formula;
    const int n_components = loss.n_components();
    losses.push_back({.formula = sent(package, terms[i]),
                      .n_components = n_components,
                      .differentiated = sent(package, loss.differentiated(),
                                             1 + static_cast<std::size_t>(n_components)),
                      .factor = static_cast<T>(factors[i]),
                      .components = components[i].empty() ? nullptr : components[i].data()});
  }
  return package.send(losses);
}

// Those of rows of least squares.
template <class T>
const block::RowsRecord<T>* sent_rows(Package& package, std::span<const RowTerm<T>> terms,
                                      std::span<const double> scales) {
  std::vector<block::RowsRecord<T>> records;
  index n_rows = 0;
  for (std::size_t i = 0; i < terms.size(); ++i) {
    const PointRows& formula = *terms[i].formula;
    std::vector<block::Differentiated> differentiated;
    for (std::size_t row = 0; row < formula.n_rows(); ++row) {
      differentiated.push_back(
          sent(package, formula.differentiated(row), formula.first_derivative(row)));
    }
    records.push_back({.formula = sent(package, terms[i]),
                       .n_rows = static_cast<int>(formula.n_rows()),
                       .differentiated = package.send(differentiated),
                       .scale = static_cast<T>(scales[i]),
                       .first = n_rows});
    n_rows += terms[i].n * static_cast<index>(formula.n_rows());
  }
  return package.send(records);
}

}  // namespace kanml
