// What follows a pass over all tiles: sums of their records, and the first refusal.
#pragma once

#include "block/pass.hpp"
#include "block/reduction.hpp"

namespace kanml::block {

// Tiles are dealt to as many lanes in turn. So sums depend on the number of tiles alone.
inline constexpr int lanes = 256;

// The sums of the records of tiles, for each batch. Blocks take entries of sums, in turn.
struct AddUpRecords {
  // The entry that is the largest of all records, and no sum.
  static constexpr int largest = 1;

  const BatchRecord* batches;
  int n_batches;
  index tiles;
  int size;               // of a record
  int entries;            // of them that are added up
  bool has_largest;       // whether there is such an entry
  const double* records;  // (tiles, size)
  double* sums;           // (n_batches, entries)
  int blocks;
  int threads;

  template <class Block>
  KANML_DEVICE auto memory(Block& block) const {
    return block.template shared<double>("lanes", lanes);
  }

  template <class Block>
  KANML_DEVICE void operator()(Block& block) const {
    const auto values = memory(block);
    for (int item = block.number(); item < n_batches * entries; item += block.blocks()) {
      const int batch = item / entries;
      const int entry = item % entries;
      const index first = batches[batch].first_tile;
      const index end = batch + 1 < n_batches ? batches[batch + 1].first_tile : tiles;
      const bool is_largest = has_largest && entry == largest;
      const auto combine = [&](double a, double b) { return is_largest ? larger(a, b) : a + b; };
      block.phase([&](int thread) {
        for (int lane = thread; lane < lanes; lane += block.threads()) {
          double value = 0.0;
          for (index t = first + lane; t < end; t += lanes) {
            value = combine(value, records[t * size + entry]);
          }
          values[lane] = value;
        }
      });
      reduce<double>(block, values, lanes, combine);
      block.phase([&](int thread) {
        if (thread == 0) sums[item] = values[0];
      });
    }
  }
};

// The first tile with a refusal.
template <class T>
struct RefusalOfTile {
  index tile;  // as many as there are, if there is none
  Refusal<T> refusal;
};
template <class T>
struct FirstRefusal {
  index tiles;
  const Refusal<T>* refusals;  // (tiles)
  RefusalOfTile<T>* found;
  int blocks = 1;
  int threads;

  template <class Block>
  KANML_DEVICE auto memory(Block& block) const {
    return block.template shared<index>("first tiles", lanes);
  }

  template <class Block>
  KANML_DEVICE void operator()(Block& block) const {
    const auto first = memory(block);
    block.phase([&](int thread) {
      for (int lane = thread; lane < lanes; lane += block.threads()) {
        index t = lane;
        while (t < tiles && refusals[t].layer < 0) t += lanes;
        first[lane] = t < tiles ? t : tiles;
      }
    });
    reduce<index>(block, first, lanes, [](index a, index b) { return a < b ? a : b; });
    block.phase([&](int thread) {
      if (thread != 0) return;
      const index tile = first[0];
      *found = {tile, tile < tiles ? refusals[tile] : Refusal<T>{-1, 0, 0, T(0)}};
    });
  }
};

}  // namespace kanml::block
