// The memory that a job has on a device: small arrays that are sent there together, in one copy,
// and arrays that it fills.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "kanml/device.hpp"

namespace kanml {

// A job is built twice: first without memory, to find how much it takes. Then all addresses are
// null.
class Package {
 public:
  Package() = default;
  Package(std::byte* memory, const Package& measured)
      : memory_(memory), contents_(measured.sent_), first_reserved_(measured.sent_) {}

  // Returns the addresses that arrays have on the device.

  template <class U>
  const U* send(std::span<const U> items) {
    const std::size_t at = place(sent_, items.size_bytes());
    if (memory_ == nullptr) return nullptr;
    std::ranges::copy(std::as_bytes(items), contents_.begin() + static_cast<std::ptrdiff_t>(at));
    return reinterpret_cast<const U*>(memory_ + at);
  }
  template <class U>
  const U* send(const std::vector<U>& items) {
    return send(std::span<const U>(items));
  }
  template <class U>
  U* reserve(index count) {
    const std::size_t at = place(reserved_, static_cast<std::size_t>(count) * sizeof(U));
    if (memory_ == nullptr) return nullptr;
    return reinterpret_cast<U*>(memory_ + first_reserved_ + at);
  }

  std::size_t bytes() const { return sent_ + reserved_; }
  std::span<const std::byte> contents() const { return contents_; }

 private:
  static std::size_t place(std::size_t& next, std::size_t bytes) {
    return std::exchange(next, next + (bytes + 15) / 16 * 16);
  }

  std::byte* memory_ = nullptr;
  std::vector<std::byte> contents_;
  std::size_t first_reserved_ = 0;
  std::size_t sent_ = 0;
  std::size_t reserved_ = 0;
};

template <class Job>
struct Packed {
  DeviceArray<std::byte> memory;
  Job job;
};

// What build(package) returns, with its memory; `measured` has built it before.
template <class Build>
auto packed(std::shared_ptr<Device> device, const Package& measured, const Build& build) {
  DeviceArray<std::byte> memory(std::move(device), static_cast<index>(measured.bytes()));
  Package package(memory.data(), measured);
  auto job = build(package);
  memory.device()->upload(package.contents().data(), memory.data(), package.contents().size());
  return Packed<decltype(job)>{std::move(memory), std::move(job)};
}
template <class Build>
auto packed(std::shared_ptr<Device> device, const Build& build) {
  Package measured;
  build(measured);
  return packed(std::move(device), measured, build);
}

}  // namespace kanml
