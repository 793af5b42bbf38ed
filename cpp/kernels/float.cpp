#include "kernels/instantiate.hpp"

template const kanml::kernels::Table<float>& kanml::kernels::table<float>();
