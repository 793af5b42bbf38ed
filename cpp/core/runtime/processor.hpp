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
// The compilers' own tests of features are not in every runtime library, so the processor is asked:
// ecx of leaf 1, ebx of leaf 7, ecx of leaf 0x80000001, and which registers the system saves when
// it switches between threads (XCR0).
struct ProcessorFeatures {
  unsigned leaf_1 = 0;
  unsigned leaf_7 = 0;
  unsigned extended = 0;
  unsigned saved_registers = 0;
};

inline ProcessorFeatures features_of_processor() {
  ProcessorFeatures features;
  unsigned eax = 0;
  unsigned ebx = 0;
  unsigned ecx = 0;
  unsigned edx = 0;
  if (__get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0) features.leaf_1 = ecx;
  if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) != 0) features.leaf_7 = ebx;
  if (__get_cpuid(0x80000001, &eax, &ebx, &ecx, &edx) != 0) features.extended = ecx;
  if ((features.leaf_1 & bit_OSXSAVE) != 0) {
    asm volatile("xgetbv" : "=a"(features.saved_registers), "=d"(edx) : "c"(0));
  }
  return features;
}

constexpr InstructionSet best_of(const ProcessorFeatures& has) {
  constexpr auto all = [](unsigned present, unsigned wanted) {
    return (present & wanted) == wanted;
  };
  constexpr unsigned sse_and_avx = 0x06;
  const bool v3 = all(has.saved_registers, sse_and_avx) &&
                  all(has.leaf_1, bit_AVX | bit_FMA | bit_F16C | bit_MOVBE) &&
                  all(has.leaf_7, bit_AVX2 | bit_BMI | bit_BMI2) && all(has.extended, bit_LZCNT);
  if (!v3) return InstructionSet::v2;  // v2 is required
#if defined(__APPLE__)
  constexpr unsigned avx512 = 0;  // macOS begins to save these at their first use
#else
  constexpr unsigned avx512 = 0xe0;
#endif
  const bool v4 =
      all(has.saved_registers, avx512) &&
      all(has.leaf_7, bit_AVX512F | bit_AVX512BW | bit_AVX512CD | bit_AVX512DQ | bit_AVX512VL);
  return v4 ? InstructionSet::v4 : InstructionSet::v3;
}

inline InstructionSet best_of_processor() { return best_of(features_of_processor()); }
#else
inline InstructionSet best_of_processor() { return InstructionSet::portable; }
#endif

}  // namespace kanml
