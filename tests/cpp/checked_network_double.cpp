#include "core/block/block_network.hpp"
#include "guarded_device.hpp"

template class kanml::BlockNetwork<double, GuardedDevice>;
