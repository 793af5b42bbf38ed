// What follows a pass over all tiles: sums of gradients and of records, and the first refusal.
#pragma once

#include "block/pass.hpp"
#include "block/sums.hpp"

namespace kanml::block {

// The sums of the gradients of all slots. Blocks take a few parameters each, in turn, and the slots
// are dealt out to lanes. The order of a sum depends on the number of slots alone.
template <class T>
struct AddUpGradients {
  index slots;
  index n_parameters;
  const T* gradients;  // (slots, n_parameters)
  T* gradient;         // (n_parameters)
  int blocks;
  int threads;

  // At least four slots each, and enough parameters side by side for whole accesses to memory.
  KANML_DEVICE int lanes() const {
    int lanes = 1;
    while (lanes < sum_lanes / 8 && 8 * lanes <= slots) lanes *= 2;
    return lanes;
  }
  KANML_DEVICE int columns() const { return sum_lanes / lanes(); }

  template <class Block>
  KANML_DEVICE auto memory(Block& block) const {
    return memory_of_sums<double>(block);
  }

  template <class Block>
  KANML_DEVICE void operator()(Block& block) const {
    const auto sums = memory(block);
    const int n_lanes = lanes();
    const int n_columns = columns();
    for (index first = index{block.number()} * n_columns; first < n_parameters;
         first += index{block.blocks()} * n_columns) {
      block.phase([&](int thread) {
        for (int item = thread; item < sum_lanes; item += block.threads()) {
          const index i = first + item % n_columns;
          double sum = 0.0;
          for (index slot = item / n_columns; i < n_parameters && slot < slots; slot += n_lanes) {
            sum += static_cast<double>(gradients[slot * n_parameters + i]);
          }
          sums[item] = sum;
        }
      });
      block.phase([&](int thread) {
        for (int column = thread; column < n_columns; column += block.threads()) {
          if (first + column >= n_parameters) break;
          double sum = 0.0;
          for (int lane = 0; lane < n_lanes; ++lane) sum += sums[lane * n_columns + column];
          gradient[first + column] = static_cast<T>(sum);
        }
      });
    }
  }
};

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
    return memory_of_sums<Entry>(block);
  }

  template <class Block>
  KANML_DEVICE void operator()(Block& block) const {
    const auto lanes = memory(block);
    for (int item = block.number(); item < n_batches * entries; item += block.blocks()) {
      const int batch = item / entries;
      const int entry = item % entries;
      const index first = batches[batch].first_tile;
      const index end = batch + 1 < n_batches ? batches[batch + 1].first_tile : tiles;
      const bool is_largest = has_largest && entry == largest;
      const Entry found = sum_between<Entry>(block, lanes, first, end, [&](Entry& sum, index tile) {
        const double value = records[tile * size + entry];
        sum.add(is_largest ? Entry{{0.0}, {value}} : Entry{{value}, {0.0}});
      });
      block.for_each_thread([&](int thread) {
        if (thread == 0) sums[item] = is_largest ? found.largest.value : found.total.value;
      });
    }
  }

 private:
  // Both, of which one is what counts.
  struct Entry {
    Total<double> total;
    Largest largest;

    KANML_DEVICE void add(const Entry& other) {
      total.add(other.total);
      largest.add(other.largest);
    }
  };
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
    return memory_of_sums<First>(block);
  }

  template <class Block>
  KANML_DEVICE void operator()(Block& block) const {
    const auto lanes = memory(block);
    const First first = sum_between<First>(block, lanes, 0, tiles, [&](First& sum, index tile) {
      if (refusals[tile].layer >= 0) sum.add({tiles - tile});
    });
    const index tile = tiles - first.left;
    block.for_each_thread([&](int thread) {
      if (thread != 0) return;
      *found = {tile, tile < tiles ? refusals[tile] : Refusal<T>{-1, 0, 0, T(0)}};
    });
  }

 private:
  // How many tiles are left from the first on; 0 without one.
  struct First {
    index left;

    KANML_DEVICE void add(const First& other) { left = other.left > left ? other.left : left; }
  };
};

}  // namespace kanml::block
