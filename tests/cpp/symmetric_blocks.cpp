// The block programs of symmetric matrices against the functions for arrays of the process, and
// against loops. Neither fuses products, so that what is computed entry by entry has the same bits.
#include <algorithm>

#include "barriers.hpp"
#include "block_vectors.hpp"
#include "check.hpp"

namespace {

using block_vectors::all_vectors;
using block_vectors::index;
using block_vectors::infinity;
using block_vectors::matrix;
using block_vectors::nan;
using block_vectors::vectors;
using block_vectors::Vectors;
namespace block = kanml::block;

// Around the sides of tiles.
constexpr index orders[] = {1, 2, 63, 64, 65, 128, 200};

template <class T>
void check_products() {
  for (const index n : orders) {
    const auto m = matrix<T>(n);
    const auto x = inputs::random<T>(n);
    for (const auto& by : all_vectors<T>()) {
      std::vector<T> out(x.size());
      by.symmetric_product(m, x, out);
      for (index i = 0; i < n; ++i) {
        long double sum = 0.0L;
        long double size = 0.0L;
        for (index j = 0; j < n; ++j) {
          const auto place =
              static_cast<std::size_t>(kanml::packed_size(std::max(i, j)) + std::min(i, j));
          const auto term = static_cast<long double>(m[place]) * x[static_cast<std::size_t>(j)];
          sum += term;
          size += std::fabs(term);
        }
        const double error = out[static_cast<std::size_t>(i)] - static_cast<double>(sum);
        CHECK_NEAR(error, 0.0, 2.0 * std::numeric_limits<T>::epsilon() * static_cast<double>(size));
      }
    }
  }
}

template <class T>
void check_updates() {
  for (const index n : orders) {
    const auto m = matrix<T>(n);
    const auto x = inputs::random<T>(n);
    const auto y = inputs::random<T>(n);
    const kanml::RankTwo<T> added{x, y, 0.3, -0.7, 0.2};
    std::vector<T> expected(m.size());
    CHECK(kanml::symmetric_update<T>(0.5, m, added, expected, 1));
    for (const auto& by : all_vectors<T>()) {
      std::vector<T> out(m.size());
      CHECK(by.symmetric_update(0.5, m, added, out));
      CHECK(out == expected);
      out = m;
      CHECK(by.symmetric_update(0.5, out, added, out));
      CHECK(out == expected);
    }
  }
}

template <class T>
void check_identity() {
  for (const index n : orders) {
    const auto m = inputs::random<T>(kanml::packed_size(n));
    for (const auto& by : all_vectors<T>()) {
      std::vector<T> multiple(m.size());
      std::vector<T> diagonal(static_cast<std::size_t>(n));
      by.multiple_of_identity(0.3, n, multiple);
      by.diagonal(m, diagonal);
      std::size_t number = 0;
      for (index i = 0; i < n; ++i) {
        for (index j = 0; j <= i; ++j, ++number) {
          CHECK_EQUAL(multiple[number], i == j ? static_cast<T>(0.3) : T(0));
          if (i == j) CHECK_EQUAL(diagonal[static_cast<std::size_t>(i)], m[number]);
        }
      }
    }
  }
}

template <class T>
void check_bits() {
  const index n = 200;
  const auto m = matrix<T>(n);
  const auto x = inputs::random<T>(n);
  const auto product = [&](const Vectors<T>& by) {
    std::vector<T> out(x.size());
    by.symmetric_product(m, x, out);
    return out;
  };
  const auto expected = product(vectors<T>({64, 4}, 132, false));
  block_vectors::for_cuts<T>(true, [&](const Vectors<T>& by) { CHECK(product(by) == expected); });
}

// An entry that is no number reaches what depends on it, and nothing else.
template <class T>
void check_special() {
  for (const auto& by : all_vectors<T>()) {
    for (const index n : orders) {
      for (const index i : {index{0}, n / 2, n - 1}) {
        for (const index j : {index{0}, i / 2, i}) {
          auto m = matrix<T>(n);
          m[static_cast<std::size_t>(kanml::packed_size(i) + j)] = nan<T>;
          std::vector<T> out(static_cast<std::size_t>(n));
          by.symmetric_product(m, inputs::random<T>(n), out);
          for (index k = 0; k < n; ++k) {
            CHECK_EQUAL(std::isnan(out[static_cast<std::size_t>(k)]), k == i || k == j);
          }
        }
        auto x = std::vector<T>(static_cast<std::size_t>(n), T(1));
        x[static_cast<std::size_t>(i)] = infinity<T>;
        std::vector<T> out(x.size());
        by.symmetric_product(std::vector<T>(matrix<T>(n).size(), T(1)), x, out);
        CHECK(out == std::vector<T>(x.size(), infinity<T>));
      }
    }
  }
}

TEST(symmetric_products_are_those_of_extended_precision) {
  check_products<float>();
  check_products<double>();
}

TEST(symmetric_updates_have_the_bits_of_arrays_in_place_too) {
  check_updates<float>();
  check_updates<double>();
}

TEST(a_multiple_of_the_identity_and_a_diagonal_are_those_of_rows) {
  check_identity<float>();
  check_identity<double>();
}

TEST(a_diagonal_that_is_not_positive_is_reported) {
  const index n = 1500;
  const std::vector<double> zeros(static_cast<std::size_t>(n), 0.0);
  const kanml::RankTwo<double> nothing{zeros, zeros, 0.0, 0.0, 0.0};
  std::vector<double> out(static_cast<std::size_t>(kanml::packed_size(n)));
  const auto by = vectors<double>({64, 4}, 132, false);
  auto m = matrix<double>(n);
  CHECK(by.symmetric_update(1.0, m, nothing, out));
  for (const double bad : {0.0, -1.0, infinity<double>, nan<double>}) {
    for (const index i : {index{0}, n / 2, n - 1}) {
      double& entry = m[static_cast<std::size_t>(kanml::packed_size(i) + i)];
      const double good = entry;
      entry = bad;
      CHECK(!by.symmetric_update(1.0, m, nothing, out));
      entry = good;
    }
  }
}

TEST(bits_of_symmetric_products_do_not_depend_on_how_work_is_cut) {
  check_bits<float>();
  check_bits<double>();
}

TEST(entries_that_are_no_numbers_reach_what_depends_on_them) {
  check_special<float>();
  check_special<double>();
}

TEST(products_of_tiles_need_all_barriers) {
  const block::Triangle triangle{130};  // six tiles
  const auto m = matrix<double>(130);
  const auto x = inputs::random(130);
  std::vector<double> of_tiles(3 * 130);
  barriers::check(block::TileProducts<double>{.triangle = triangle,
                                              .matrix = m.data(),
                                              .x = x.data(),
                                              .sums = of_tiles.data(),
                                              .blocks = 1,
                                              .threads = 21},
                  12, 0);
}

}  // namespace
