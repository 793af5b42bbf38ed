#include "core/splines/double_double.hpp"

#include <cmath>

#include "check.hpp"
#include "core/splines/space_tables.hpp"
#include "inputs.hpp"
#include "kanml/relu_transform.hpp"

using kanml::DoubleDouble;
using kanml::two_product;
using kanml::two_sum;

namespace {

const double two_53 = std::ldexp(1.0, 53);

#define CHECK_PARTS(value, expected_high, expected_low) \
  do {                                                  \
    const DoubleDouble parts = value;                   \
    CHECK_EQUAL(parts.high, expected_high);             \
    CHECK_EQUAL(parts.low, expected_low);               \
  } while (false)

}  // namespace

TEST(sums_and_products_are_exact) {
  CHECK_PARTS(two_sum(1.0, 1e-30), 1.0, 1e-30);
  CHECK_PARTS(two_sum(1e-30, -1.0), -1.0, 1e-30);
  CHECK_PARTS(two_sum(two_53, 3.0), two_53 + 4.0, -1.0);
  // (2^52 + 1)(2^52 - 1) = 2^104 - 1
  CHECK_PARTS(two_product(two_53 / 2 + 1.0, two_53 / 2 - 1.0), std::ldexp(1.0, 104), -1.0);
}

// What is rounded is a few 2^-104 of the terms.
TEST(operations_have_twice_the_digits) {
  const double small = std::ldexp(1.0, -60);
  const DoubleDouble a{3.0, small};
  const DoubleDouble b{3.0, -small};
  CHECK_PARTS(a - b, 2 * small, 0.0);
  CHECK_PARTS(a * b, 9.0, 0.0);  // 9 - 2^-120
  CHECK_PARTS(a * a, 9.0, 6 * small);
  CHECK_PARTS((a * a) / a, 3.0, small);
  for (double n = 1.0; n < 1000.0; n += 1.0) {
    const DoubleDouble product = DoubleDouble{1.0} / DoubleDouble{n} * DoubleDouble{n};
    CHECK(std::fabs((product - DoubleDouble{1.0}).high) <= std::ldexp(1.0, -102));
  }
}

// The parts of the spacing have 33 and 53 digits.
TEST(uniform_knots_are_known_beyond_double) {
  for (const int n : {3, 5, 7, 111}) {
    const kanml::SplineSpace space(inputs::uniform_breakpoints(n, 0.0, 1.0), 3);
    const auto knots = space.tables<double>().view().uniform_knots;
    CHECK(space.uniform());
    const DoubleDouble last = two_product(n, knots.spacing_rest);
    const double error = ((n * knots.spacing - 1.0) + last.high) + last.low;
    CHECK(std::fabs(error) <= std::ldexp(1.0, -85));
  }
}
