// The executor that runs block programs on the host: the arithmetic of a GPU, without one.
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "block/block.hpp"
#include "block/evaluate.hpp"
#include "block/gradient.hpp"
#include "block/rows.hpp"
#include "core/block/records.hpp"
#include "core/cpu/loss_records.hpp"
#include "core/cpu/walk.hpp"
#include "core/network/description.hpp"

namespace kanml {

// How work is cut. Sums over samples depend on the team and on the number of slots, but not on that
// of blocks.
struct BlockSettings {
  block::Team team;
  int blocks;
  index slots;   // at most
  bool checked;  // whether shared memory is watched over
};

// Its calls are those of Network.
template <class T>
class HostBlocks {
 public:
  HostBlocks(Layers layers, const BlockSettings& settings)
      : walk_(Plan(std::move(layers))), settings_(settings) {
    for (std::size_t l = 0; l < walk_.layers.size(); ++l) {
      walk_.layers[l]->describe(description_);
      description_.layers[l].parameters = walk_.plan.offsets[l];
    }
  }

  void taylor(index n, std::span<const T> x, std::span<const T> parameters,
              const Directions<T>& directions, std::span<T> coefficients) const {
    const std::vector<Batch<T>> batches = one_batch(n, x, directions);
    const BatchRecords<T> records(batches, settings_.team);
    std::vector<T> storage;
    std::vector<block::Refusal<T>> refusals(static_cast<std::size_t>(records.tiles()));
    with_order(records.order(), [&](auto order) {
      run(block::Evaluate<T, order>{
          .programs = programs<order>(walk_.plan.decode(parameters, storage)),
          .curves = records.view().places[0],
          .y = coefficients.data(),
          .refusals = refusals.data(),
          .blocks = settings_.blocks});
    });
    require_accepted(refusals, records);
  }

  void taylor_vjp(index n, std::span<const T> x, std::span<const T> parameters,
                  const Directions<T>& directions, std::span<const T> cotangents,
                  std::span<T> parameter_gradient, std::span<T> input_gradient) const {
    const std::vector<Batch<T>> batches = one_batch(n, x, directions);
    const BatchRecords<T> records(batches, settings_.team);
    run_losses(records, block::GivenCotangents<T>{cotangents.data()}, parameters, true,
               parameter_gradient, input_gradient);
  }

  void reduce(std::span<const Term<T>> terms, std::span<const double> factors,
              std::span<const T> parameters, std::span<const double> unknowns,
              std::span<TermSums> sums, std::span<T> gradient,
              std::span<const std::span<T>> components) const {
    const std::vector<Batch<T>> batches = batches_of(walk_.plan, terms, unknowns.size());
    const BatchRecords<T> records(batches, settings_.team);
    const FormulaRecords<T, PointLoss> formulas(terms, unknowns);
    std::vector<block::LossRecord<T>> losses;
    for (std::size_t i = 0; i < terms.size(); ++i) {
      const PointLoss& loss = *terms[i].formula;
      const auto n_components = static_cast<std::size_t>(loss.n_components());
      losses.push_back(
          {.formula = formulas[i],
           .n_components = loss.n_components(),
           .differentiated = differentiated_at(loss.differentiated(), 1 + n_components),
           .factor = static_cast<T>(factors[i]),
           .components = components[i].empty() ? nullptr : components[i].data()});
    }
    LossRecords of_tiles(unknowns.size());
    of_tiles.clear(records.tiles());
    for (index t = 0; t < records.tiles(); ++t) of_tiles.of_tile(t, records.batch_of(t));
    const auto size = gradient.empty() ? 0 : static_cast<std::size_t>(walk_.plan.n_parameters());
    run_losses(records, block::TermLosses<T>{formulas.view(), losses.data(), of_tiles.data()},
               parameters, !gradient.empty(), gradient.first(size), {});
    of_tiles.add_up(factors, sums, gradient.subspan(size));
  }

  void rows(std::span<const RowTerm<T>> terms, std::span<const double> scales,
            std::span<const T> parameters, std::span<const double> unknowns, std::span<T> values,
            std::span<T> jacobian) const {
    const std::vector<Batch<T>> batches = batches_of(walk_.plan, terms, unknowns.size());
    const BatchRecords<T> records(batches, settings_.team);
    const FormulaRecords<T, PointRows> formulas(terms, unknowns);
    std::vector<std::vector<block::Differentiated>> differentiated;
    std::vector<block::RowsRecord<T>> of_terms;
    index n_rows = 0;
    for (std::size_t i = 0; i < terms.size(); ++i) {
      const PointRows& formula = *terms[i].formula;
      auto& of_formula = differentiated.emplace_back();
      for (std::size_t row = 0; row < formula.n_rows(); ++row) {
        of_formula.push_back(
            differentiated_at(formula.differentiated(row), formula.first_derivative(row)));
      }
      of_terms.push_back({.formula = formulas[i],
                          .n_rows = static_cast<int>(formula.n_rows()),
                          .differentiated = of_formula.data(),
                          .scale = static_cast<T>(scales[i]),
                          .first = n_rows});
      n_rows += terms[i].n * static_cast<index>(formula.n_rows());
    }
    std::vector<T> storage;
    std::vector<block::Refusal<T>> refusals(static_cast<std::size_t>(records.tiles()));
    with_order(records.order(), [&](auto order) {
      run(block::Rows<T, order>{
          .pass = pass<order>(records, walk_.plan.decode(parameters, storage), false, refusals),
          .formulas = formulas.view(),
          .terms = of_terms.data(),
          .n_parameters = walk_.plan.n_parameters(),
          .values = values.data(),
          .jacobian = jacobian.empty() ? nullptr : jacobian.data(),
          .blocks = settings_.blocks});
    });
    require_accepted(refusals, records);
    for (index row = 0; !jacobian.empty() && row < n_rows; ++row) {
      const auto n = parameters.size() + unknowns.size();
      walk_.plan.pull_back(parameters,
                           jacobian.subspan(static_cast<std::size_t>(row) * n, parameters.size()));
    }
  }

 private:
  std::vector<Batch<T>> one_batch(index n, std::span<const T> x,
                                  const Directions<T>& directions) const {
    walk_.plan.require_orders(directions.orders);
    std::vector<Batch<T>> batches(1);
    batches.front().n = n;
    batches.front().places.emplace_back(n, x, walk_.plan.n_in(), directions);
    return batches;
  }

  template <int Order>
  block::LayerPrograms<T, Order> programs(const T* parameters) const {
    return {{description_.view(), parameters}, settings_.team};
  }

  template <int Order>
  block::Pass<T, Order> pass(const BatchRecords<T>& records, const T* parameters, bool to_inputs,
                             std::vector<block::Refusal<T>>& refusals) const {
    return {.programs = programs<Order>(parameters),
            .batches = records.view(),
            .lowest = static_cast<int>(walk_.lowest(to_inputs)),
            .refusals = refusals.data()};
  }

  // A loss, and its gradient if `backward`.
  template <class Loss>
  void run_losses(const BatchRecords<T>& records, const Loss& loss, std::span<const T> stored,
                  bool backward, std::span<T> parameter_gradient,
                  std::span<T> input_gradient) const {
    std::vector<T> storage;
    const T* const parameters = walk_.plan.decode(stored, storage);
    const index n_parameters = walk_.plan.n_parameters();
    const index slots = slots_for(records.tiles());
    std::vector<T> gradients(static_cast<std::size_t>(backward ? slots * n_parameters : 0));
    std::vector<block::Refusal<T>> refusals(static_cast<std::size_t>(records.tiles()));
    with_order(records.order(), [&](auto order) {
      run(block::Gradient<T, order, Loss>{
          .pass = pass<order>(records, parameters, !input_gradient.empty(), refusals),
          .loss = loss,
          .backward = backward,
          .slots = slots,
          .n_parameters = n_parameters,
          .gradients = gradients.data(),
          .x_gradient = input_gradient.empty() ? nullptr : input_gradient.data(),
          .blocks = settings_.blocks});
    });
    require_accepted(refusals, records);
    if (!backward) return;
    run(block::AddUp<T>{.slots = slots,
                        .n_parameters = n_parameters,
                        .gradients = gradients.data(),
                        .gradient = parameter_gradient.data(),
                        .blocks = settings_.blocks,
                        .threads = settings_.team.threads()});
    walk_.plan.pull_back(stored, parameter_gradient);
  }

  // As many slots as are allowed, if their gradients together take at most 256 MiB.
  index slots_for(index tiles) const {
    constexpr index budget_bytes = index{256} << 20;
    const index bytes = std::max<index>(1, walk_.plan.n_parameters() * index{sizeof(T)});
    return std::clamp<index>(std::min(tiles, budget_bytes / bytes), 1, settings_.slots);
  }

  template <class Program>
  void run(const Program& program) const {
    if (settings_.checked) {
      block::run_on_host<true>(program);
    } else {
      block::run_on_host<false>(program);
    }
  }

  // Calls f with an order as an integral constant.
  template <class F>
  static void with_order(int order, const F& f) {
    if (order == 0) return f(std::integral_constant<int, 0>{});
    point::for_order<max_taylor_order>(order, f);
  }

  // Throws OutsideDomain for the first refusal.
  void require_accepted(std::span<const block::Refusal<T>> refusals,
                        const BatchRecords<T>& records) const {
    for (std::size_t t = 0; t < refusals.size(); ++t) {
      const block::Refusal<T>& refusal = refusals[t];
      if (refusal.layer < 0) continue;
      const Curves<T>& curves = records.curves_of(static_cast<index>(t));
      walk_.refuse(refusal.value, static_cast<std::size_t>(refusal.layer), refusal.input,
                   curves.row(refusal.sample), curves.where);
    }
  }

  Walk<T> walk_;
  BlockSettings settings_;
  Description<T> description_;
};

}  // namespace kanml
