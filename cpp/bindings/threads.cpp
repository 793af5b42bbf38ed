#include "kanml/threads.hpp"

#include "bindings.hpp"

namespace kanml::bindings {

void bind_threads(py::module_& m) {
  m.def("get_num_threads", &get_num_threads);
  m.def("set_num_threads", &set_num_threads, py::arg("threads"));
}

}  // namespace kanml::bindings
