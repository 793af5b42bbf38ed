// Vector operations on float32 and float64 arrays. All outputs are arguments.
#include "kanml/vector_ops.hpp"

#include <pybind11/typing.h>

#include <cstddef>
#include <string>
#include <vector>

#include "arrays.hpp"
#include "bindings.hpp"

namespace kanml::bindings {

namespace {

template <class T>
double dot_arrays(const Array<T>& x, const Array<T>& y) {
  const auto in_x = input(x, "x", x.size());
  const auto in_y = input(y, "y", x.size());
  const py::gil_scoped_release release;
  return dot(in_x, in_y);
}

template <class T>
double max_abs_array(const Array<T>& x) {
  const auto in_x = input(x, "x", x.size());
  const py::gil_scoped_release release;
  return max_abs(in_x);
}

template <class T>
void axpy_arrays(double a, const Array<T>& x, const Array<T>& y, Array<T>& out) {
  const auto in_x = input(x, "x", x.size());
  const auto in_y = input(y, "y", x.size());
  const auto to = output(out, "out", x.size());
  const py::gil_scoped_release release;
  axpy(a, in_x, in_y, to);
}

template <class T>
void adam_direction_arrays(const Array<T>& gradient, Array<T>& first_moment,
                           Array<T>& second_moment, Array<T>& direction, double learning_rate,
                           double beta1, double beta2, double eps, index updates) {
  const index n = gradient.size();
  const auto g = input(gradient, "gradient", n);
  const auto m = output(first_moment, "first_moment", n);
  const auto v = output(second_moment, "second_moment", n);
  const auto d = output(direction, "direction", n);
  if (updates < 1) {
    throw py::value_error("updates is " + std::to_string(updates) + ", expected at least 1");
  }
  const AdamCoefficients coefficients{learning_rate, beta1, beta2, eps, updates};
  const py::gil_scoped_release release;
  adam_direction(coefficients, g, m, v, d);
}

// A vector in a tuple. There are many of them, and to compare dtypes costs more than the arithmetic
// of short vectors; nearly always they are the same object.
template <class T>
std::span<const T> item(py::handle object, const char* name, index size, const py::dtype& dtype) {
  const bool same = py::isinstance<py::array>(object) &&
                    py::detail::array_proxy(object.ptr())->descr == dtype.ptr() &&
                    py::detail::check_flags(object.ptr(), Array<T>::c_style);
  if (!same && !Array<T>::check_(object)) {
    throw py::type_error(std::string(name) + " is no contiguous array of the dtype of gradient");
  }
  return input(py::reinterpret_borrow<Array<T>>(object), name, size);
}

template <class T>
using Tuple = py::typing::Tuple<Array<T>, py::ellipsis>;

template <class T>
void two_loop_arrays(const Tuple<T>& steps, const Tuple<T>& gradient_changes,
                     const Array<T>& diagonal, const Array<T>& gradient, Array<T>& direction) {
  const index n = gradient.size();
  if (steps.size() != gradient_changes.size()) {
    throw py::value_error(std::to_string(steps.size()) + " steps do not make pairs with " +
                          std::to_string(gradient_changes.size()) + " changes of the gradient");
  }
  const auto dtype = py::dtype::of<T>();
  std::vector<CurvaturePair<T>> pairs;
  pairs.reserve(steps.size());
  for (std::size_t i = 0; i < steps.size(); ++i) {
    pairs.push_back({item<T>(steps[i], "a step", n, dtype),
                     item<T>(gradient_changes[i], "a change of the gradient", n, dtype)});
  }
  const auto h = input(diagonal, "diagonal", n);
  const auto g = input(gradient, "gradient", n);
  const auto d = output(direction, "direction", n);
  const py::gil_scoped_release release;
  two_loop<T>(pairs, h, g, d);
}

template <class T>
void update_diagonal_arrays(const Array<T>& step, const Array<T>& gradient_change,
                            Array<T>& diagonal) {
  const index n = diagonal.size();
  const auto s = input(step, "step", n);
  const auto y = input(gradient_change, "gradient_change", n);
  const auto d = output(diagonal, "diagonal", n);
  const py::gil_scoped_release release;
  update_diagonal(s, y, d);
}

template <class T>
void bind_scalar(py::module_& m) {
  const auto array = [](const char* name) { return py::arg(name).noconvert(); };
  m.def("dot", &dot_arrays<T>, array("x"), array("y"),
        "The scalar product of two vectors, summed in float64.");
  m.def("max_abs", &max_abs_array<T>, array("x"),
        "The largest absolute value in a vector; NaN if there is a NaN.");
  m.def("axpy", &axpy_arrays<T>, py::arg("a"), array("x"), array("y"), array("out"),
        "Write y + a x to `out`, which may be x or y.");
  m.def("adam_direction", &adam_direction_arrays<T>, array("gradient"), array("first_moment"),
        array("second_moment"), array("direction"), py::kw_only(), py::arg("learning_rate"),
        py::arg("beta1"), py::arg("beta2"), py::arg("eps"), py::arg("updates"),
        "Update both moments in place and write one Adam direction. `updates` counts this one.");
  m.def(
      "two_loop", &two_loop_arrays<T>, py::arg("steps"), py::arg("gradient_changes"),
      array("diagonal"), array("gradient"), array("direction"),
      "Write the L-BFGS direction -H gradient. The pairs are two tuples of vectors, oldest first.");
  m.def("update_diagonal", &update_diagonal_arrays<T>, array("step"), array("gradient_change"),
        array("diagonal"), "Update the diagonal of an inverse Hessian in place with one pair.");
}

}  // namespace

void bind_vector_ops(py::module_& m) {
  bind_scalar<double>(m);  // tried first: the default of networks
  bind_scalar<float>(m);
}

}  // namespace kanml::bindings
