#include "arrays.hpp"
#include "bindings.hpp"
#include "kanml/prolongation.hpp"
#include "kanml/relu_transform.hpp"
#include "kanml/spline_space.hpp"

namespace kanml::bindings {

namespace {

py::array_t<double> copy_of(std::span<const double> values) {
  return py::array_t<double>(static_cast<py::ssize_t>(values.size()), values.data());
}

// A linear map of the middle axis of an array (copies, rows, m).
template <class T, class Map>
py::array_t<T> mapped(const Array<T>& x, index rows_in, index rows_out, const Map& map) {
  if (x.ndim() != 3 || x.shape(1) != rows_in) {
    throw py::value_error("expected an array (copies, " + std::to_string(rows_in) + ", m)");
  }
  const index copies = x.shape(0);
  const index m = x.shape(2);
  Array<T> y({copies, rows_out, m});
  const auto from = input(x, "x", copies * rows_in * m);
  const auto to = output(y, "y", copies * rows_out * m);
  {
    py::gil_scoped_release release;
    map(copies, m, from, to);
  }
  return y;
}

template <class T>
void bind_prolongation(py::class_<Prolongation>& c) {
  using Map = void (Prolongation::*)(index, index, std::span<const T>, std::span<T>) const;
  const auto def = [&](const char* name, bool up, Map map) {
    c.def(
        name,
        [up, map](const Prolongation& p, const Array<T>& x) {
          return mapped<T>(x, up ? p.columns() : p.rows(), up ? p.rows() : p.columns(),
                           [&](auto... args) { (p.*map)(args...); });
        },
        py::arg("x").noconvert());
  };
  def("apply", true, &Prolongation::apply<T>);
  def("apply_transpose", false, &Prolongation::apply_transpose<T>);
  def("apply_dual", true, &Prolongation::apply_dual<T>);
}

template <class T>
void bind_transform(py::class_<ReluTransform>& c) {
  using Map = void (ReluTransform::*)(index, index, std::span<const T>, std::span<T>) const;
  const auto def = [&](const char* name, Map map) {
    c.def(
        name,
        [map](const ReluTransform& a, const Array<T>& x) {
          return mapped<T>(x, a.dim(), a.dim(), [&](auto... args) { (a.*map)(args...); });
        },
        py::arg("x").noconvert());
  };
  def("apply", &ReluTransform::apply<T>);
  def("apply_transpose", &ReluTransform::apply_transpose<T>);
  def("solve", &ReluTransform::solve<T>);
  def("solve_transpose", &ReluTransform::solve_transpose<T>);
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
      .def_property_readonly("uniform", [](const SplineSpace& s) { return s.uniform(); })
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

  py::class_<ReluTransform> transform(m, "ReluTransform");
  transform.def(py::init<const SplineSpace&>(), py::arg("space"))
      .def_property_readonly("dim", &ReluTransform::dim)
      .def_property_readonly("condition", &ReluTransform::condition);
  bind_transform<float>(transform);
  bind_transform<double>(transform);
}

}  // namespace kanml::bindings
