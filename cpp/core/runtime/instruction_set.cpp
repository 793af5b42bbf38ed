#include "kanml/instruction_set.hpp"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include <algorithm>
#include <cstdlib>
#include <stdexcept>
#include <string>

#include "core/runtime/active_kernels.hpp"

namespace kanml {

// What each set's own library defines.
#if defined(__x86_64__)
#define KANML_FOR_EACH_TARGET(f) f(v2) f(v3) f(v4)
#else
#define KANML_FOR_EACH_TARGET(f) f(portable)
#endif
#define KANML_DECLARE_TABLES(target)                    \
  namespace kernels::target {                           \
  template <class T>                                    \
  const Table<T>& table();                              \
  extern template const Table<float>& table<float>();   \
  extern template const Table<double>& table<double>(); \
  }
KANML_FOR_EACH_TARGET(KANML_DECLARE_TABLES)

namespace {

struct Target {
  const kernels::Table<float>& (*float_table)();
  const kernels::Table<double>& (*double_table)();
};

#define KANML_TABLES_OF(target) \
  Target{kernels::target::table<float>, kernels::target::table<double>},
constexpr Target targets[] = {KANML_FOR_EACH_TARGET(KANML_TABLES_OF)};

#if defined(__x86_64__)
constexpr std::string_view names[] = {"x86-64-v2", "x86-64-v3", "x86-64-v4"};

// The levels themselves, and these three features, have no names that GCC and Clang both know.
bool has_f16c_movbe_and_lzcnt() {
  constexpr unsigned first = bit_F16C | bit_MOVBE;
  unsigned eax = 0;
  unsigned ebx = 0;
  unsigned ecx = 0;
  unsigned edx = 0;
  if (__get_cpuid(1, &eax, &ebx, &ecx, &edx) == 0 || (ecx & first) != first) return false;
  return __get_cpuid(0x80000001, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_LZCNT) != 0;
}

// The compiler's own test of a feature includes that the system saves its registers.
std::size_t count_supported() {
  __builtin_cpu_init();
  const bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                  __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
                  has_f16c_movbe_and_lzcnt();
  if (!v3) return 1;  // v2 is required
  const bool v4 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                  __builtin_cpu_supports("avx512vl");
  return v4 ? 3 : 2;
}
#else
constexpr std::string_view names[] = {"portable"};

std::size_t count_supported() { return 1; }
#endif

std::size_t choose() {
  const auto supported = instruction_sets();
  const char* const wanted = std::getenv("KANML_INSTRUCTION_SET");
  if (wanted == nullptr || *wanted == '\0') return supported.size() - 1;
  const auto found = std::find(supported.begin(), supported.end(), wanted);
  if (found == supported.end()) {
    std::string message = "the environment variable KANML_INSTRUCTION_SET is \"";
    message += wanted;
    message += "\", expected one of";
    for (const auto name : supported) message.append(" \"").append(name).append("\"");
    throw std::invalid_argument(message);
  }
  return static_cast<std::size_t>(found - supported.begin());
}

std::size_t active() {
  static const std::size_t chosen = choose();
  return chosen;
}

}  // namespace

std::span<const std::string_view> instruction_sets() {
  static const std::size_t supported = count_supported();
  return {names, supported};
}

std::string_view instruction_set() { return names[active()]; }

template <>
const kernels::Table<float>& active_kernels<float>() {
  return targets[active()].float_table();
}
template <>
const kernels::Table<double>& active_kernels<double>() {
  return targets[active()].double_table();
}

}  // namespace kanml
