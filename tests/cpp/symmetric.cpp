#include "kanml/symmetric.hpp"

#include <limits>

#include "check.hpp"
#include "inputs.hpp"

using kanml::index;

namespace {

template <class T>
constexpr double tolerance = 4.0 * std::numeric_limits<T>::epsilon();

// Sizes with rows that do not fill a group, and with several blocks.
constexpr index sizes[] = {1, 2, 3, 7, 64, 801};

std::size_t place(index i, index j) {
  return static_cast<std::size_t>(i >= j ? i * (i + 1) / 2 + j : j * (j + 1) / 2 + i);
}

template <class T>
void check_product() {
  for (const index n : sizes) {
    const auto matrix = inputs::random<T>(kanml::packed_size(n));
    const auto x = inputs::random<T>(n);
    std::vector<T> out(x.size());
    kanml::symmetric_product<T>(matrix, x, out, 2);
    for (index i = 0; i < n; ++i) {
      long double sum = 0.0L;
      long double size = 0.0L;
      for (index j = 0; j < n; ++j) {
        const long double term =
            static_cast<long double>(matrix[place(i, j)]) * x[static_cast<std::size_t>(j)];
        sum += term;
        size += std::fabs(term);
      }
      const double error = out[static_cast<std::size_t>(i)] - static_cast<double>(sum);
      CHECK_NEAR(error, 0.0, tolerance<T> * static_cast<double>(size));
    }
  }
}

template <class T>
void check_update() {
  for (const index n : sizes) {
    auto matrix = inputs::random<T>(kanml::packed_size(n));
    for (index i = 0; i < n; ++i) matrix[place(i, i)] = T{10};
    const auto x = inputs::random<T>(n);
    const auto y = inputs::random<T>(n);
    std::vector<T> out(matrix.size());
    CHECK(kanml::symmetric_update<T>(0.5, matrix, {x, y, 0.3, -0.7, 0.2}, out, 2));
    for (index i = 0; i < n; ++i) {
      for (index j = 0; j <= i; ++j) {
        const auto at = [](const std::vector<T>& v, index k) {
          return static_cast<double>(v[static_cast<std::size_t>(k)]);
        };
        const double expected =
            0.5 * static_cast<double>(matrix[place(i, j)]) + 0.3 * at(x, i) * at(x, j) -
            0.7 * (at(x, i) * at(y, j) + at(y, i) * at(x, j)) + 0.2 * at(y, i) * at(y, j);
        CHECK_NEAR(out[place(i, j)], expected, 5.0 * tolerance<T>);
      }
    }
    CHECK(kanml::symmetric_update<T>(0.5, matrix, {x, y, 0.3, -0.7, 0.2}, matrix, 3));
    CHECK(out == matrix);
  }
}

}  // namespace

TEST(products_are_those_of_extended_precision) {
  check_product<float>();
  check_product<double>();
}

TEST(updates_are_those_of_the_formula_in_place_too) {
  check_update<float>();
  check_update<double>();
}

TEST(a_diagonal_that_is_not_positive_is_reported) {
  const std::vector<double> x = {1.0, 0.0};
  const std::vector<double> y = {0.0, 1.0};
  std::vector<double> out(3);
  for (const double bad : {0.0, -1.0, std::numeric_limits<double>::infinity(),
                           std::numeric_limits<double>::quiet_NaN()}) {
    const std::vector<double> matrix = {1.0, 0.0, bad};
    CHECK(!kanml::symmetric_update<double>(1.0, matrix, {x, y, 0.0, 0.0, 0.0}, out, 1));
  }
  const std::vector<double> identity = {1.0, 0.0, 1.0};
  CHECK(kanml::symmetric_update<double>(1.0, identity, {x, y, 0.0, 0.0, 0.0}, out, 1));
}
