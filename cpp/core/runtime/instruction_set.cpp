#include "kanml/instruction_set.hpp"

#include <algorithm>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

#include "compiled_targets.hpp"
#include "core/runtime/active_kernels.hpp"
#include "core/runtime/processor.hpp"

namespace kanml {

// The tables that the library of each set defines.
#define KANML_DECLARE_TABLES(target, name)              \
  namespace kernels::target {                           \
  template <class T>                                    \
  const Table<T>& table();                              \
  extern template const Table<float>& table<float>();   \
  extern template const Table<double>& table<double>(); \
  const MatrixKernels& matrices();                      \
  }
KANML_FOR_EACH_TARGET(KANML_DECLARE_TABLES)

namespace {

struct Target {
  InstructionSet set;
  std::string_view name;
  const kernels::Table<float>& (*float_table)();
  const kernels::Table<double>& (*double_table)();
  const kernels::MatrixKernels& (*matrices)();
};

#define KANML_TARGET_OF(target, name)                                 \
  Target{InstructionSet::target, name, kernels::target::table<float>, \
         kernels::target::table<double>, kernels::target::matrices},
constexpr Target targets[] = {KANML_FOR_EACH_TARGET(KANML_TARGET_OF)};

// Never empty: the baseline is always compiled, and required.
std::vector<std::string_view> supported_names() {
  const InstructionSet best = best_of_processor();
  std::vector<std::string_view> names;
  for (const Target& target : targets) {
    if (target.set <= best) names.push_back(target.name);
  }
  return names;
}

std::string refusal(std::string_view wanted) {
  const bool compiled = std::any_of(std::begin(targets), std::end(targets),
                                    [&](const Target& target) { return target.name == wanted; });
  std::string message = "the environment variable KANML_INSTRUCTION_SET is \"";
  message.append(wanted).append("\", which this ");
  message += compiled ? "processor does not have" : "build of kanml does not have";
  message += ", expected one of";
  for (const auto name : instruction_sets()) message.append(" \"").append(name).append("\"");
  return message;
}

std::size_t choose() {
  const auto supported = instruction_sets();
  const char* const wanted = std::getenv("KANML_INSTRUCTION_SET");
  if (wanted == nullptr || *wanted == '\0') return supported.size() - 1;
  const auto found = std::find(supported.begin(), supported.end(), wanted);
  if (found == supported.end()) throw std::invalid_argument(refusal(wanted));
  return static_cast<std::size_t>(found - supported.begin());
}

std::size_t active() {
  static const std::size_t chosen = choose();
  return chosen;
}

}  // namespace

std::span<const std::string_view> instruction_sets() {
  static const std::vector<std::string_view> supported = supported_names();
  return supported;
}

std::string_view instruction_set() { return targets[active()].name; }

template <>
const kernels::Table<float>& active_kernels<float>() {
  return targets[active()].float_table();
}
template <>
const kernels::Table<double>& active_kernels<double>() {
  return targets[active()].double_table();
}
const kernels::MatrixKernels& active_matrix_kernels() { return targets[active()].matrices(); }

}  // namespace kanml
