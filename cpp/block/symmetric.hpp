// Symmetric matrices of which the lower triangle is stored; see include/kanml/symmetric.hpp.
//
// The triangle is cut into square tiles, with triangles along the diagonal; blocks take tiles in
// turn. A product reads each entry once: a tile gives the sums of its rows, and of its columns.
// These are added up in the order of the tiles, so that bits depend on n alone.
#pragma once

#include <cmath>

#include "block/sums.hpp"
#include "block/vectors.hpp"
#include "kanml/symmetric.hpp"

namespace kanml::block {

struct Triangle {
  static constexpr int side = 64;  // of a tile

  index n;

  KANML_DEVICE index rows_of_tiles() const { return (n + side - 1) / side; }
  KANML_DEVICE index tiles() const { return packed_size(rows_of_tiles()); }
};

// Tile number t: its row and column among tiles.
struct TriangleTile {
  static constexpr int side = Triangle::side;

  index row;
  index column;

  KANML_DEVICE explicit TriangleTile(index t)
      : row(static_cast<index>((std::sqrt(8.0 * static_cast<double>(t) + 1.0) - 1.0) / 2.0)) {
    while (packed_size(row) > t) --row;  // the root is rounded
    while (packed_size(row + 1) <= t) ++row;
    column = t - packed_size(row);
  }
  KANML_DEVICE bool on_diagonal() const { return row == column; }
};

// Calls f(i, j, number) for the entries of the triangle. A thread owns an entry.
template <class F>
struct ForTriangle {
  Triangle triangle;
  F f;
  int blocks;
  int threads;

  template <class Block>
  KANML_DEVICE int memory(Block& /*block*/) const {
    return 0;
  }
  template <class Block>
  KANML_DEVICE void operator()(Block& block) const {
    constexpr int side = Triangle::side;
    for (index t = block.number(); t < triangle.tiles(); t += block.blocks()) {
      const TriangleTile tile(t);
      block.for_each_thread([&](int thread) {
        for (int entry = thread; entry < side * side; entry += block.threads()) {
          const index i = tile.row * side + entry / side;
          const index j = tile.column * side + entry % side;
          if (i < triangle.n && j <= i) f(i, j, packed_size(i) + j);
        }
      });
    }
  }
};

template <class T>
struct MultipleOfIdentity {
  T a;
  T* out;

  KANML_DEVICE void operator()(index i, index j, index number) const {
    out[number] = i == j ? a : T(0);
  }
};

template <class T>
struct SymmetricUpdate {
  double scale;
  const T* matrix;
  const T* x;
  const T* y;
  double xx;
  double xy;
  double yy;
  T* out;

  KANML_DEVICE void operator()(index i, index j, index number) const {
    const auto at = [](const T* v, index k) { return static_cast<double>(v[k]); };
    const double by_x = xx * at(x, j) + xy * at(y, j);
    const double by_y = xy * at(x, j) + yy * at(y, j);
    out[number] = static_cast<T>(scale * at(matrix, number) + (at(x, i) * by_x + at(y, i) * by_y));
  }
};

template <class T>
struct Diagonal {
  const T* matrix;
  T* out;

  KANML_DEVICE void operator()(index i) const { out[i] = matrix[packed_size(i) + i]; }
};

// How many entries of the diagonal are not positive and finite.
template <class T>
struct NotPositive {
  using Sum = Total<index>;

  const T* matrix;

  KANML_DEVICE void operator()(Sum& sum, index i) const {
    if (!is_positive_and_finite(matrix[packed_size(i) + i])) sum.value += 1;
  }
};

// The sums of the rows and of the columns of each tile. Each is summed in pieces, which are added
// up in order.
template <class T>
struct TileProducts {
  static constexpr int side = Triangle::side;
  static constexpr int stride = side + 1;  // odd, so that columns lie in different banks
  static constexpr int pieces = 4;

  Triangle triangle;
  const T* matrix;
  const T* x;
  double* sums;  // (rows_of_tiles, n): what the tiles of a row or column add to each output
  int blocks;
  int threads;

  // What a tile is multiplied with: x at its columns, then at its rows. On the diagonal the whole
  // square is filled, and its rows are all that is summed.
  template <class Tile, class Doubles>
  struct Memory {
    Tile tile;        // (side, stride)
    Doubles factors;  // (2, side)
    Doubles partial;  // (2, pieces, side)
  };
  template <class Tile, class Doubles>
  KANML_DEVICE static Memory<Tile, Doubles> memory_of(const Tile& tile, const Doubles& factors,
                                                      const Doubles& partial) {
    return {tile, factors, partial};
  }

  template <class Block>
  KANML_DEVICE auto memory(Block& block) const {
    const auto tile = block.template shared<T>("tile", side * stride);
    const auto factors = block.template shared<double>("factors", 2 * side);
    const auto partial = block.template shared<double>("partial", 2 * pieces * side);
    return memory_of(tile, factors, partial);
  }

  template <class Block>
  KANML_DEVICE void operator()(Block& block) const {
    const auto arrays = memory(block);
    for (index t = block.number(); t < triangle.tiles(); t += block.blocks()) {
      const TriangleTile tile(t);
      const int ways = tile.on_diagonal() ? 1 : 2;  // rows alone, or rows and columns
      read(block, arrays, tile);
      multiply(block, arrays, ways);
      write(block, arrays, tile, ways);
    }
  }

 private:
  // Beyond n there are zeros.
  template <class Block, class Arrays>
  KANML_DEVICE void read(Block& block, const Arrays& arrays, const TriangleTile& at) const {
    const index n = triangle.n;
    block.phase([&](int thread) {
      for (int entry = thread; entry < side * side; entry += block.threads()) {
        const int r = entry / side;
        const int c = entry % side;
        if (at.on_diagonal() && c > r) continue;
        const index i = at.row * side + r;
        const T value = i < n ? matrix[packed_size(i) + at.column * side + c] : T(0);
        arrays.tile[r * stride + c] = value;
        if (at.on_diagonal() && c < r) arrays.tile[c * stride + r] = value;
      }
      for (int k = thread; k < 2 * side; k += block.threads()) {
        const index i = (k < side ? at.column : at.row) * side + k % side;
        arrays.factors[k] = i < n ? static_cast<double>(x[i]) : 0.0;
      }
    });
  }

  template <class Block, class Arrays>
  KANML_DEVICE void multiply(Block& block, const Arrays& arrays, int ways) const {
    constexpr int length = side / pieces;
    block.phase([&](int thread) {
      for (int k = thread; k < ways * pieces * side; k += block.threads()) {
        const bool of_row = k < pieces * side;
        const int r = k % side;
        const int piece = k / side % pieces;
        const int step = of_row ? 1 : stride;
        const int first = (of_row ? r * stride : r) + piece * length * step;
        const int factor = (of_row ? 0 : side) + piece * length;
        double sum = 0.0;
        for (int c = 0; c < length; ++c) {
          const T value = arrays.tile[first + c * step];
          sum += static_cast<double>(value) * arrays.factors[factor + c];
        }
        arrays.partial[k] = sum;
      }
    });
  }

  // No barrier: what is read here is written only after the barrier of the next tile.
  template <class Block, class Arrays>
  KANML_DEVICE void write(Block& block, const Arrays& arrays, const TriangleTile& at,
                          int ways) const {
    block.for_each_thread([&](int thread) {
      for (int k = thread; k < ways * side; k += block.threads()) {
        const bool of_row = k < side;
        const index i = (of_row ? at.row : at.column) * side + k % side;
        if (i >= triangle.n) continue;
        double sum = 0.0;
        for (int piece = 0; piece < pieces; ++piece) {
          sum += arrays.partial[((of_row ? 0 : pieces) + piece) * side + k % side];
        }
        sums[(of_row ? at.column : at.row) * triangle.n + i] = sum;
      }
    });
  }
};

// The product, after TileProducts.
template <class T>
struct AddUpTiles {
  Triangle triangle;
  const double* sums;
  T* out;

  KANML_DEVICE void operator()(index i) const {
    double sum = 0.0;
    for (index row = 0; row < triangle.rows_of_tiles(); ++row) sum += sums[row * triangle.n + i];
    out[i] = static_cast<T>(sum);
  }
};

}  // namespace kanml::block
