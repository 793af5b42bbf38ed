#include "core/block/host_network.hpp"

template class kanml::BlockNetwork<double, kanml::HostDevice<true>>;
