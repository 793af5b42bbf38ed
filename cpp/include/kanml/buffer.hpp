// Memory for the time of an evaluation, which the next one finds again.
#pragma once

#include <cstddef>

namespace kanml {

// Uninitialised, beginning with a cache line. Freed memory is kept for the next buffers, up to
// 32 MiB in the process: asking the system for fresh pages takes as long as computing on them.
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

// A buffer for each thread, in one piece of memory.
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
