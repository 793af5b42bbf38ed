// Features of a single input at one point: value and derivatives 0..Top.
#pragma once

#include "kanml/types.hpp"
#include "point/device.hpp"
#include "point/target.hpp"

namespace kanml::point::inline KANML_TARGET {

// A Number is a T, or a vector of them; `Functions` has sine_and_cosine, as for activations.
template <class Functions, class T, int Top, class Number>
[[gnu::always_inline]] KANML_DEVICE inline void feature_derivatives(Feature kind, T frequency,
                                                                    Number x,
                                                                    Number (&f)[Top + 1]) {
  if (kind == Feature::identity) {
    f[0] = x;
    for (int m = 1; m <= Top; ++m) f[m] = Number{} + (m == 1 ? T(1) : T(0));
    return;
  }
  // The derivatives repeat in a cycle: sin, cos, -sin, -cos.
  const auto [sine, cosine] = Functions::sine_and_cosine(frequency * x);
  const bool is_sine = kind == Feature::sine;
  const Number even = is_sine ? sine : cosine;
  const Number odd = is_sine ? cosine : -sine;
  T power = T(1);
  for (int m = 0; m <= Top; ++m) {
    const Number of_cycle = m % 2 == 0 ? even : odd;
    f[m] = power * (m % 4 < 2 ? of_cycle : -of_cycle);
    power *= frequency;
  }
}

}  // namespace kanml::point::inline KANML_TARGET
