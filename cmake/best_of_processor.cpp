// Run by KanmlKernels.cmake; the exit status is the instruction set.
#include "core/runtime/processor.hpp"

int main() { return static_cast<int>(kanml::best_of_processor()); }
