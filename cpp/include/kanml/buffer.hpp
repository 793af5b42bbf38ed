// Memory for one evaluation, which later evaluations reuse.
#pragma once

#include <cstddef>

namespace kanml {

// Uninitialised memory, aligned to a cache line. Freed memory is kept for later buffers, up to
// 32 MiB in the process: getting fresh pages from the system takes as long as computing on them.
class Buffer {
 public:
  explicit Buffer(std::size_t bytes);
  ~Buffer();
  Buffer(Buffer&& other) noexcept;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  Buffer& operator=(Buffer&&) = delete;

  void* data() const { return data_; }

 private:
  std::size_t bytes_;
  void* data_;
};

// One buffer for each thread, all in one allocation.
class ThreadBuffer {
 public:
  ThreadBuffer(int threads, std::size_t bytes)
      : stride_((bytes + 63) / 64 * 64), storage_(static_cast<std::size_t>(threads) * stride_) {}

  void* of(int thread) const {
    return static_cast<char*>(storage_.data()) + static_cast<std::size_t>(thread) * stride_;
  }

 private:
  std::size_t stride_;
  Buffer storage_;
};

}  // namespace kanml
