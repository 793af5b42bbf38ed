// Networks on the host as a device, compiled once.
#pragma once

#include "core/block/block_network.hpp"
#include "core/block/host_device.hpp"

namespace kanml {

extern template class BlockNetwork<float, HostDevice<false>>;
extern template class BlockNetwork<double, HostDevice<false>>;

}  // namespace kanml
