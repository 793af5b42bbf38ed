// The program that evaluates a network: outputs and their Taylor coefficients.
#pragma once

#include "block/layers.hpp"

namespace kanml::block {

// Blocks take tiles, in turn; the thread of a sample and a group owns the outputs that it writes.
template <class T, int Order, class Degrees>
struct Evaluate {
  NetworkView<T> network;
  const T* parameters;
  CurvesView<T> curves;
  T* y;                  // (n_planes, n, n_out)
  Refusal<T>* refusals;  // (tiles)
  Team team;
  int blocks;
  int threads = team.threads();

  template <class Block>
  KANML_DEVICE auto memory(Block& block) const {
    const index size = plane_numbers(team, curves.n_planes, network.widest);
    struct {
      decltype(block.template shared<T>("", 0)) planes[2];
      decltype(block.template shared<Refusal<T>>("", 0)) refused;
    } arrays{{block.template shared<T>("planes of even layers", size),
              block.template shared<T>("planes of odd layers", size)},
             block.template shared<Refusal<T>>("refused", team.samples)};
    return arrays;
  }

  template <class Block>
  KANML_DEVICE void operator()(Block& block) const {
    const auto arrays = memory(block);
    const auto planes = [&](int l, int width) {
      return Planes{arrays.planes[l % 2], width, stride_of(team)};
    };
    for (index t = block.number(); t < n_tiles(curves.n, team); t += block.blocks()) {
      const Tile tile = tile_at(t, curves.n, team);
      read_inputs(block, team, curves, tile, planes(0, network.n_in));
      for (int l = 0; l < network.n_layers; ++l) {
        const LayerRecord& layer = network.layers[l];
        const auto in = planes(l, layer.n_in);
        const auto out = planes(l + 1, layer.n_out);
        phase_of_samples(block, team, tile, [&](int s, int group) {
          const int input = layer_forward<Degrees, Order>(team, network, l, parameters, curves, s,
                                                          group, in, out);
          if (group != 0) return;
          if (l == 0) arrays.refused[s] = Refusal<T>{-1, 0, 0, T(0)};
          if (input >= 0 && Refusal<T>(arrays.refused[s]).layer < 0) {
            arrays.refused[s] = Refusal<T>{l, input, tile.first + s, in(0, input, s)};
          }
        });
      }
      const auto out = planes(network.n_layers, network.n_out);
      phase_of_samples(block, team, tile, [&](int s, int group) {
        for (int m = 0; m < curves.n_planes; ++m) {
          for (int q = group; q < network.n_out; q += team.groups) {
            y[(m * curves.n + tile.first + s) * network.n_out + q] = out(m, q, s);
          }
        }
        if (s > 0 || group > 0) return;
        // The first sample that was refused.
        Refusal<T> first = arrays.refused[0];
        for (int i = 1; i < tile.count && first.layer < 0; ++i) first = arrays.refused[i];
        refusals[t] = first;
      });
    }
  }
};

}  // namespace kanml::block
