#include "kernels/instantiate.hpp"

template const kanml::kernels::Table<double>& kanml::kernels::table<double>();
