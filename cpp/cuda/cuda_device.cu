#include "cuda/cuda_device.hpp"

#include <algorithm>
#include <cstdint>

#include "cuda/device_block.hpp"
#include "cuda/status.cuh"

namespace kanml::cuda {

namespace {

// The same on every GPU, so that sums are. As many blocks as slots keep all multiprocessors busy.
constexpr index slots = 1024;
constexpr block::Team team{32, most_threads / 32};

__global__ void nothing() {}

// Throws std::runtime_error if there is no code for a GPU.
void require_code(const cudaDeviceProp& properties, const std::string& name) {
  cudaFuncAttributes attributes{};
  if (cudaFuncGetAttributes(&attributes, nothing) == cudaSuccess) return;
  cudaGetLastError();
  throw std::runtime_error(name + " (" + properties.name + ") has the compute capability " +
                           std::to_string(properties.major) + "." +
                           std::to_string(properties.minor) +
                           ", for which this build of kanml has no code");
}

std::string in_megabytes(std::size_t bytes) { return std::to_string(bytes >> 20) + " MiB"; }

}  // namespace

int count() {
  int found = 0;
  if (cudaGetDeviceCount(&found) == cudaSuccess) return found;
  cudaGetLastError();
  return 0;
}

Current::Current(int gpu) : before_(gpu) {
  require(cudaGetDevice(&before_));
  if (before_ != gpu) require(cudaSetDevice(gpu));
}
Current::~Current() { cudaSetDevice(before_); }

// Memory that is kept for the next allocation. It is no memory of other libraries.
struct CudaDevice::Pool {
  explicit Pool(int gpu) {
    cudaMemPoolProps properties{};
    properties.allocType = cudaMemAllocationTypePinned;
    properties.location = {cudaMemLocationTypeDevice, gpu};
    require(cudaMemPoolCreate(&pool, &properties));
    std::uint64_t all = UINT64_MAX;
    require(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &all));
  }
  ~Pool() { cudaMemPoolDestroy(pool); }

  cudaMemPool_t pool = nullptr;
};

CudaDevice::CudaDevice(int number) : number_(number) {
  const Current current(number);
  cudaDeviceProp properties{};
  require(cudaGetDeviceProperties(&properties, number));
  model_ = properties.name;
  require_code(properties, name());
  limits_ = {.team = team,
             .blocks = static_cast<int>(slots),
             .slots = slots,
             .shared_bytes = properties.sharedMemPerBlockOptin};
  pool_ = std::make_unique<Pool>(number);
}
CudaDevice::~CudaDevice() = default;

std::string CudaDevice::name() const { return "cuda:" + std::to_string(number_); }

std::size_t CudaDevice::free_bytes() const {
  const Current current(number_);
  std::size_t free = 0;
  std::size_t all = 0;
  require(cudaMemGetInfo(&free, &all));
  return free;
}

void* CudaDevice::allocate(std::size_t bytes) {
  const Current current(number_);
  void* memory = nullptr;
  const auto status =
      cudaMallocFromPoolAsync(&memory, std::max<std::size_t>(bytes, 1), pool_->pool, nullptr);
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    throw OutOfDeviceMemory(name() + " (" + model_ + ") has no memory for " + in_megabytes(bytes) +
                            " more: " + in_megabytes(free_bytes()) + " are free");
  }
  require(status);
  return memory;
}
void CudaDevice::release(void* memory) noexcept {
  try {
    const Current current(number_);
    cudaFreeAsync(memory, nullptr);
  } catch (const std::runtime_error&) {  // as the process ends, CUDA may be gone already
  }
}

void CudaDevice::upload(const void* from, void* to, std::size_t bytes) {
  const Current current(number_);
  if (bytes > 0) require(cudaMemcpy(to, from, bytes, cudaMemcpyHostToDevice));
}
void CudaDevice::download(const void* from, void* to, std::size_t bytes) {
  const Current current(number_);
  if (bytes > 0) require(cudaMemcpy(to, from, bytes, cudaMemcpyDeviceToHost));
}
void CudaDevice::copy(const void* from, void* to, std::size_t bytes) {
  const Current current(number_);
  if (bytes > 0) require(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice));
}
void CudaDevice::wait() {
  const Current current(number_);
  require(cudaDeviceSynchronize());
}

}  // namespace kanml::cuda
