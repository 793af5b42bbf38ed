// The choice is made once in the life of a process: the refusals have to come first.
#include "kanml/instruction_set.hpp"

#include <cstdlib>
#include <stdexcept>
#include <string>

#include "check.hpp"
#include "compiled_targets.hpp"
#include "core/runtime/processor.hpp"

using kanml::instruction_set;
using kanml::instruction_sets;

namespace {

void set_variable(const std::string& value) {
#if defined(_WIN32)
  _putenv_s("KANML_INSTRUCTION_SET", value.c_str());
#else
  setenv("KANML_INSTRUCTION_SET", value.c_str(), 1);
#endif
}

}  // namespace

#if defined(__x86_64__) && defined(__linux__)
// The compiler's own test of a feature includes that the system saves its registers.
TEST(the_processor_has_what_the_compiler_finds) {
  __builtin_cpu_init();
  const bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                  __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
  const bool v4 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                  __builtin_cpu_supports("avx512vl");
  const auto best = kanml::best_of_processor();
  CHECK_EQUAL(best >= kanml::InstructionSet::v3, v3);  // no processor has these but not the others
  CHECK_EQUAL(best == kanml::InstructionSet::v4, v3 && v4);
}
#endif

#if defined(__x86_64__)
TEST(a_set_needs_all_its_features_and_a_system_that_saves_its_registers) {
  using kanml::InstructionSet;
  constexpr unsigned avx = 0x06;
  constexpr unsigned avx512 = 0xe6;
  const kanml::ProcessorFeatures everything{~0u, ~0u, ~0u, avx512};
  CHECK(best_of(everything) == InstructionSet::v4);
  auto some = everything;
  for (const unsigned feature :
       {unsigned{bit_AVX}, unsigned{bit_FMA}, unsigned{bit_F16C}, unsigned{bit_MOVBE}}) {
    some.leaf_1 = ~feature;
    CHECK(best_of(some) == InstructionSet::v2);
  }
  some = everything;
  for (const unsigned feature : {unsigned{bit_AVX2}, unsigned{bit_BMI}, unsigned{bit_BMI2}}) {
    some.leaf_7 = ~feature;
    CHECK(best_of(some) == InstructionSet::v2);
  }
  for (const unsigned feature : {unsigned{bit_AVX512F}, unsigned{bit_AVX512BW},
                                 unsigned{bit_AVX512CD}, unsigned{bit_AVX512DQ}, 1u << 31}) {
    some.leaf_7 = ~feature;
    CHECK(best_of(some) == InstructionSet::v3);
  }
  some = everything;
  some.extended = ~unsigned{bit_LZCNT};
  CHECK(best_of(some) == InstructionSet::v2);
  some = everything;
  for (const unsigned saved : {0x00u, 0x02u, 0x04u}) {
    some.saved_registers = saved;
    CHECK(best_of(some) == InstructionSet::v2);
  }
#if !defined(__APPLE__)
  for (const unsigned saved : {avx, avx | 0x20, avx | 0xc0}) {
    some.saved_registers = saved;
    CHECK(best_of(some) == InstructionSet::v3);
  }
#endif
}
#endif

TEST(the_supported_sets_are_those_compiled_up_to_the_best_of_the_processor) {
  std::string expected;
#define APPEND_IF_SUPPORTED(target, name) \
  if (kanml::InstructionSet::target <= kanml::best_of_processor()) expected += name " ";
  KANML_FOR_EACH_TARGET(APPEND_IF_SUPPORTED)
  std::string found;
  for (const auto name : instruction_sets()) found.append(name).append(" ");
  CHECK_EQUAL(found, expected);
  CHECK(!found.empty());
}

TEST(a_set_that_is_not_there_is_refused_by_name_until_one_is_named_that_is) {
  set_variable("x86-64-v9");
  const auto baseline = instruction_sets().front();
  const auto list = "expected one of \"" + std::string(baseline) + "\"";
  CHECK_THROWS(instruction_set(), std::invalid_argument,
               "KANML_INSTRUCTION_SET is \"x86-64-v9\", which this build of kanml does not have");
  CHECK_THROWS(instruction_set(), std::invalid_argument, list);
  set_variable(std::string(baseline));
  CHECK_EQUAL(instruction_set(), baseline);
  set_variable("x86-64-v9");
  CHECK_EQUAL(instruction_set(), baseline);
}
