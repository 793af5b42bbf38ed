// Programs: functions of some numbers at one point, as lists of instructions.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "kanml/types.hpp"

namespace kanml {

// The operations by their names in NumPy, with their numbers of arguments. point/operations.hpp
// defines each of them; if one is missing, the kernels do not compile. A condition is a number, 1
// where it holds and 0 elsewhere.
#define KANML_FOR_EACH_OPERATION(f)                                                                \
  f(add, 2) f(subtract, 2) f(multiply, 2) f(divide, 2) f(power, 2) f(floor_divide, 2)              \
      f(remainder, 2) f(hypot, 2) f(arctan2, 2) f(heaviside, 2) f(logaddexp, 2) f(positive, 1)     \
          f(negative, 1) f(square, 1) f(sqrt, 1) f(cbrt, 1) f(reciprocal, 1) f(exp, 1) f(exp2, 1)  \
              f(expm1, 1) f(log, 1) f(log2, 1) f(log10, 1) f(log1p, 1) f(sin, 1) f(cos, 1)         \
                  f(tan, 1) f(arcsin, 1) f(arccos, 1) f(arctan, 1) f(sinh, 1) f(cosh, 1)           \
                      f(tanh, 1) f(arcsinh, 1) f(arccosh, 1) f(arctanh, 1) f(absolute, 1)          \
                          f(degrees, 1) f(radians, 1) f(sign, 1) f(floor, 1) f(ceil, 1) f(rint, 1) \
                              f(trunc, 1) f(maximum, 2) f(minimum, 2) f(fmax, 2) f(fmin, 2)        \
                                  f(equal, 2) f(not_equal, 2) f(less, 2) f(less_equal, 2)          \
                                      f(greater, 2) f(greater_equal, 2) f(isnan, 1) f(isinf, 1)    \
                                          f(isfinite, 1) f(signbit, 1) f(logical_and, 2)           \
                                              f(logical_or, 2) f(logical_xor, 2) f(logical_not, 1) \
                                                  f(where, 3)

#define KANML_ENUMERATOR(name, arity) name,
enum class Operation { KANML_FOR_EACH_OPERATION(KANML_ENUMERATOR) };
#undef KANML_ENUMERATOR

struct Instruction {
  Operation operation;
  std::int32_t result;                    // a register, also that of an argument
  std::array<std::int32_t, 3> arguments;  // registers; -1 beyond the operation's arguments
};

// Instructions on registers that hold one number a point. The first registers are the inputs, the
// next hold constants, and instructions write the others. A program is immutable.
class Program {
 public:
  // Throws std::invalid_argument if a register does not exist, is read before it is written, or an
  // instruction writes to an input or a constant.
  Program(int n_inputs, std::vector<double> constants, std::vector<Instruction> instructions,
          std::vector<std::int32_t> outputs);  // registers, also those of inputs and constants

  int n_inputs() const { return n_inputs_; }
  std::span<const double> constants() const { return constants_; }
  std::span<const Instruction> instructions() const { return instructions_; }
  std::span<const std::int32_t> outputs() const { return outputs_; }
  int n_registers() const { return n_registers_; }

  // The outputs at n points. T is float or double.
  template <class T>
  void run(index n,
           std::span<const std::span<const T>> inputs,  // (n_inputs): (n) each, or (1) for all
           std::span<const std::span<T>> outputs,       // (outputs): (n) each, out
           int threads = 0) const;

 private:
  int n_inputs_;
  std::vector<double> constants_;
  std::vector<Instruction> instructions_;
  std::vector<std::int32_t> outputs_;
  int n_registers_;
};

}  // namespace kanml
