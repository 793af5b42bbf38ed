// DLPack, the protocol by which libraries hand arrays to each other without a copy: its structures
// as version 0.8 has them, https://dmlc.github.io/dlpack/latest/c_api.html.
#pragma once

#include <cstdint>

namespace kanml::bindings::dlpack {

inline constexpr const char* capsule_name = "dltensor";
inline constexpr const char* used_name = "used_dltensor";

enum DeviceType : std::int32_t { processor = 1, cuda = 2 };
enum TypeCode : std::uint8_t { signed_integer = 0, floating = 2 };

struct Device {
  std::int32_t type;
  std::int32_t number;
};
struct Type {
  std::uint8_t code;
  std::uint8_t bits;
  std::uint16_t lanes;
};
struct Tensor {
  void* data;
  Device device;
  std::int32_t n_dimensions;
  Type type;
  std::int64_t* shape;
  std::int64_t* strides;  // in entries; null: C order
  std::uint64_t byte_offset;
};
struct ManagedTensor {
  Tensor tensor;
  void* context;
  void (*deleter)(ManagedTensor*);
};

}  // namespace kanml::bindings::dlpack
