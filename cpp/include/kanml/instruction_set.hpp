// Which processor instructions the kernels use. One binary has the kernels for several sets.
#pragma once

#include <span>
#include <string_view>

namespace kanml {

// The sets that were compiled and that this processor has, the best one last: on x86-64
// "x86-64-v2", and "x86-64-v3" (AVX2 and FMA) and "x86-64-v4" (AVX-512) if they are there;
// otherwise "portable", the compiler's default.
std::span<const std::string_view> instruction_sets();

// The set in use, for the life of the process: what the environment variable
// KANML_INSTRUCTION_SET says, else the best one. Results differ between sets by rounding.
// Throws std::invalid_argument if the variable names none of instruction_sets().
std::string_view instruction_set();

}  // namespace kanml
