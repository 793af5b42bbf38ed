// The functions of simd/mathematics.hpp on arrays, with each instruction set, and their errors.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

#include "compiled_targets.hpp"
#include "core/runtime/processor.hpp"
#include "kanml/types.hpp"

namespace mathematics {

#define FOR_EACH_FUNCTION(f) f(exp) f(expm1) f(log) f(log1p) f(logistic) f(tanh) f(sin) f(cos)

// y_i = f(x_i); the number of arguments is a multiple of 16, the most lanes.
template <class T>
using OnArray = void (*)(kanml::index n, const T* x, T* y);

// Defined in mathematics_functions.cpp, once for each instruction set.
#define DECLARE_FUNCTION(name)                         \
  void name(kanml::index n, const float* x, float* y); \
  void name(kanml::index n, const double* x, double* y);
#define DECLARE_FUNCTIONS(target, name) \
  namespace target {                    \
  FOR_EACH_FUNCTION(DECLARE_FUNCTION)   \
  }
KANML_FOR_EACH_TARGET(DECLARE_FUNCTIONS)

// An oracle computes with more digits.
template <class T>
using Wide = std::conditional_t<std::is_same_v<T, float>, double, long double>;

template <class T>
struct Function {
  std::string name;
  Wide<T> (*exact)(Wide<T>);
  std::vector<OnArray<T>> apply;  // with each instruction set
};

// The instruction sets that this machine can execute.
inline std::vector<std::string> sets() {
  std::vector<std::string> names;
#define ADD_NAME(target, name) \
  if (kanml::InstructionSet::target <= kanml::best_of_processor()) names.push_back(name);
  KANML_FOR_EACH_TARGET(ADD_NAME)
  return names;
}

using std::cos, std::exp, std::expm1, std::log, std::log1p, std::sin, std::tanh;
template <class W>
W logistic(W x) {
  return 1 / (1 + std::exp(-x));
}

template <class T>
std::vector<Function<T>> functions() {
  std::vector<Function<T>> all;
#define ADD_FUNCTION(function) \
  all.emplace_back();          \
  all.back().name = #function; \
  all.back().exact = [](Wide<T> x) -> Wide<T> { return function(x); };
  FOR_EACH_FUNCTION(ADD_FUNCTION)
#define ADD_KERNEL(function) all[place++].apply.push_back(kernels::function);
#define ADD_KERNELS(target, name)                                    \
  if (kanml::InstructionSet::target <= kanml::best_of_processor()) { \
    namespace kernels = target;                                      \
    std::size_t place = 0;                                           \
    FOR_EACH_FUNCTION(ADD_KERNEL)                                    \
  }
  KANML_FOR_EACH_TARGET(ADD_KERNELS)
  return all;
}

// The error of y in units of the last place of T: 1/2 for the rounded result, infinity for a wrong
// special value.
template <class T>
double error(T y, Wide<T> exact) {
  using Limits = std::numeric_limits<T>;
  const double wrong = std::numeric_limits<double>::infinity();
  if (std::isnan(exact) || std::isnan(y)) return std::isnan(exact) && std::isnan(y) ? 0.0 : wrong;
  if (exact == 0 || std::isinf(exact)) {
    return y == exact && std::signbit(y) == std::signbit(exact) ? 0.0 : wrong;
  }
  if (y == static_cast<T>(exact) && y != 0) return 0.5;  // at most, and the rounded result
  const int exponent = std::max(std::ilogb(exact), Limits::min_exponent - 1);
  // Infinity is the rounded result of all numbers beyond the range.
  const Wide<T> beyond = std::ldexp(Wide<T>(1), Limits::max_exponent);
  const auto within = [&](Wide<T> a) { return std::fmin(std::fmax(a, -beyond), beyond); };
  const Wide<T> difference = within(static_cast<Wide<T>>(y)) - within(exact);
  return static_cast<double>(std::fabs(std::ldexp(difference, Limits::digits - 1 - exponent)));
}

// The greatest error, and where it is.
template <class T>
struct Worst {
  double error = 0.0;
  T x = 0;

  void include(const Worst& other) {
    if (other.error > error) *this = other;
  }
};

// The worst of each instruction set; x holds a multiple of 16 arguments.
template <class T>
void find_worst(const Function<T>& function, const std::vector<T>& x,
                std::vector<Worst<T>>& worst) {
  std::vector<Wide<T>> exact(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    exact[i] = function.exact(static_cast<Wide<T>>(x[i]));
  }
  std::vector<T> y(x.size());
  for (std::size_t set = 0; set < worst.size(); ++set) {
    function.apply[set](static_cast<kanml::index>(x.size()), x.data(), y.data());
    for (std::size_t i = 0; i < x.size(); ++i) {
      worst[set].include({error(y[i], exact[i]), x[i]});
    }
  }
}

}  // namespace mathematics
