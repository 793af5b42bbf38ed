// What the factorisation of rows needs besides a QR of a matrix, which has columns one after the
// other: the matrix itself, of a triangle and the rows below it, and its triangle afterwards.
#pragma once

#include "kanml/types.hpp"
#include "point/device.hpp"

namespace kanml::block {

// [triangle; rows; zeros], where the triangle is where the last factorisation left it. A thread
// owns an entry.
template <class T>
struct FillPanel {
  index n;  // columns
  index height;
  bool is_first;      // whether there is no triangle yet
  index rows;         // that are folded in
  const T* jacobian;  // of which the last n - 1 numbers of each row count
  index stride;
  const T* values;  // (rows): the last column
  double* matrix;   // (n, height)
  int blocks;
  int threads;

  template <class Block>
  KANML_DEVICE int memory(Block& /*block*/) const {
    return 0;
  }
  template <class Block>
  KANML_DEVICE void operator()(Block& block) const {
    block.phase([&](int thread) {
      for (index column = block.number(); column < n; column += block.blocks()) {
        double* const to = matrix + column * height;
        for (index i = thread; i < height; i += block.threads()) {
          const index row = i - n;
          if (row < 0) {
            if (is_first || i > column) to[i] = 0.0;
          } else if (row >= rows) {
            to[i] = 0.0;
          } else {
            to[i] = static_cast<double>(
                column < n - 1 ? jacobian[(row + 1) * stride - (n - 1) + column] : values[row]);
          }
        }
      }
    });
  }
};

// The triangle, row after row, with zeros below its diagonal.
struct ReadTriangle {
  index n;
  index height;
  const double* matrix;  // (n, height)
  double* triangle;      // (n, n)
  int blocks;
  int threads;

  template <class Block>
  KANML_DEVICE int memory(Block& /*block*/) const {
    return 0;
  }
  template <class Block>
  KANML_DEVICE void operator()(Block& block) const {
    block.phase([&](int thread) {
      for (index row = block.number(); row < n; row += block.blocks()) {
        for (index column = thread; column < n; column += block.threads()) {
          triangle[row * n + column] = row <= column ? matrix[column * height + row] : 0.0;
        }
      }
    });
  }
};

}  // namespace kanml::block
