// What was timed is compared with an independent computation; a benchmark whose result is wrong
// reports an error instead of a time, and the program exits non-zero.
#pragma once

#include <benchmark/benchmark.h>

#include <cmath>
#include <span>
#include <string>
#include <type_traits>

#include "noise.hpp"

namespace bench {

// How many benchmarks of this process gave a wrong result.
int& failures();

// Collects comparisons; remembers the first that fails.
class Check {
 public:
  // |actual - expected| <= tolerance * scale. NaN fails, and so does a scale of zero unless the
  // numbers are equal.
  void close(const std::string& what, double actual, double expected, double scale,
             double tolerance);

  const std::string& failure() const { return failure_; }  // empty if all passed

 private:
  std::string failure_;
};

// Ends a benchmark: an error if the check failed.
void finish(benchmark::State& state, const Check& check);

// For sums that do not depend on the intervals of a space.
template <class T>
constexpr double tolerance() {
  return std::is_same_v<T, float> ? 1e-4 : 1e-12;
}

// sum_i +-x_i: one number that every entry of a vector has an equal part in. An error in a single
// entry shows, against `norm`, in the proportion that it has in the whole vector. In long double,
// since the rounding of so many additions would be greater than that of the entries.
template <class T>
double signed_sum(Stream signs, std::span<const T> x) {
  long double sum = 0.0L;
  for (std::size_t i = 0; i < x.size(); ++i) {
    sum += random_sign(signs, static_cast<index>(i)) * static_cast<double>(x[i]);
  }
  return static_cast<double>(sum);
}

template <class T>
double norm(std::span<const T> x) {
  double sum = 0.0;
  for (const T value : x) sum += static_cast<double>(value) * static_cast<double>(value);
  return std::sqrt(sum);
}

// The name of a scalar type in the names of benchmarks.
template <class T>
constexpr const char* type_name() {
  return std::is_same_v<T, float> ? "float" : "double";
}

}  // namespace bench
