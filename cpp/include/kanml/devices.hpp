// The devices there are, and what runs on them.
#pragma once

#include <memory>

#include "kanml/device.hpp"
#include "kanml/device_network.hpp"
#include "kanml/device_vectors.hpp"
#include "kanml/layers.hpp"

namespace kanml {

// The host as a device: it runs the programs of GPUs, for tests.
std::shared_ptr<Device> host_device();

// Whether there is code for GPUs in this build, and how many of them it finds.
bool has_cuda();
int cuda_devices();
// Throws std::runtime_error without the GPU of this number.
std::shared_ptr<Device> cuda_device(int number);

// Throws as the constructor of Network does.
template <class T>
std::unique_ptr<const DeviceNetwork<T>> network_on(const std::shared_ptr<Device>& device,
                                                   Layers layers);

template <class T>
std::unique_ptr<const DeviceVectors<T>> vectors_on(const std::shared_ptr<Device>& device);

}  // namespace kanml
