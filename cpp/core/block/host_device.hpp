// The host as a device: it runs block programs in loops, in memory of its own.
#pragma once

#include <algorithm>
#include <cstddef>
#include <new>

#include "block/block.hpp"
#include "block/tile.hpp"
#include "core/block/host_triangle.hpp"
#include "kanml/device.hpp"

namespace kanml {

// How a device cuts work. Sums depend on the team and on the number of slots, but not on that of
// blocks.
struct BlockLimits {
  block::Team team;          // at most; see block/tile.hpp
  int blocks;                // that are launched together
  index slots;               // at most; see block/gradient.hpp
  std::size_t shared_bytes;  // of a block
};

// If `Checked`, shared memory is watched over.
template <bool Checked>
class HostDevice : public Device {
 public:
  template <class T>
  using Triangle = HostTriangle<T>;

  explicit HostDevice(const BlockLimits& limits) : limits_(limits) {}

  std::string name() const override { return "block-host"; }
  int gpu() const override { return -1; }
  std::size_t free_bytes() const override { return static_cast<std::size_t>(-1); }
  const BlockLimits& limits() const { return limits_; }

  void* allocate(std::size_t bytes) override {
    void* const memory = ::operator new(bytes, std::align_val_t{16});
    std::fill_n(static_cast<std::byte*>(memory), bytes, std::byte{0xff});  // NaN, until written
    return memory;
  }
  void release(void* memory) noexcept override { ::operator delete(memory, std::align_val_t{16}); }
  void upload(const void* from, void* to, std::size_t bytes) override { move(from, to, bytes); }
  void download(const void* from, void* to, std::size_t bytes) override { move(from, to, bytes); }
  void copy(const void* from, void* to, std::size_t bytes) override { move(from, to, bytes); }

  void wait() override {}

  template <class Program>
  void launch(const Program& program) const {
    block::run_on_host<Checked>(program);
  }

 private:
  static void move(const void* from, void* to, std::size_t bytes) {
    std::copy_n(static_cast<const std::byte*>(from), bytes, static_cast<std::byte*>(to));
  }

  BlockLimits limits_;
};

}  // namespace kanml
