// A GPU as a device. Its functions are compiled by nvcc; this header is for every compiler.
#pragma once

#include <memory>
#include <string>

#include "core/block/host_device.hpp"
#include "cuda/launch.hpp"
#ifdef KANML_CUSOLVER
#include "cuda/cuda_triangle.hpp"
#endif

namespace kanml::cuda {

// The number of GPUs; 0 without a driver.
int count();

// Makes a GPU the current one of this thread, as long as the object exists.
class Current {
 public:
  explicit Current(int gpu);
  ~Current();
  Current(const Current&) = delete;
  Current& operator=(const Current&) = delete;

 private:
  int before_;
};

// Everything runs in the default stream, which other libraries wait for.
class CudaDevice final : public Device {
 public:
#ifdef KANML_CUSOLVER
  template <class T>
  using Triangle = CudaTriangle<T, CudaDevice>;
#else
  template <class T>
  using Triangle = HostTriangle<T>;
#endif

  // Throws std::runtime_error if there is no such GPU, or it cannot be used.
  explicit CudaDevice(int number);
  ~CudaDevice() override;

  std::string name() const override;
  int gpu() const override { return number_; }
  std::size_t free_bytes() const override;
  const BlockLimits& limits() const { return limits_; }

  void* allocate(std::size_t bytes) override;
  void release(void* memory) noexcept override;
  void upload(const void* from, void* to, std::size_t bytes) override;
  void download(const void* from, void* to, std::size_t bytes) override;
  void copy(const void* from, void* to, std::size_t bytes) override;
  void wait() override;

  template <class Program>
  void launch(const Program& program) const {
    const Current current(number_);
    cuda::launch(program);
  }

 private:
  struct Pool;

  int number_;
  std::string model_;
  BlockLimits limits_;
  std::unique_ptr<Pool> pool_;
};

}  // namespace kanml::cuda
