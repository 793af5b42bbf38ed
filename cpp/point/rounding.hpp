// Control over fused multiply-adds.
#pragma once

#include "point/device.hpp"
#include "point/target.hpp"

namespace kanml::point::inline KANML_TARGET {

// A product by itself, not part of a fused multiply-add. Otherwise the compiler would choose which
// of two products to fuse, and values would depend on the derivatives requested with them. GCC's
// own barrier splits vectors.
template <class Number>
[[gnu::always_inline]] KANML_DEVICE inline Number rounded(Number product) {
#if defined(__CUDA_ARCH__)
  // On GPUs values may depend on the derivatives that are requested with them.
#elif defined(__x86_64__)
#if defined(__FMA__)
  asm("" : "+v"(product));
#endif
#elif defined(__aarch64__)
  constexpr int register_bytes = 16;
  if constexpr (sizeof(Number) <= register_bytes) {
    asm("" : "+w"(product));
  } else {
    typedef double Part __attribute__((vector_size(register_bytes)));
    Part parts[sizeof(Number) / register_bytes];
    __builtin_memcpy(parts, &product, sizeof product);
    for (Part& part : parts) asm("" : "+w"(part));
    __builtin_memcpy(&product, parts, sizeof product);
  }
#elif defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 12
  product = __builtin_assoc_barrier(product);
#endif
  return product;
}

}  // namespace kanml::point::inline KANML_TARGET
