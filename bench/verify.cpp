#include "verify.hpp"

#include <cstdio>

namespace bench {

int& failures() {
  static int count = 0;
  return count;
}

void Check::close(const std::string& what, double actual, double expected, double scale,
                  double tolerance) {
  if (!failure_.empty()) return;
  if (std::fabs(actual - expected) <= tolerance * scale) return;
  char numbers[128];
  std::snprintf(numbers, sizeof numbers, ": %.12g instead of %.12g, scale %.3g", actual, expected,
                scale);
  failure_ = "wrong " + what + numbers;
}

void finish(benchmark::State& state, const Check& check) {
  if (check.failure().empty()) return;
  ++failures();
  state.SkipWithError(check.failure().c_str());
}

}  // namespace bench
