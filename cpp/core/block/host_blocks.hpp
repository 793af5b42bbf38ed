// The executor that runs block programs on the host: the arithmetic of a GPU, without one.
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "block/block.hpp"
#include "block/evaluate.hpp"
#include "block/gradient.hpp"
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

template <class T>
class HostBlocks {
 public:
  // Throws std::invalid_argument as Network does.
  HostBlocks(Layers layers, const BlockSettings& settings)
      : walk_(Plan(std::move(layers))), settings_(settings) {
    for (std::size_t l = 0; l < walk_.layers.size(); ++l) {
      walk_.layers[l]->describe(description_);
      description_.layers[l].parameters = walk_.plan.offsets[l];
    }
  }

  // Outputs and their Taylor coefficients, as Network::taylor.
  void taylor(index n, std::span<const T> x, std::span<const T> parameters,
              const Directions<T>& directions, std::span<T> coefficients) const {
    walk_.plan.require_orders(directions.orders);
    const Curves<T> curves(n, x, walk_.plan.n_in(), directions);
    std::vector<T> storage;
    const T* const read = walk_.plan.decode(parameters, storage);
    std::vector<block::Refusal<T>> refusals(
        static_cast<std::size_t>(block::n_tiles(n, settings_.team)));
    with_order(curves.directions, [&](auto order) {
      run(block::Evaluate<T, order>{.programs = {{description_.view(), read}, settings_.team},
                                    .curves = view_of(curves),
                                    .y = coefficients.data(),
                                    .refusals = refusals.data(),
                                    .blocks = settings_.blocks});
    });
    require_accepted(refusals, curves);
  }

  // The gradient of sum(cotangents * coefficients), as Network::taylor_vjp.
  void taylor_vjp(index n, std::span<const T> x, std::span<const T> parameters,
                  const Directions<T>& directions, std::span<const T> cotangents,
                  std::span<T> parameter_gradient, std::span<T> input_gradient) const {
    walk_.plan.require_orders(directions.orders);
    const Curves<T> curves(n, x, walk_.plan.n_in(), directions);
    std::vector<T> storage;
    const T* const read = walk_.plan.decode(parameters, storage);
    const index tiles = block::n_tiles(n, settings_.team);
    const block::BatchRecord batch{.n = n, .first_tile = 0, .first_place = 0, .n_places = 1};
    const block::CurvesView<T> place = view_of(curves);
    const index slots = slots_for(tiles, walk_.plan.n_parameters());
    std::vector<T> gradients(static_cast<std::size_t>(slots * walk_.plan.n_parameters()));
    std::vector<block::Refusal<T>> refusals(static_cast<std::size_t>(tiles));
    with_order(curves.directions, [&](auto order) {
      run(block::Gradient<T, order, block::GivenCotangents<T>>{
          .programs = {{description_.view(), read}, settings_.team},
          .batches = {&batch, 1, tiles, &place, place.n_planes},
          .loss = {cotangents.data()},
          .lowest = static_cast<int>(walk_.lowest(!input_gradient.empty())),
          .slots = slots,
          .n_parameters = walk_.plan.n_parameters(),
          .gradients = gradients.data(),
          .x_gradient = input_gradient.empty() ? nullptr : input_gradient.data(),
          .refusals = refusals.data(),
          .blocks = settings_.blocks});
    });
    require_accepted(refusals, curves);
    run(block::AddUp<T>{.slots = slots,
                        .n_parameters = walk_.plan.n_parameters(),
                        .gradients = gradients.data(),
                        .gradient = parameter_gradient.data(),
                        .blocks = settings_.blocks,
                        .threads = settings_.team.threads()});
    walk_.plan.pull_back(parameters, parameter_gradient);
  }

 private:
  template <class Program>
  void run(const Program& program) const {
    if (settings_.checked) {
      block::run_on_host<true>(program);
    } else {
      block::run_on_host<false>(program);
    }
  }

  // As many as are allowed, if all gradients together take at most 256 MiB.
  index slots_for(index tiles, index n_parameters) const {
    constexpr index budget_bytes = index{256} << 20;
    const index bytes = std::max<index>(1, n_parameters * index{sizeof(T)});
    return std::clamp<index>(std::min(tiles, budget_bytes / bytes), 1, settings_.slots);
  }

  // Calls f with the highest order of the directions, an integral constant.
  template <class F>
  static void with_order(const kernels::Directions& directions, const F& f) {
    if (directions.count == 0) return f(std::integral_constant<int, 0>{});
    point::for_order<max_taylor_order>(static_cast<int>(highest_order(directions)), f);
  }

  static block::CurvesView<T> view_of(const Curves<T>& curves) {
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

  // Throws OutsideDomain for the first refusal.
  void require_accepted(std::span<const block::Refusal<T>> refusals,
                        const Curves<T>& curves) const {
    for (const auto& refusal : refusals) {
      if (refusal.layer < 0) continue;
      walk_.refuse(refusal.value, static_cast<std::size_t>(refusal.layer), refusal.input,
                   curves.row(refusal.sample), curves.where);
    }
  }

  Walk<T> walk_;
  BlockSettings settings_;
  Description<T> description_;
};

}  // namespace kanml
