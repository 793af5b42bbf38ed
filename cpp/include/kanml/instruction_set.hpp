// Which processor instructions the kernels use. All sets are in one binary.
#pragma once

#include <span>
#include <string_view>

namespace kanml {

// The sets that this processor has, the best one last: some of "x86-64-v2", "x86-64-v3" (AVX2 and
// FMA) and "x86-64-v4" (AVX-512) on x86-64, otherwise "portable", the compiler's default.
std::span<const std::string_view> instruction_sets();

// The set in use, for the life of the process: what the environment variable
// KANML_INSTRUCTION_SET says, else the best one. Results differ between sets by rounding.
// Throws std::invalid_argument if the variable names a set that this processor does not have.
std::string_view instruction_set();

}  // namespace kanml
