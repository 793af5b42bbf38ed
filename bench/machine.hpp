// What this machine can do with the instruction set that the library uses: the marks that achieved
// rates are read against. One thread.
#pragma once

namespace bench {

struct Machine {
  double float_flops;   // operations a second, two for each multiply-add
  double double_flops;  //
  double l1_loads;      // bytes a second, from a buffer of 16 KiB
  double l2_loads;      // 256 KiB
  double memory_loads;  // 256 MiB
};

// Takes about a second. Throws std::runtime_error if a measuring loop gives a wrong result, or
// does not take longer for more work: then it was optimised away.
Machine measure_machine();

}  // namespace bench
