// The program that evaluates a network: outputs and their Taylor coefficients.
#pragma once

#include "block/layers.hpp"

namespace kanml::block {

// Blocks take tiles, in turn; the thread of a sample and a group owns the outputs that it writes.
template <class T, int Order>
struct Evaluate {
  LayerPrograms<T, Order> programs;
  CurvesView<T> curves;
  T* y;                  // (n_planes, n, n_out)
  Refusal<T>* refusals;  // (tiles), if a layer refuses inputs
  int blocks;
  int threads = programs.team.threads();

  template <class Block>
  KANML_DEVICE auto memory(Block& block) const {
    const Team& team = programs.team;
    const index size = plane_numbers(team, curves.n_planes, programs.layers.network.widest);
    struct {
      decltype(block.template shared<T>("", 0)) planes;  // of even layers, then of odd ones
      index size;
      decltype(block.template shared<Refusal<T>>("", 0)) refused;
      decltype(programs.coefficient_memory(block)) coefficients;
    } arrays{block.template shared<T>("planes", 2 * size), size,
             refused_memory<T>(block, programs.layers.network, team),
             programs.coefficient_memory(block)};
    return arrays;
  }

  template <class Block>
  KANML_DEVICE void operator()(Block& block) const {
    const Team& team = programs.team;
    const NetworkView<T>& network = programs.layers.network;
    const auto arrays = memory(block);
    const auto planes = [&](int l) {
      const int width = l == 0 ? network.n_in : network.layers[l - 1].n_out;
      return Planes{arrays.planes, l % 2 * arrays.size, width, stride_of(team)};
    };
    for (index t = block.number(); t < n_tiles(curves.n, team); t += block.blocks()) {
      const Tile tile = tile_at(t, curves.n, team);
      programs.forward(block, arrays.coefficients, curves, tile, planes, arrays.refused);
      const auto out = planes(network.n_layers);
      phase_of_samples(block, team, tile, [&](int s, int group) {
        for (int m = 0; m < curves.n_planes; ++m) {
          for (int q = group; q < network.n_out; q += team.groups) {
            y[(m * curves.n + tile.first + s) * network.n_out + q] = out(m, q, s);
          }
        }
        if (network.refuses && s == 0 && group == 0)
          refusals[t] = programs.first_of(tile, arrays.refused);
      });
    }
  }
};

}  // namespace kanml::block
