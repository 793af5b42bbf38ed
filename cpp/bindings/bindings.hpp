// One registration function for each category.
#pragma once

#include <pybind11/pybind11.h>

namespace py = pybind11;

namespace kanml::bindings {

void bind_build(py::module_& m);
void bind_device_network(py::module_& m);
void bind_device_vectors(py::module_& m);
void bind_devices(py::module_& m);
void bind_least_squares(py::module_& m);
void bind_network(py::module_& m);
void bind_program(py::module_& m);
void bind_splines(py::module_& m);
void bind_symmetric(py::module_& m);
void bind_terms(py::module_& m);
void bind_threads(py::module_& m);
void bind_vector_ops(py::module_& m);

}  // namespace kanml::bindings
