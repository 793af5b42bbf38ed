// The interpreter of block programs against that of processors.
#include <cmath>
#include <limits>
#include <span>
#include <vector>

#include "block/block.hpp"
#include "block/program.hpp"
#include "check.hpp"
#include "inputs.hpp"
#include "kanml/program.hpp"

using kanml::index;
namespace block = kanml::block;

namespace {

struct Named {
  kanml::Operation operation;
  const char* name;
  int arity;
};
#define KANML_NAMED(name, arity) Named{kanml::Operation::name, #name, arity},
constexpr Named operations[] = {KANML_FOR_EACH_OPERATION(KANML_NAMED)};
#undef KANML_NAMED

template <class T>
std::vector<T> special_numbers() {
  using Limits = std::numeric_limits<T>;
  return {T(0),
          T(-0.0),
          T(1),
          T(-1),
          T(0.5),
          T(-2.5),
          T(3),
          Limits::min(),
          Limits::max(),
          Limits::denorm_min(),
          T(1e-3),
          T(700),
          -Limits::max(),
          Limits::infinity(),
          -Limits::infinity(),
          Limits::quiet_NaN()};
}

// All pairs of special numbers, and random ones; the third argument is a condition.
template <class T>
std::vector<std::vector<T>> arguments() {
  std::vector<std::vector<T>> columns(3);
  const auto special = special_numbers<T>();
  for (const T a : special) {
    for (const T b : special) {
      columns[0].push_back(a);
      columns[1].push_back(b);
    }
  }
  for (int i = 0; i < 2; ++i) {
    const auto numbers = inputs::random<T>(500, -3.0, 3.0);
    columns[static_cast<std::size_t>(i)].insert(columns[static_cast<std::size_t>(i)].end(),
                                                numbers.begin(), numbers.end());
  }
  columns[2] = columns[0];
  std::ranges::reverse(columns[2]);
  return columns;
}

// Whether numbers agree up to a few units in the last place, or are equal infinities, NaNs, or
// zeros.
template <class T>
bool agree(T found, T expected) {
  if (found != found || expected != expected) return found != found && expected != expected;
  if (found == expected) return std::signbit(found) == std::signbit(expected);
  const T tolerance = 4 * std::numeric_limits<T>::epsilon() * std::fabs(expected);
  return std::fabs(found - expected) <= std::fmax(tolerance, std::numeric_limits<T>::min());
}

template <class T>
void compare_operations(bool checked) {
  const auto columns = arguments<T>();
  const auto n = static_cast<index>(columns[0].size());
  for (const Named& named : operations) {
    const kanml::Program program(
        named.arity, {},
        {{named.operation, named.arity, {0, named.arity > 1 ? 1 : -1, named.arity > 2 ? 2 : -1}}},
        {named.arity});
    std::vector<T> expected(columns[0].size());
    std::vector<std::span<const T>> inputs;
    std::vector<const T*> pointers;
    for (int i = 0; i < named.arity; ++i) {
      inputs.emplace_back(columns[static_cast<std::size_t>(i)]);
      pointers.push_back(columns[static_cast<std::size_t>(i)].data());
    }
    const std::span<T> to = expected;
    program.run<T>(n, inputs, {&to, 1});

    std::vector<T> found(expected.size());
    T* const result = found.data();
    const block::RunProgram<T> run{.program = {program.instructions().data(), 1, nullptr, 0,
                                               named.arity, program.outputs().data()},
                                   .n_outputs = 1,
                                   .n_registers = program.n_registers(),
                                   .n = n,
                                   .inputs = pointers.data(),
                                   .results = &result,
                                   .team = {32, 1},
                                   .blocks = 3};
    checked ? block::run_on_host<true>(run) : block::run_on_host<false>(run);
    for (std::size_t i = 0; i < found.size(); ++i) {
      if (agree(found[i], expected[i])) continue;
      check::fail(__FILE__, __LINE__, named.name, "(", columns[0][i], ", ", columns[1][i], ", ",
                  columns[2][i], ") is ", found[i], ", expected ", expected[i]);
    }
  }
}

}  // namespace

TEST(operations_of_blocks_are_those_of_processors) {
  compare_operations<double>(true);
  compare_operations<float>(false);
}
