// The kernels compiled for the instruction set in use.
#pragma once

#include "kernels/linalg/table.hpp"
#include "kernels/table.hpp"

namespace kanml {

// Throws std::invalid_argument if the environment names an instruction set that is not available.
template <class T>
const kernels::Table<T>& active_kernels();
const kernels::MatrixKernels& active_matrix_kernels();

}  // namespace kanml
