#include "kanml/devices.hpp"

#include <stdexcept>

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

template <class T>
std::unique_ptr<const DeviceNetwork<T>> network_on(const std::shared_ptr<Device>& device,
                                                   Layers layers) {
  if (auto host = std::dynamic_pointer_cast<HostDevice<false>>(device)) {
    return std::make_unique<BlockNetwork<T, HostDevice<false>>>(std::move(host), std::move(layers));
  }
#ifdef KANML_CUDA
  if (auto gpu = std::dynamic_pointer_cast<cuda::CudaDevice>(device)) {
    return std::make_unique<BlockNetwork<T, cuda::CudaDevice>>(std::move(gpu), std::move(layers));
  }
#endif
  throw std::invalid_argument("there are no networks on " + device->name());
}

template std::unique_ptr<const DeviceNetwork<float>> network_on(const std::shared_ptr<Device>&,
                                                                Layers);
template std::unique_ptr<const DeviceNetwork<double>> network_on(const std::shared_ptr<Device>&,
                                                                 Layers);

}  // namespace kanml
