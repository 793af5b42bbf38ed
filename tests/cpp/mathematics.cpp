// Errors in units of the last place. mathematics_exhaustive.cpp tests all numbers of type float.
#include "mathematics.hpp"

#include <bit>
#include <cstdint>
#include <numbers>
#include <random>

#include "check.hpp"

using namespace mathematics;

namespace {

// Neighbours of a number, and their negatives.
template <class T>
void add_around(T center, std::vector<T>& x) {
  T below = center;
  T above = center;
  for (int i = 0; i < 8; ++i) {
    for (const T each : {below, above}) x.insert(x.end(), {each, -each});
    below = std::nextafter(below, -std::numeric_limits<T>::infinity());
    above = std::nextafter(above, std::numeric_limits<T>::infinity());
  }
}

template <class T>
std::vector<T> arguments() {
  using Limits = std::numeric_limits<T>;
  using Bits = std::conditional_t<std::is_same_v<T, float>, std::uint32_t, std::uint64_t>;
  std::vector<T> x = {0, -T(0), Limits::infinity(), -Limits::infinity(), Limits::quiet_NaN()};
  std::mt19937_64 random(1);
  for (int i = 0; i < 100000; ++i) x.push_back(std::bit_cast<T>(static_cast<Bits>(random())));
  for (const int range : {1, 2, 20, 100, 800}) {
    std::uniform_real_distribution<T> uniform(static_cast<T>(-range), static_cast<T>(range));
    for (int i = 0; i < 40000; ++i) x.push_back(uniform(random));
  }
  // Where functions begin to overflow or underflow, vanish or change their formula.
  for (const T edge :
       {Limits::denorm_min(), Limits::min(), Limits::max(), Limits::epsilon(), T(1)}) {
    for (const T factor : {T(0.25), T(0.5), T(1), T(2)}) add_around(edge * factor, x);
  }
  const T log_2 = std::numbers::ln2_v<T>;
  for (int exponent = Limits::min_exponent - Limits::digits - 1; exponent <= Limits::max_exponent;
       ++exponent) {
    add_around(static_cast<T>(exponent) * log_2, x);
    add_around((static_cast<T>(exponent) + T(0.5)) * log_2, x);
    add_around(std::ldexp(T(1), exponent), x);
    add_around(std::ldexp(std::numbers::sqrt2_v<T>, exponent), x);
  }
  // Where sines or cosines nearly vanish, up to beyond the range of the reduction.
  for (long n = 1; n < 2000000; n += 1 + n / 200) {
    const auto zero = static_cast<long double>(n) * (std::numbers::pi_v<long double> / 2);
    add_around(static_cast<T>(zero), x);
  }
  while (x.size() % 16 != 0) x.push_back(0);
  return x;
}

template <class T>
void check_errors() {
  const std::vector<T> x = arguments<T>();
  const auto names = sets();
  for (const Function<T>& function : functions<T>()) {
    std::vector<Worst<T>> worst(names.size());
    find_worst(function, x, worst);
    for (std::size_t set = 0; set < names.size(); ++set) {
      const auto [error, where] = worst[set];
      if (error > 1.0) {
        check::fail(__FILE__, __LINE__, function.name, " with ", names[set], " at ", where,
                    " has an error of ", error, " units in the last place");
      }
    }
  }
}

}  // namespace

TEST(functions_of_floats_are_exact_to_one_unit_in_the_last_place) { check_errors<float>(); }
TEST(functions_of_doubles_are_exact_to_one_unit_in_the_last_place) { check_errors<double>(); }
