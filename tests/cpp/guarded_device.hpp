// The host as a device whose memory, as on a GPU, the process itself cannot read or write: only
// programs and copies open it. Shared memory is watched over.
#pragma once

#include <map>
#include <mutex>

#include "core/block/host_device.hpp"
#if __has_include(<sys/mman.h>)
#include <sys/mman.h>
#endif

class GuardedDevice final : public kanml::HostDevice<true> {
 public:
  using HostDevice::HostDevice;
#if __has_include(<sys/mman.h>)
  void* allocate(std::size_t bytes) override {
    const std::lock_guard lock(mutex_);
    const std::size_t size = bytes + 1;
    void* const memory =
        mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw kanml::OutOfDeviceMemory("no memory");
    std::fill_n(static_cast<std::byte*>(memory), bytes, std::byte{0xff});
    sizes_[memory] = size;
    protect(memory, size, PROT_NONE);
    return memory;
  }
  void release(void* memory) noexcept override {
    const std::lock_guard lock(mutex_);
    munmap(memory, sizes_.extract(memory).mapped());
  }
  void upload(const void* from, void* to, std::size_t bytes) override {
    const Open open(*this);
    HostDevice::upload(from, to, bytes);
  }
  void download(const void* from, void* to, std::size_t bytes) override {
    const Open open(*this);
    HostDevice::download(from, to, bytes);
  }
  void copy(const void* from, void* to, std::size_t bytes) override {
    const Open open(*this);
    HostDevice::copy(from, to, bytes);
  }
  template <class Program>
  void launch(const Program& program) {
    const Open open(*this);
    HostDevice::launch(program);
  }

 private:
  static void protect(void* memory, std::size_t size, int protection) {
    if (mprotect(memory, size, protection) != 0) throw std::runtime_error("mprotect failed");
  }

  // All memory is open as long as it exists.
  struct Open {
    explicit Open(GuardedDevice& of) : device(of), lock(of.mutex_) {
      for (const auto& [memory, size] : of.sizes_) protect(memory, size, PROT_READ | PROT_WRITE);
    }
    ~Open() {
      for (const auto& [memory, size] : device.sizes_) mprotect(memory, size, PROT_NONE);
    }
    Open(const Open&) = delete;
    Open& operator=(const Open&) = delete;

    GuardedDevice& device;
    std::lock_guard<std::mutex> lock;
  };

  std::mutex mutex_;
  std::map<void*, std::size_t> sizes_;
#endif
};
