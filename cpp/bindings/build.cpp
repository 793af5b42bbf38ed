// Facts about this build of the extension.
#include <pybind11/stl.h>

#include <string>
#include <vector>

#include "bindings.hpp"
#include "kanml/instruction_set.hpp"
#include "kanml/types.hpp"

namespace kanml::bindings {

namespace {

std::string build_information() {
#if defined(__clang__)
  std::string text = "Clang " + std::to_string(__clang_major__) + "." +
                     std::to_string(__clang_minor__) + "." + std::to_string(__clang_patchlevel__);
#elif defined(__GNUC__)
  std::string text = "GCC " __VERSION__;
#else
  std::string text = "unknown compiler";
#endif
  text += ", OpenMP " + std::to_string(_OPENMP);
  return text;
}

}  // namespace

void bind_build(py::module_& m) {
  m.attr("__version__") = KANML_VERSION;
  m.attr("min_degree") = min_degree;
  m.attr("max_degree") = max_degree;
  m.attr("max_taylor_order") = max_taylor_order;
  m.def("build_information", &build_information);
  m.def("instruction_sets", [] {
    const auto sets = instruction_sets();
    return std::vector<std::string>(sets.begin(), sets.end());
  });
  m.def("instruction_set", &instruction_set);
}

}  // namespace kanml::bindings
