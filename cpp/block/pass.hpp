// The way of a tile through a network and back, at all places of its batch.
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
template <class T>
struct TileAt {
  index number;
  int batch;
  Tile tile;
  const CurvesView<T>* places;
  int n_places;
};

// Planes of all places of a batch, one place behind the other. Those of a place have `width`
// features, of which `chosen` are meant that follow `before` others.
template <class T, class Array>
struct PlanesOfPlaces {
  Array numbers;
  const CurvesView<T>* places;
  int width;
  int before;
  int chosen;
  int stride;

  KANML_DEVICE Planes<Array> operator()(int place) const {
    index first = 0;
    for (int p = 0; p < place; ++p) first += index{places[p].n_planes} * width;
    first += index{places[place].n_planes} * before;
    return {numbers, first * stride, chosen, stride};
  }
};
template <class Array, class T>
PlanesOfPlaces(Array, const CurvesView<T>*, int, int, int, int) -> PlanesOfPlaces<T, Array>;

template <class OfPass, class OfNext>
struct PassMemory {
  OfPass of_pass;
  OfNext of_next;
};
template <class OfPass, class OfNext>
PassMemory(OfPass, OfNext) -> PassMemory<OfPass, OfNext>;

// What losses and rows share. A loss is an object with
//   memory(block, team)             its shared memory
//   (block, team, at, memory, outputs, cotangents, backward)
//                                   reads the planes outputs(place) and, if `backward`, fills
//                                   cotangents(place)
//   has_cotangents(at, place)       whether a place has any
template <class T, int Order>
struct Pass {
  LayerPrograms<T, Order> programs;
  BatchesView<T> batches;
  int lowest;            // the layer at which cotangents stop
  Refusal<T>* refusals;  // (tiles), if a layer refuses inputs

  KANML_DEVICE const Team& team() const { return programs.team; }
  KANML_DEVICE const NetworkView<T>& network() const { return programs.layers.network; }

  template <class Block>
  KANML_DEVICE auto memory(Block& block) const {
    const auto planes = [&](const char* name, int width) {
      return block.template shared<T>(name, plane_numbers(team(), batches.n_planes, width));
    };
    struct {
      decltype(block.template shared<T>("", 0)) features, of_outputs, cotangents;
      decltype(block.template shared<Refusal<T>>("", 0)) refused;
      decltype(edge_memory<T>(block, programs.team, 0, 0)) edges;
      decltype(programs.coefficient_memory(block)) coefficients;
    } arrays{planes("features", network().features),
             planes("cotangents of outputs", network().n_out),
             planes("cotangents", 2 * network().widest),  // of even layers, then of odd ones
             refused_memory<T>(block, network(), team()),
             edge_memory<T>(block, team(), Order, network().degree),
             programs.coefficient_memory(block)};
    return arrays;
  }

  // The same, with the memory of what follows: a loss, or formulas.
  template <class Block, class Next>
  KANML_DEVICE auto memory_with(Block& block, const Next& next) const {
    return PassMemory{memory(block), next.memory(block, team())};
  }

  KANML_DEVICE TileAt<T> tile_at(index t) const {
    int batch = batches.count - 1;
    while (batches.batches[batch].first_tile > t) --batch;
    const BatchRecord& record = batches.batches[batch];
    return {t, batch, block::tile_at(t - record.first_tile, record.n, team()),
            batches.places + record.first_place, record.n_places};
  }

  // The planes before layer l, and those of all outputs and their cotangents.
  template <class Arrays>
  KANML_DEVICE auto features(const Arrays& arrays, const TileAt<T>& at, int l) const {
    int before = 0;
    int width = network().n_in;
    for (int i = 0; i < l; ++i) {
      before += width;
      width = network().layers[i].n_out;
    }
    return PlanesOfPlaces{arrays.features, at.places, network().features,
                          before,          width,     stride_of(team())};
  }
  template <class Arrays>
  KANML_DEVICE auto outputs(const Arrays& arrays, const TileAt<T>& at) const {
    return features(arrays, at, network().n_layers);
  }
  template <class Arrays>
  KANML_DEVICE auto cotangents(const Arrays& arrays, const TileAt<T>& at) const {
    const int width = network().n_out;
    return PlanesOfPlaces{arrays.of_outputs, at.places, width, 0, width, stride_of(team())};
  }

  // Takes a tile to the outputs, at all places.
  template <class Block, class Arrays>
  KANML_DEVICE void there(Block& block, const Arrays& arrays, const TileAt<T>& at) const {
    for (int place = 0; place < at.n_places; ++place) {
      const auto planes = [&](int l) { return features(arrays, at, l)(place); };
      programs.forward(block, arrays.coefficients, at.places[place], at.tile, planes,
                       arrays.refused, place == 0);
    }
    if (!network().refuses) return;
    block.phase([&](int thread) {
      if (thread == 0) refusals[at.number] = programs.first_of(at.tile, arrays.refused);
    });
  }

  // Carries the cotangents of the outputs back, at one place. They reach the inputs of the network
  // only if `to_inputs`, in the planes that are returned.
  template <class Block, class Arrays, class Sink>
  KANML_DEVICE auto back(Block& block, const Arrays& arrays, const TileAt<T>& at, int place,
                         bool to_inputs, const Sink& sink) const {
    const CurvesView<T>& curves = at.places[place];
    const auto cotangents_of = [&](int l) {
      const index size = plane_numbers(team(), batches.n_planes, network().widest);
      return Planes{arrays.cotangents, l % 2 * size, network().layers[l].n_in, stride_of(team())};
    };
    auto cy = cotangents(arrays, at)(place);
    for (int l = network().n_layers; l-- > lowest;) {
      const auto in = features(arrays, at, l)(place);
      programs.add_to_sink(block, l, curves, at.tile, in, cy, arrays.edges, sink);
      if (l == lowest && !to_inputs) break;
      const auto cx = cotangents_of(l);
      programs.back(block, arrays.coefficients, l, curves, at.tile, in, cy, cx);
      cy = cx;
    }
    return cy;
  }
};

}  // namespace kanml::block
