// What the processor can execute. CMake compiles and runs this too, to know the best instruction
// set of the machine that it configures on, so the file needs nothing else of kanml.
#pragma once

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace kanml {

// In ascending order: each includes those before it. The numbers are what CMake reads.
enum class InstructionSet { portable = 1, v2 = 2, v3 = 3, v4 = 4 };

#if defined(__x86_64__)
// The levels themselves, and these three features, have no names that GCC and Clang both know.
inline bool has_f16c_movbe_and_lzcnt() {
  constexpr unsigned first = bit_F16C | bit_MOVBE;
  unsigned eax = 0;
  unsigned ebx = 0;
  unsigned ecx = 0;
  unsigned edx = 0;
  if (__get_cpuid(1, &eax, &ebx, &ecx, &edx) == 0 || (ecx & first) != first) return false;
  return __get_cpuid(0x80000001, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_LZCNT) != 0;
}

// The compiler's own test of a feature includes that the system saves its registers.
inline InstructionSet best_of_processor() {
  __builtin_cpu_init();
  const bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                  __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
                  has_f16c_movbe_and_lzcnt();
  if (!v3) return InstructionSet::v2;  // v2 is required
  const bool v4 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                  __builtin_cpu_supports("avx512vl");
  return v4 ? InstructionSet::v4 : InstructionSet::v3;
}
#else
inline InstructionSet best_of_processor() { return InstructionSet::portable; }
#endif

}  // namespace kanml
