// Compiled once for each instruction set.
#include "simd/mathematics.hpp"

#include "mathematics.hpp"

namespace mathematics::KANML_TARGET {

template <class T, class F>
[[gnu::always_inline]] inline void apply(kanml::index n, const T* x, T* y, F f) {
  using kanml::kernels::full_lanes;
  for (kanml::index i = 0; i < n; i += full_lanes<T>) {
    const kanml::kernels::FullVector<T> values = kanml::kernels::load<full_lanes<T>>(x + i);
    kanml::kernels::store<full_lanes<T>>(y + i, f(values));
  }
}

#define DEFINE(name, T)                                                                            \
  void name(kanml::index n, const T* x, T* y) {                                                    \
    apply(n, x, y, [](auto v) __attribute__((always_inline)) { return kanml::kernels::name(v); }); \
  }
#define DEFINE_BOTH(name) DEFINE(name, float) DEFINE(name, double)
FOR_EACH_FUNCTION(DEFINE_BOTH)

}  // namespace mathematics::KANML_TARGET
