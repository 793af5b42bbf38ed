// Types that the headers of the public C++ surface share.
#pragma once

#include <cstdint>

namespace kanml {

using index = std::int64_t;

inline constexpr int min_degree = 1;
inline constexpr int max_degree = 5;  // degrees min_degree..max_degree are compiled

inline constexpr int max_taylor_order = 4;

// The functions that the coefficients of a spline layer multiply.
enum class Basis {
  spline,  // B-splines
  relu,    // the powers max(x - t_j, 0)^degree; see relu_transform.hpp
};

// The rule of a spline layer for an input outside its domain [a, b].
enum class Extrapolation {
  linear,      // value and slope of the end continue (C1)
  polynomial,  // the polynomial piece of the end interval continues
  clamp,       // the end value continues
  error,       // evaluation throws OutsideDomain
};

// The function that an embedding layer applies to an input.
enum class Feature { identity, cosine, sine };

// The activation functions by name. point/activation.hpp defines each of them; if one is missing,
// the kernels do not compile.
#define KANML_FOR_EACH_ACTIVATION(f) f(sigmoid) f(tanh) f(relu) f(silu) f(sin)

#define KANML_ENUMERATOR(name) name,
#define KANML_ONE_MORE(name) +1
enum class ActivationKind { KANML_FOR_EACH_ACTIVATION(KANML_ENUMERATOR) };
inline constexpr int n_activations = 0 KANML_FOR_EACH_ACTIVATION(KANML_ONE_MORE);
#undef KANML_ENUMERATOR
#undef KANML_ONE_MORE

}  // namespace kanml
