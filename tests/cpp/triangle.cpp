#include "core/linalg/triangle.hpp"

#include <algorithm>
#include <limits>

#include "check.hpp"
#include "inputs.hpp"

using kanml::index;
using kanml::Triangle;

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

std::vector<double> entries_of(const Triangle& triangle) {
  return {triangle.entries().begin(), triangle.entries().end()};
}

// R^T R is the sum of the products of the rows.
void check_products(const Triangle& triangle, index n, const std::vector<double>& rows) {
  const auto r = triangle.entries();
  const auto at = [n](index i, index j) { return static_cast<std::size_t>(i * n + j); };
  for (index j = 0; j < n; ++j) {
    for (index k = 0; k < n; ++k) {
      double product = 0.0;
      double expected = 0.0;
      for (index i = 0; i < n; ++i) product += r[at(i, j)] * r[at(i, k)];
      for (index i = 0; i < static_cast<index>(rows.size()) / n; ++i) {
        expected += rows[at(i, j)] * rows[at(i, k)];
      }
      CHECK_NEAR(product, expected, 1e-12);
    }
    for (index i = j + 1; i < n; ++i) CHECK_EQUAL(r[at(i, j)], 0.0);
  }
}

}  // namespace

TEST(rows_fold_in_panel_by_panel) {
  for (const index n : {1, 5, 32, 33, 100}) {
    for (const index rows : {1, 31, 257, 600}) {
      const auto a = inputs::random(rows * n);
      Triangle triangle(n);
      triangle.fold(rows, a.data(), n);
      check_products(triangle, n, a);
    }
  }
}

TEST(rows_may_be_a_stride_apart) {
  const index n = 40;
  const index stride = 47;
  const index rows = 70;
  const auto wide = inputs::random(rows * stride);
  std::vector<double> narrow;
  for (index r = 0; r < rows; ++r) {
    narrow.insert(narrow.end(), wide.begin() + r * stride, wide.begin() + r * stride + n);
  }
  Triangle triangle(n);
  triangle.fold(rows, wide.data(), stride);
  Triangle expected(n);
  expected.fold(rows, narrow.data(), n);
  CHECK(entries_of(triangle) == entries_of(expected));
}

TEST(merged_triangles_hold_the_rows_of_both) {
  for (const index n : {1, 33, 100, 300}) {
    const index rows = 2 * n + 3;
    auto a = inputs::random(rows * n);
    const auto b = inputs::random(rows * n);
    Triangle triangle(n);
    Triangle other(n);
    triangle.fold(rows, a.data(), n);
    other.fold(rows, b.data(), n);
    triangle.merge(other);
    a.insert(a.end(), b.begin(), b.end());
    check_products(triangle, n, a);
  }
}

TEST(any_number_of_threads_gives_the_same_bits) {
  const index n = 150;
  const index rows = 400;
  const auto a = inputs::random(rows * n);
  const auto b = inputs::random(rows * n);
  Triangle expected(n);
  Triangle other(n);
  expected.fold(rows, a.data(), n);
  other.fold(rows, b.data(), n);
  expected.merge(other);
  for (const int threads : {1, 2, 3, 8}) {
    Triangle triangle(n);
    triangle.fold(rows, a.data(), n, threads);
    triangle.merge(other, threads);
    CHECK(entries_of(triangle) == entries_of(expected));
  }
}

TEST(a_cleared_triangle_holds_no_rows) {
  const auto a = inputs::random(20 * 10);
  Triangle triangle(10);
  triangle.fold(20, a.data(), 10);
  triangle.clear();
  CHECK(entries_of(triangle) == entries_of(Triangle(10)));
}

// Columns before that of a NaN keep their numbers.
TEST(nan_spreads_to_the_right) {
  const index n = 70;
  auto a = inputs::random(100 * n);
  Triangle clean(n);
  clean.fold(100, a.data(), n);
  a[50 * n + 40] = not_a_number;
  Triangle triangle(n);
  triangle.fold(100, a.data(), n);
  for (index j = 0; j < n; ++j) {
    const auto diagonal = static_cast<std::size_t>(j * n + j);
    if (j < 40) CHECK_EQUAL(triangle.entries()[diagonal], clean.entries()[diagonal]);
    if (j >= 40) CHECK(std::isnan(triangle.entries()[diagonal]));
  }
}

TEST(triangles_are_few_enough_for_memory_and_rows) {
  CHECK_EQUAL(kanml::triangles_for(10, 100), 1);
  CHECK_EQUAL(kanml::triangles_for(4096, 1000), 2);
  CHECK_EQUAL(kanml::triangles_for(1'000'000, 1000), 16);
  CHECK_EQUAL(kanml::triangles_for(1'000'000, 2000), 4);
}
