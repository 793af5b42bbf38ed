// What the factorisation of rows needs besides a QR of a matrix, which has columns one after the
// other: the matrix itself, of a triangle and the rows below it, and its triangle afterwards. Both
// are what ForEach does with an entry.
#pragma once

#include "kanml/types.hpp"
#include "point/device.hpp"

namespace kanml::block {

// [triangle; rows; zeros], where the triangle is where the last factorisation left it.
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

  KANML_DEVICE index entries() const { return n * height; }
  KANML_DEVICE void operator()(index entry) const {
    const index column = entry / height;
    const index i = entry % height;
    const index row = i - n;
    if (row < 0) {
      if (is_first || i > column) matrix[entry] = 0.0;
    } else if (row >= rows) {
      matrix[entry] = 0.0;
    } else {
      matrix[entry] = static_cast<double>(
          column < n - 1 ? jacobian[(row + 1) * stride - (n - 1) + column] : values[row]);
    }
  }
};

// The triangle, row after row, with zeros below its diagonal.
struct ReadTriangle {
  index n;
  index height;
  const double* matrix;  // (n, height)
  double* triangle;      // (n, n)

  KANML_DEVICE index entries() const { return n * n; }
  KANML_DEVICE void operator()(index entry) const {
    const index row = entry / n;
    const index column = entry % n;
    triangle[entry] = row <= column ? matrix[column * height + row] : 0.0;
  }
};

}  // namespace kanml::block
