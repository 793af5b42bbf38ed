#include "kanml/devices.hpp"

#include <stdexcept>

#include "core/block/block_vectors.hpp"
#include "core/block/host_network.hpp"
#ifdef KANML_CUDA
#include "cuda/cuda_network.hpp"
#endif

namespace kanml {

std::shared_ptr<Device> host_device() {
  // At least three blocks, and teams of which sizes are no multiples.
  return std::make_shared<HostDevice<false>>(
      BlockLimits{.team = {28, 3}, .blocks = 3, .slots = 5, .shared_bytes = 96 << 10});
}

#ifdef KANML_CUDA
bool has_cuda() { return true; }
int cuda_devices() { return cuda::count(); }
std::shared_ptr<Device> cuda_device(int number) {
  return std::make_shared<cuda::CudaDevice>(number);
}
#else
bool has_cuda() { return false; }
int cuda_devices() { return 0; }
std::shared_ptr<Device> cuda_device(int /*number*/) {
  throw std::runtime_error("this build of kanml has no code for GPUs");
}
#endif

namespace {

// What f makes of the device, of its own type.
template <class F>
auto with_type(const std::shared_ptr<Device>& device, const F& f) {
#ifdef KANML_CUDA
  if (auto gpu = std::dynamic_pointer_cast<cuda::CudaDevice>(device)) return f(std::move(gpu));
#endif
  auto host = std::dynamic_pointer_cast<HostDevice<false>>(device);
  if (host == nullptr) throw std::invalid_argument(device->name() + " is no device of this build");
  return f(std::move(host));
}

}  // namespace

template <class T>
std::unique_ptr<const DeviceNetwork<T>> network_on(const std::shared_ptr<Device>& device,
                                                   Layers layers) {
  using Network = std::unique_ptr<const DeviceNetwork<T>>;
  return with_type(device, [&]<class D>(std::shared_ptr<D> typed) -> Network {
    return std::make_unique<BlockNetwork<T, D>>(std::move(typed), std::move(layers));
  });
}

template <class T>
std::unique_ptr<const DeviceVectors<T>> vectors_on(const std::shared_ptr<Device>& device) {
  using Vectors = std::unique_ptr<const DeviceVectors<T>>;
  return with_type(device, [&]<class D>(std::shared_ptr<D> typed) -> Vectors {
    return std::make_unique<BlockVectors<T, D>>(std::move(typed));
  });
}

#define KANML_INSTANTIATE(T)                                                                  \
  template std::unique_ptr<const DeviceNetwork<T>> network_on(const std::shared_ptr<Device>&, \
                                                              Layers);                        \
  template std::unique_ptr<const DeviceVectors<T>> vectors_on(const std::shared_ptr<Device>&);
KANML_INSTANTIATE(float)
KANML_INSTANTIATE(double)

}  // namespace kanml
