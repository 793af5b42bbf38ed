// A block of threads of a GPU; see block/block.hpp.
#pragma once

#include <cstddef>

#include "block/block.hpp"

namespace kanml::cuda {

// Of a block. So few that each can have as many registers as programs of high order take.
inline constexpr int most_threads = 256;

class DeviceBlock {
 public:
  template <class T, int N>
  class PerThread {
   public:
    __device__ explicit PerThread(const DeviceBlock& /*block*/) {}
    __device__ T (&operator[](int /*thread*/))[N] { return numbers_; }

   private:
    T numbers_[N];
  };

  // `memory` is the shared memory of a launch.
  __device__ explicit DeviceBlock(char* memory) : next_(memory) {}

  __device__ int number() const { return static_cast<int>(blockIdx.x); }
  __device__ int blocks() const { return static_cast<int>(gridDim.x); }
  __device__ int threads() const { return static_cast<int>(blockDim.x); }

  template <class T>
  __device__ T* shared(const char* /*name*/, index count) {
    T* const first = reinterpret_cast<T*>(next_);
    next_ += block::shared_bytes(static_cast<std::size_t>(count) * sizeof(T));
    return first;
  }

  template <class F>
  __device__ void for_each_thread(const F& f) {
    f(static_cast<int>(threadIdx.x));
  }
  __device__ void sync() { __syncthreads(); }
  template <class F>
  __device__ void phase(const F& f) {
    for_each_thread(f);
    sync();
  }

 private:
  char* next_;
};

}  // namespace kanml::cuda
