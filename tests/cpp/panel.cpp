// The matrix that a QR factorisation of rows works on, and the triangle that it leaves. Here the
// factorisation is Householder's, written plainly.
#include "block/panel.hpp"

#include <cmath>
#include <vector>

#include "block/block.hpp"
#include "block/entries.hpp"
#include "check.hpp"
#include "inputs.hpp"

using kanml::index;
namespace block = kanml::block;

namespace {

// What is above the diagonal of a matrix (columns, height) becomes its triangular factor. What is
// below it then means nothing, as after LAPACK's.
void factorise(std::vector<double>& matrix, index columns, index height) {
  const auto at = [&](index row, index column) -> double& {
    return matrix[static_cast<std::size_t>(column * height + row)];
  };
  for (index k = 0; k < columns; ++k) {
    double length = 0.0;
    for (index i = k; i < height; ++i) length = std::hypot(length, at(i, k));
    if (length == 0.0) continue;
    std::vector<double> v;
    for (index i = k; i < height; ++i) v.push_back(at(i, k));
    v.front() += v.front() > 0.0 ? length : -length;
    double square = 0.0;
    for (const double number : v) square += number * number;
    for (index column = k; column < columns; ++column) {
      double product = 0.0;
      for (index i = k; i < height; ++i)
        product += v[static_cast<std::size_t>(i - k)] * at(i, column);
      for (index i = k; i < height; ++i) {
        at(i, column) -= 2.0 * product / square * v[static_cast<std::size_t>(i - k)];
      }
    }
    for (index i = k + 1; i < height; ++i) at(i, k) = 1e100;
  }
}

// In three blocks of five threads, which entries are no multiple of.
template <class F>
void run(const F& f) {
  block::run_on_host<true>(block::ForEach<F>{f.entries(), f, 3, 5});
}

template <class T>
void check_folding() {
  constexpr index n = 7;       // columns: six derivatives and a value
  constexpr index stride = 9;  // of which three come first that do not count
  constexpr index most = 20;   // rows of a panel
  constexpr index height = n + most;
  std::vector<double> matrix(n * height, 1e200);
  std::vector<double> gram(n * n);
  bool is_first = true;
  for (const index rows : {most, index{3}, index{1}, most}) {
    const auto jacobian = inputs::random<T>(rows * stride);
    const auto values = inputs::random<T>(rows);
    run(block::FillPanel<T>{.n = n,
                            .height = height,
                            .is_first = is_first,
                            .rows = rows,
                            .jacobian = jacobian.data(),
                            .stride = stride,
                            .values = values.data(),
                            .matrix = matrix.data()});
    is_first = false;
    factorise(matrix, n, height);
    const auto entry = [&](index row, index column) {
      const index i = column < n - 1 ? row * stride + stride - (n - 1) + column : row;
      return double{(column < n - 1 ? jacobian : values)[static_cast<std::size_t>(i)]};
    };
    for (index row = 0; row < rows; ++row) {
      for (index i = 0; i < n * n; ++i) {
        gram[static_cast<std::size_t>(i)] += entry(row, i / n) * entry(row, i % n);
      }
    }
  }
  std::vector<double> triangle(n * n, 1e200);
  run(block::ReadTriangle{n, height, matrix.data(), triangle.data()});
  for (index i = 0; i < n * n; ++i) {
    double product = 0.0;
    for (index row = 0; row < n; ++row) {
      product += triangle[static_cast<std::size_t>(row * n + i / n)] *
                 triangle[static_cast<std::size_t>(row * n + i % n)];
    }
    CHECK_NEAR(product, gram[static_cast<std::size_t>(i)], 1e-13);
    if (i / n > i % n) CHECK_EQUAL(triangle[static_cast<std::size_t>(i)], 0.0);
  }
}

}  // namespace

TEST(rows_are_folded_in_panel_after_panel) {
  check_folding<double>();
  check_folding<float>();
}
