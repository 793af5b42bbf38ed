#include "kanml/threads.hpp"

#include "bindings.hpp"
#include "kanml/types.hpp"

namespace kanml::bindings {

void bind_threads(py::module_& m) {
  m.attr("__version__") = KANML_VERSION;
  m.attr("min_degree") = min_degree;
  m.attr("max_degree") = max_degree;
  m.def("get_num_threads", &get_num_threads);
  m.def("set_num_threads", &set_num_threads, py::arg("threads"));
}

}  // namespace kanml::bindings
