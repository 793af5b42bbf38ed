#include "arrays.hpp"
#include "bindings.hpp"
#include "kanml/prolongation.hpp"
#include "kanml/spline_space.hpp"

namespace kanml::bindings {

namespace {

py::array_t<double> copy_of(std::span<const double> values) {
  return py::array_t<double>(static_cast<py::ssize_t>(values.size()), values.data());
}

// One of the linear maps of a prolongation, on an array (rows, m).
template <class T, class Map>
py::array_t<T> mapped(const Array<T>& x, index rows_in, index rows_out, const Map& map) {
  if (x.ndim() != 2 || x.shape(0) != rows_in) {
    throw py::value_error("expected an array of " + std::to_string(rows_in) + " rows");
  }
  const index m = x.shape(1);
  Array<T> y({rows_out, m});
  const auto from = input(x, "x", rows_in * m);
  const auto to = output(y, "y", rows_out * m);
  {
    py::gil_scoped_release release;
    map(m, from, to);
  }
  return y;
}

template <class T>
void bind_prolongation(py::class_<Prolongation>& c) {
  c.def(
      "apply",
      [](const Prolongation& p, const Array<T>& x) {
        return mapped<T>(x, p.columns(), p.rows(), [&](auto... a) { p.template apply<T>(a...); });
      },
      py::arg("x").noconvert());
  c.def(
      "apply_transpose",
      [](const Prolongation& p, const Array<T>& x) {
        return mapped<T>(x, p.rows(), p.columns(),
                         [&](auto... a) { p.template apply_transpose<T>(a...); });
      },
      py::arg("x").noconvert());
  c.def(
      "apply_dual",
      [](const Prolongation& p, const Array<T>& x) {
        return mapped<T>(x, p.columns(), p.rows(),
                         [&](auto... a) { p.template apply_dual<T>(a...); });
      },
      py::arg("x").noconvert());
}

}  // namespace

void bind_splines(py::module_& m) {
  py::class_<SplineSpace, std::shared_ptr<SplineSpace>>(m, "SplineSpace")
      .def(py::init([](const Array<double>& breakpoints, int degree) {
             return SplineSpace(input(breakpoints, "breakpoints", breakpoints.size()), degree);
           }),
           py::arg("breakpoints").noconvert(), py::arg("degree"))
      .def_property_readonly("degree", &SplineSpace::degree)
      .def_property_readonly("intervals", &SplineSpace::intervals)
      .def_property_readonly("dim", &SplineSpace::dim)
      .def_property_readonly("lower", &SplineSpace::lower)
      .def_property_readonly("upper", &SplineSpace::upper)
      .def_property_readonly("uniform", &SplineSpace::uniform)
      .def_property_readonly("knots", [](const SplineSpace& s) { return copy_of(s.knots()); })
      .def_property_readonly("breakpoints",
                             [](const SplineSpace& s) { return copy_of(s.breakpoints()); })
      .def(
          "basis",
          [](const SplineSpace& space, const Array<double>& x, int derivative) {
            const index n = x.size();
            const index width = space.degree() + 1;
            Array<index> first(n);
            Array<double> values({n, width});
            const auto points = input(x, "x", n);
            const auto first_out = output(first, "first", n);
            const auto values_out = output(values, "values", n * width);
            {
              py::gil_scoped_release release;
              space.basis(points, derivative, first_out, values_out);
            }
            return py::make_tuple(first, values);
          },
          py::arg("x").noconvert(), py::arg("derivative"))
      .def(
          "evaluate",
          [](const SplineSpace& space, const Array<double>& coefficients, const Array<double>& x,
             int derivative) {
            const index functions = coefficients.size() / space.dim();
            const index n = x.size();
            Array<double> values({functions, n});
            const auto c = input(coefficients, "coefficients", functions * space.dim());
            const auto points = input(x, "x", n);
            const auto values_out = output(values, "values", functions * n);
            {
              py::gil_scoped_release release;
              space.evaluate(functions, c, points, derivative, values_out);
            }
            return values;
          },
          py::arg("coefficients").noconvert(), py::arg("x").noconvert(), py::arg("derivative"));

  py::class_<Prolongation> prolongation(m, "Prolongation");
  prolongation
      .def(py::init<const SplineSpace&, const SplineSpace&>(), py::arg("coarse"), py::arg("fine"))
      .def_property_readonly("rows", &Prolongation::rows)
      .def_property_readonly("columns", &Prolongation::columns);
  bind_prolongation<float>(prolongation);
  bind_prolongation<double>(prolongation);
}

}  // namespace kanml::bindings
