// The errors for all numbers of type float, or for every STEP-th of them: a table in units of the
// last place. Fails if one is greater than 1.
//
//   exhaustive_mathematics [STEP]
#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "mathematics.hpp"

using namespace mathematics;

namespace {

using AllWorst = std::vector<Worst<float>>;  // one for each instruction set

AllWorst worst_of_all(const Function<float>& function, std::uint64_t step) {
  constexpr std::uint64_t block = 1 << 12;
  constexpr std::uint64_t last = 0xFFFFFFFF;
  AllWorst worst(function.apply.size());
#pragma omp parallel
  {
    AllWorst own(worst.size());
    std::vector<float> x(block);
#pragma omp for schedule(dynamic, 16)
    for (std::uint64_t first = 0; first <= last; first += block * step) {
      for (std::uint64_t i = 0; i < block; ++i) {
        const auto bits = static_cast<std::uint32_t>(std::min(first + i * step, last));
        x[i] = std::bit_cast<float>(bits);
      }
      find_worst(function, x, own);
    }
#pragma omp critical
    for (std::size_t set = 0; set < worst.size(); ++set) worst[set].include(own[set]);
  }
  return worst;
}

}  // namespace

int main(int n_arguments, char** arguments) {
  const auto step = n_arguments > 1 ? std::strtoull(arguments[1], nullptr, 10) : 1;
  const auto names = sets();
  bool passed = true;
  for (const auto& function : functions<float>()) {
    const AllWorst worst = worst_of_all(function, step);
    for (std::size_t set = 0; set < names.size(); ++set) {
      const auto [error, x] = worst[set];
      std::printf("%-10s %-10s %.3f at %.9g\n", function.name.c_str(), names[set].c_str(), error,
                  static_cast<double>(x));
      passed = passed && error <= 1.0;
    }
    std::fflush(stdout);
  }
  return passed ? 0 : 1;
}
