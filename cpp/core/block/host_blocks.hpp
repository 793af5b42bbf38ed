// The executor that runs block programs on the host: the arithmetic of a GPU, without one.
#pragma once

#include <span>
#include <vector>

#include "block/block.hpp"
#include "block/evaluate.hpp"
#include "core/cpu/walk.hpp"
#include "core/network/description.hpp"

namespace kanml {

// How blocks are made up. Results depend on the team where samples are summed, and on nothing else.
struct BlockSettings {
  block::Team team;
  int blocks;
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
      run(block::Evaluate<T, order, block::AnyDegree>{.network = description_.view(),
                                                      .parameters = read,
                                                      .curves = view_of(curves),
                                                      .y = coefficients.data(),
                                                      .refusals = refusals.data(),
                                                      .team = settings_.team,
                                                      .blocks = settings_.blocks});
    });
    require_accepted(refusals, curves);
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
