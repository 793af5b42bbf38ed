#include "core/block/host_network.hpp"

template class kanml::BlockNetwork<float, kanml::HostDevice<true>>;
