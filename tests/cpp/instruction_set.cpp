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
  setenv("KANML_INSTRUCTION_SET", "x86-64-v9", 1);
  const auto baseline = instruction_sets().front();
  const auto list = "expected one of \"" + std::string(baseline) + "\"";
  CHECK_THROWS(instruction_set(), std::invalid_argument,
               "KANML_INSTRUCTION_SET is \"x86-64-v9\", which this build of kanml does not have");
  CHECK_THROWS(instruction_set(), std::invalid_argument, list);
  setenv("KANML_INSTRUCTION_SET", std::string(baseline).c_str(), 1);
  CHECK_EQUAL(instruction_set(), baseline);
  setenv("KANML_INSTRUCTION_SET", "x86-64-v9", 1);
  CHECK_EQUAL(instruction_set(), baseline);
}
