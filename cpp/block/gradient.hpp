// The programs for losses and their gradient: a tile goes through the network, its loss gives the
// cotangents of the outputs, and these go back through the layers. Gradients are summed over slots,
// and these are added up in order. Slots depend on sizes alone, so bits depend on nothing else.
#pragma once

#include "block/layers.hpp"

namespace kanml::block {

// The samples of one term of a loss, at one or more places that go through the network together.
struct BatchRecord {
  index n;
  index first_tile;  // among those of all batches
  int first_place;   // among those of all batches
  int n_places;
};

template <class T>
struct BatchesView {
  const BatchRecord* batches;
  int count;
  index tiles;  // of all batches
  const CurvesView<T>* places;
  int n_planes;  // the most that all places of a batch have together
};

// A tile among those of all batches.
struct TileOf {
  index number;
  int batch;
  Tile tile;
};

// Planes of all places of a batch, one after the other.
template <class T, class Array>
struct PlacePlanes {
  Array numbers;
  const CurvesView<T>* places;  // of the batch
  int width;                    // of all vectors that a place has planes of
  int stride;

  // Those of a vector that begins behind `before` features of its place.
  KANML_DEVICE Planes<Array> operator()(int place, int before, int vector_width) const {
    index first = 0;
    for (int p = 0; p < place; ++p) first += index{places[p].n_planes} * width * stride;
    first += index{places[place].n_planes} * before * stride;
    return {numbers, first, vector_width, stride};
  }
};

// A loss with given cotangents (n_planes, n, n_out) of a single batch at one place.
template <class T>
struct GivenCotangents {
  const T* cotangents;

  template <class Block>
  KANML_DEVICE int memory(Block& /*block*/, const Team& /*team*/) const {
    return 0;
  }
  template <class Block, class Memory, class Array>
  KANML_DEVICE void operator()(Block& block, const Team& team, const BatchesView<T>& batches,
                               const TileOf& at, const Memory& /*memory*/,
                               const PlacePlanes<T, Array>& /*outputs*/,
                               const PlacePlanes<T, Array>& to) const {
    const CurvesView<T>& curves = batches.places[0];
    const auto cy = to(0, 0, to.width);
    phase_of_samples(block, team, at.tile, [&](int s, int group) {
      for (int m = 0; m < curves.n_planes; ++m) {
        for (int q = group; q < cy.width; q += team.groups) {
          cy(m, q, s) = cotangents[(m * curves.n + at.tile.first + s) * cy.width + q];
        }
      }
    });
  }
};

template <class T, int Order, class Loss>
struct Gradient {
  LayerPrograms<T, Order> programs;
  BatchesView<T> batches;
  Loss loss;
  int lowest;  // the layer at which cotangents stop
  index slots;
  index n_parameters;
  T* gradients;          // (slots, n_parameters)
  T* x_gradient;         // (n, n_in) of a single batch at one place, or null
  Refusal<T>* refusals;  // (tiles)
  int blocks;
  int threads = programs.team.threads();

  template <class Block>
  KANML_DEVICE auto memory(Block& block) const {
    const Team& team = programs.team;
    const NetworkView<T>& network = programs.layers.network;
    const auto planes = [&](const char* name, int width) {
      return block.template shared<T>(name, plane_numbers(team, batches.n_planes, width));
    };
    struct {
      decltype(block.template shared<T>("", 0)) features, of_outputs, cotangents;
      decltype(block.template shared<Refusal<T>>("", 0)) refused;
      decltype(edge_memory<T>(block, team, 0, 0)) edges;
      decltype(loss.memory(block, team)) of_loss;
    } arrays{planes("features", network.features),
             planes("cotangents of outputs", network.n_out),
             planes("cotangents", 2 * network.widest),  // of even layers, then of odd ones
             block.template shared<Refusal<T>>("refused", team.samples),
             edge_memory<T>(block, team, Order, network.degree),
             loss.memory(block, team)};
    return arrays;
  }

  template <class Block>
  KANML_DEVICE void operator()(Block& block) const {
    const auto arrays = memory(block);
    for (index slot = block.number(); slot < slots; slot += block.blocks()) {
      T* const gradient = gradients + slot * n_parameters;
      block.phase([&](int thread) {
        for (index i = thread; i < n_parameters; i += block.threads()) gradient[i] = T(0);
      });
      for (index t = slot * batches.tiles / slots; t < (slot + 1) * batches.tiles / slots; ++t) {
        run_tile(block, arrays, tile_of(t), gradient);
      }
    }
  }

 private:
  KANML_DEVICE TileOf tile_of(index t) const {
    int batch = batches.count - 1;
    while (batches.batches[batch].first_tile > t) --batch;
    const BatchRecord& record = batches.batches[batch];
    return {t, batch, tile_at(t - record.first_tile, record.n, programs.team)};
  }

  template <class Block, class Arrays>
  KANML_DEVICE void run_tile(Block& block, const Arrays& arrays, const TileOf& at,
                             T* gradient) const {
    const Team& team = programs.team;
    const NetworkView<T>& network = programs.layers.network;
    const BatchRecord& batch = batches.batches[at.batch];
    const CurvesView<T>* const places = batches.places + batch.first_place;
    const PlacePlanes features{arrays.features, places, network.features, stride_of(team)};
    const PlacePlanes of_outputs{arrays.of_outputs, places, network.n_out, stride_of(team)};

    for (int place = 0; place < batch.n_places; ++place) {
      const auto planes = [&](int l) { return features_of(features, place, l); };
      programs.forward(block, places[place], at.tile, planes, arrays.refused, place == 0);
    }
    const PlacePlanes outputs{arrays.features, places, network.features, stride_of(team)};
    loss(block, team, batches, at, arrays.of_loss, outputs, of_outputs);
    block.phase([&](int thread) {
      if (thread == 0) refusals[at.number] = programs.first_of(at.tile, arrays.refused);
    });
    for (int place = 0; place < batch.n_places; ++place) {
      go_back(
          block, arrays, at.tile, places[place],
          [&](int l) { return features_of(features, place, l); },
          of_outputs(place, 0, network.n_out), gradient);
    }
  }

  // The planes before layer l.
  template <class Array>
  KANML_DEVICE Planes<Array> features_of(const PlacePlanes<T, Array>& features, int place,
                                         int l) const {
    const NetworkView<T>& network = programs.layers.network;
    int before = 0;
    int width = network.n_in;
    for (int i = 0; i < l; ++i) {
      before += width;
      width = network.layers[i].n_out;
    }
    return features(place, before, width);
  }

  template <class Block, class Arrays, class PlanesOf, class Array>
  KANML_DEVICE void go_back(Block& block, const Arrays& arrays, const Tile& tile,
                            const CurvesView<T>& curves, const PlanesOf& planes,
                            const Planes<Array>& of_outputs, T* gradient) const {
    const Team& team = programs.team;
    const NetworkView<T>& network = programs.layers.network;
    const auto cotangents = [&](int l) {
      const int width = network.layers[l].n_in;
      const index size = plane_numbers(team, curves.n_planes, network.widest);
      return Planes{arrays.cotangents, l % 2 * size, width, stride_of(team)};
    };
    for (int l = network.n_layers; l-- > lowest;) {
      const auto in = planes(l);
      const auto cy = l + 1 == network.n_layers ? of_outputs : cotangents(l + 1);
      programs.add_gradient(block, l, curves, tile, in, cy, arrays.edges, gradient);
      if (l > lowest || x_gradient != nullptr) {
        programs.back(block, l, curves, tile, in, cy, cotangents(l));
      }
    }
    if (x_gradient == nullptr) return;
    const auto cx = cotangents(0);
    phase_of_samples(block, team, tile, [&](int s, int group) {
      for (int p = group; p < network.n_in; p += team.groups) {
        x_gradient[(tile.first + s) * network.n_in + p] = cx(0, p, s);
      }
    });
  }
};

// Adds up the gradients of all slots, in their order. A thread owns a parameter.
template <class T>
struct AddUp {
  index slots;
  index n_parameters;
  const T* gradients;  // (slots, n_parameters)
  T* gradient;         // (n_parameters)
  int blocks;
  int threads;

  template <class Block>
  KANML_DEVICE int memory(Block& /*block*/) const {
    return 0;
  }
  template <class Block>
  KANML_DEVICE void operator()(Block& block) const {
    block.phase([&](int thread) {
      const index all = index{block.blocks()} * block.threads();
      for (index i = index{block.number()} * block.threads() + thread; i < n_parameters; i += all) {
        double sum = 0.0;
        for (index slot = 0; slot < slots; ++slot) {
          sum += static_cast<double>(gradients[slot * n_parameters + i]);
        }
        gradient[i] = static_cast<T>(sum);
      }
    });
  }
};

}  // namespace kanml::block
