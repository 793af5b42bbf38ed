#include "kanml/program.hpp"

#include <span>
#include <stdexcept>
#include <vector>

#include "check.hpp"
#include "core/cpu/registers.hpp"
#include "core/runtime/active_kernels.hpp"
#include "kanml/buffer.hpp"

using kanml::index;
using kanml::Instruction;
using kanml::Operation;
using kanml::Program;

namespace {

// (a - b) * 3 and the input b; the difference and the product share a register.
Program example() {
  return Program(2, {3.0},
                 {{Operation::subtract, 3, {0, 1, -1}}, {Operation::multiply, 3, {3, 2, -1}}},
                 {3, 1});
}

template <class T>
void run_example(index n, int threads) {
  std::vector<T> a;
  for (index i = 0; i < n; ++i) a.push_back(static_cast<T>(i % 100));
  const std::vector<T> b{T(0.5)};
  std::vector<T> result(static_cast<std::size_t>(n) + 1, T(-1));
  std::vector<T> same(static_cast<std::size_t>(n));
  const std::span<const T> inputs[] = {a, b};
  const std::span<T> outputs[] = {std::span(result).first(static_cast<std::size_t>(n)), same};
  example().run<T>(n, inputs, outputs, threads);
  for (index i = 0; i < n; ++i) {
    const auto place = static_cast<std::size_t>(i);
    CHECK_EQUAL(result[place], (static_cast<T>(i % 100) - T(0.5)) * 3);
    CHECK_EQUAL(same[place], T(0.5));
  }
  CHECK_EQUAL(result.back(), T(-1));
}

}  // namespace

TEST(program_on_arrays) {
  for (const index n : {0, 1, 63, 64, 65, 50'000}) {
    for (const int threads : {1, 2, 3}) {
      run_example<float>(n, threads);
      run_example<double>(n, threads);
    }
  }
}

TEST(registers_of_a_tile) {
  const Program program = example();
  CHECK_EQUAL(program.n_registers(), 4);
  const kanml::Buffer memory(kanml::Registers<double>::bytes(program));
  kanml::Registers<double> registers(program, memory.data());
  const std::vector<double> a(kanml::kernels::tile_size, 2.0);
  const auto& kernels = kanml::active_kernels<double>();
  registers.set(0, a.data(), kanml::kernels::tile_size);  // where it lies
  CHECK_EQUAL(registers[0], a.data());
  registers.fill(1, 1.0);
  registers.run(kernels, kanml::kernels::tile_size);
  CHECK_EQUAL(registers[3][63], 3.0);

  const double few[] = {5.0, 6.0};  // in a copy, since full vectors are read
  registers.set(0, few, 2);
  CHECK_EQUAL(registers[0], registers.own(0));
  registers.run(kernels, 2);
  CHECK_EQUAL(registers[3][0], 12.0);
  CHECK_EQUAL(registers[3][1], 15.0);
}

TEST(malformed_programs) {
  const auto program = [](Instruction instruction) { return Program(1, {}, {instruction}, {0}); };
  CHECK_THROWS(program({Operation::sin, 1, {1, -1, -1}}), std::invalid_argument,
               "instruction 0 reads register 1 before it is written");
  CHECK_THROWS(program({Operation::sin, 0, {0, -1, -1}}), std::invalid_argument,
               "writes to register 0");
  CHECK_THROWS(program({Operation::sin, 1, {0, 0, -1}}), std::invalid_argument,
               "takes 1 arguments, got register 0 as another");
  CHECK_THROWS(program({Operation::add, 1, {0, -1, -1}}), std::invalid_argument, "register -1");
  CHECK_THROWS(program({static_cast<Operation>(1000), 1, {0, 0, -1}}), std::invalid_argument,
               "no operation of number 1000");
  CHECK_THROWS(Program(0, {}, {}, {0}), std::invalid_argument, "output 0 reads register 0");
}
