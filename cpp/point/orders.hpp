// Taylor orders as constants.
#pragma once

#include <type_traits>

#include "point/device.hpp"
#include "point/target.hpp"

namespace kanml::point::inline KANML_TARGET {

// Calls f(integral constant) for an order of 1 .. Highest, so that loops over orders unroll.
template <int Highest, class F>
[[gnu::always_inline]] KANML_DEVICE inline void for_order(int order, const F& f) {
  if constexpr (Highest >= 1) {
    if (order == Highest) {
      f(std::integral_constant<int, Highest>{});
    } else {
      for_order<Highest - 1>(order, f);
    }
  }
}

}  // namespace kanml::point::inline KANML_TARGET
