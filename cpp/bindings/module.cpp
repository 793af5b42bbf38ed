// Registers the extension; each category of bindings has a file of its own.
#include "bindings.hpp"

PYBIND11_MODULE(_core, m, py::mod_gil_not_used()) {
  m.doc() = "The compiled core of kanml. Not a public interface: use the package's own functions.";
  kanml::bindings::bind_build(m);
  kanml::bindings::bind_threads(m);
  kanml::bindings::bind_splines(m);
  kanml::bindings::bind_program(m);
  kanml::bindings::bind_terms(m);
  kanml::bindings::bind_network(m);
  kanml::bindings::bind_vector_ops(m);
  kanml::bindings::bind_least_squares(m);
  kanml::bindings::bind_symmetric(m);
  kanml::bindings::bind_devices(m);
  kanml::bindings::bind_device_network(m);
  kanml::bindings::bind_device_vectors(m);
}
