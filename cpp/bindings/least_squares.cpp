// Triangles of least squares problems, and their damped solutions.
#include "kanml/least_squares.hpp"

#include <pybind11/stl.h>
#include <pybind11/typing.h>

#include <cmath>
#include <string>
#include <vector>

#include "arrays.hpp"
#include "bindings.hpp"

namespace kanml::bindings {

namespace {

using Matrix = Array<double>;

std::string shape_of(const Matrix& array) {
  std::string text = "(";
  for (py::ssize_t d = 0; d < array.ndim(); ++d) {
    text += (d > 0 ? ", " : "") + std::to_string(array.shape(d));
  }
  return text + ")";
}

std::string text_of(double number) { return py::str(py::float_(number)); }

// The number of columns of a square matrix.
index require_square(const Matrix& matrix, const char* name) {
  if (matrix.ndim() != 2 || matrix.shape(0) != matrix.shape(1)) {
    throw py::value_error(std::string(name) + " has shape " + shape_of(matrix) +
                          ", expected a square matrix");
  }
  return matrix.shape(0);
}

Matrix fold_triangle(const Matrix& triangle, const Matrix& panel, int threads) {
  const index n = require_square(triangle, "triangle");
  if (panel.ndim() != 2 || panel.shape(1) != n) {
    throw py::value_error("panel has shape " + shape_of(panel) + ", expected rows of " +
                          std::to_string(n) + " numbers as in the triangle");
  }
  const auto from = input(triangle, "triangle", n * n);
  const auto rows = input(panel, "panel", panel.size());
  const auto folded = [&] {
    const py::gil_scoped_release release;
    return kanml::fold_triangle(n, from, rows, threads);
  }();
  return Matrix({n, n}, folded.data());
}

DampedSteps damped_steps(const Matrix& triangle, index rows, double epsilon, int threads) {
  const index width = require_square(triangle, "triangle");
  if (width < 2) {
    throw py::value_error("triangle has shape " + shape_of(triangle) +
                          ", expected at least (2, 2): a column beside the right side");
  }
  if (rows < 0) throw py::value_error("rows is " + std::to_string(rows) + ", expected at least 0");
  if (!(epsilon >= 0.0 && epsilon < 1.0)) {
    throw py::value_error("epsilon is " + text_of(epsilon) + ", expected a number from 0 up to 1");
  }
  const auto entries = input(triangle, "triangle", width * width);
  const py::gil_scoped_release release;
  return DampedSteps(width - 1, entries, rows, epsilon, threads);
}

py::typing::Tuple<Matrix, Matrix, Matrix> solve(const DampedSteps& steps,
                                                const std::vector<double>& dampings) {
  for (const double damping : dampings) {
    if (!(damping >= 0.0 && std::isfinite(damping))) {
      throw py::value_error("a damping is " + text_of(damping) +
                            ", expected a finite number of at least 0");
    }
  }
  const auto solutions = [&] {
    const py::gil_scoped_release release;
    return steps.solve(dampings);
  }();
  const auto count = static_cast<index>(dampings.size());
  return py::make_tuple(Matrix({count, steps.size()}, solutions.steps.data()),
                        Matrix(count, solutions.lengths.data()),
                        Matrix(count, solutions.decreases.data()));
}

std::vector<double> dampings(const DampedSteps& steps, const std::vector<double>& radii) {
  for (const double radius : radii) {
    if (!(radius > 0.0)) {
      throw py::value_error("a radius is " + text_of(radius) + ", expected a positive number");
    }
  }
  const py::gil_scoped_release release;
  return steps.dampings(radii);
}

}  // namespace

void bind_least_squares(py::module_& m) {
  m.def("fold_triangle", &fold_triangle, py::arg("triangle").noconvert(),
        py::arg("panel").noconvert(), py::arg("threads"),
        "The upper triangular factor of [triangle; panel], as a new array. What `triangle` holds "
        "below its diagonal is not read.");

  py::class_<DampedSteps>(
      m, "DampedSteps",
      "Steps p that minimise |R p + c|^2 + damping |p|^2 for a triangle of R and "
      "c, for many dampings. Singular values of R below max(rows, n) epsilon "
      "times the largest count as zero.")
      .def(py::init(&damped_steps), py::arg("triangle").noconvert(), py::arg("rows"),
           py::arg("epsilon"), py::arg("threads"))
      .def_property_readonly("rank", &DampedSteps::rank)
      .def_property_readonly("largest", &DampedSteps::largest, "The largest singular value.")
      .def_property_readonly("smallest", &DampedSteps::smallest,
                             "The smallest singular value that counts; 0.0 if none does.")
      .def("solve", &solve, py::arg("dampings"),
           "The steps (k, n), their lengths (k,), and the decreases of |R p + c|^2 (k,).")
      .def("dampings", &dampings, py::arg("radii"),
           "The dampings at which |p| equals each radius; 0.0 where the step without damping is no "
           "longer.");
}

}  // namespace kanml::bindings
