// The programs for losses and their gradient: a tile goes through the network, its loss gives the
// cotangents of the outputs, and these go back through the layers. Gradients are summed over slots,
// and these are added up in order. Slots depend on sizes alone, so bits depend on nothing else.
#pragma once

#include "block/pass.hpp"

namespace kanml::block {

// A loss with given cotangents (n_planes, n, n_out), of a single batch at one place.
template <class T>
struct GivenCotangents {
  const T* given;

  template <class Block>
  KANML_DEVICE int memory(Block& /*block*/, const Team& /*team*/) const {
    return 0;
  }
  KANML_DEVICE bool has_cotangents(const TileAt<T>& /*at*/, int /*place*/) const { return true; }

  template <class Block, class Memory, class Outputs, class Cotangents>
  KANML_DEVICE void operator()(Block& block, const Team& team, const TileAt<T>& at,
                               const Memory& /*memory*/, const Outputs& /*outputs*/,
                               const Cotangents& cotangents, bool /*backward*/) const {
    const auto to = cotangents(0);
    phase_of_samples(block, team, at.tile, [&](int s, int group) {
      for (int m = 0; m < at.places[0].n_planes; ++m) {
        for (int q = group; q < to.width; q += team.groups) {
          to(m, q, s) = given[(m * at.places[0].n + at.tile.first + s) * to.width + q];
        }
      }
    });
  }
};

// Blocks take slots, in turn.
template <class T, int Order, class Loss>
struct Gradient {
  Pass<T, Order> pass;
  Loss loss;
  bool backward;  // whether there is a gradient
  index slots;
  index n_parameters;
  T* gradients;   // (slots, n_parameters)
  T* x_gradient;  // (n, n_in) of a single batch at one place, or null
  int blocks;
  int threads = pass.programs.team.threads();

  template <class Block>
  KANML_DEVICE auto memory(Block& block) const {
    return pass.memory_with(block, loss);
  }

  template <class Block>
  KANML_DEVICE void operator()(Block& block) const {
    const auto arrays = memory(block);
    for (index slot = block.number(); slot < slots; slot += block.blocks()) {
      T* const gradient = gradients + slot * n_parameters;
      block.phase([&](int thread) {
        for (index i = thread; backward && i < n_parameters; i += block.threads()) {
          gradient[i] = T(0);
        }
      });
      const index tiles = pass.batches.tiles;
      for (index t = slot * tiles / slots; t < (slot + 1) * tiles / slots; ++t) {
        const TileAt<T> at = pass.tile_at(t);
        pass.there(block, arrays.of_pass, at);
        loss(block, pass.team(), at, arrays.of_next, pass.outputs(arrays.of_pass, at),
             pass.cotangents(arrays.of_pass, at), backward);
        for (int place = 0; backward && place < at.n_places; ++place) {
          if (loss.has_cotangents(at, place)) go_back(block, arrays.of_pass, at, place, gradient);
        }
      }
    }
  }

 private:
  template <class Block, class Arrays>
  KANML_DEVICE void go_back(Block& block, const Arrays& arrays, const TileAt<T>& at, int place,
                            T* gradient) const {
    const bool to_inputs = x_gradient != nullptr;
    const auto cx = pass.back(block, arrays, at, place, to_inputs, SumSink<T>{gradient});
    if (!to_inputs) return;
    phase_of_samples(block, pass.team(), at.tile, [&](int s, int group) {
      for (int p = group; p < cx.width; p += pass.team().groups) {
        x_gradient[(at.tile.first + s) * cx.width + p] = cx(0, p, s);
      }
    });
  }
};

}  // namespace kanml::block
