#include "terms.hpp"

#include "bindings.hpp"
#include "kanml/program.hpp"

namespace kanml::bindings {

namespace {

// (place, plane, output)
using CoefficientTuple = std::tuple<int, int, index>;

std::vector<Coefficient> coefficients_of(const std::vector<CoefficientTuple>& tuples) {
  std::vector<Coefficient> coefficients;
  for (const auto& [place, plane, output] : tuples) coefficients.push_back({place, plane, output});
  return coefficients;
}

template <class T, class Formula>
void bind_term(py::module_& m, const char* name, const char* formula) {
  using Bound = BoundTerm<T, Formula>;
  py::class_<Bound>(m, name)
      .def(py::init<std::shared_ptr<Formula>, index, std::optional<Array<index>>,
                    std::vector<typename Bound::PlaceArrays>, std::vector<py::array_t<T>>,
                    std::string>(),
           py::arg(formula).none(false), py::arg("n"), py::arg("rows").noconvert(),
           py::arg("places").noconvert(), py::arg("columns").noconvert(), py::arg("where"))
      .def_property_readonly("rows", &Bound::rows)
      .def_property_readonly("places", &Bound::places)
      .def_property_readonly("columns", &Bound::columns);
}

}  // namespace

void bind_terms(py::module_& m) {
  py::class_<PointLoss, std::shared_ptr<PointLoss>>(
      m, "PointLoss", "A loss at one point: a program, and what its inputs and outputs are.")
      .def(py::init([](std::shared_ptr<Program> program,
                       const std::vector<CoefficientTuple>& coefficients, int n_columns,
                       int n_unknowns, int n_components,
                       const std::vector<CoefficientTuple>& differentiated) {
             return PointLoss(std::move(program), coefficients_of(coefficients), n_columns,
                              n_unknowns, n_components, coefficients_of(differentiated));
           }),
           py::arg("program").none(false), py::arg("coefficients"), py::arg("n_columns"),
           py::arg("n_unknowns"), py::arg("n_components"), py::arg("differentiated"));
  py::class_<PointRows, std::shared_ptr<PointRows>>(
      m, "PointRows",
      "Rows of least squares at one point: a program, and what its inputs and outputs are.")
      .def(py::init([](std::shared_ptr<Program> program,
                       const std::vector<CoefficientTuple>& coefficients, int n_columns,
                       int n_unknowns,
                       const std::vector<std::vector<CoefficientTuple>>& differentiated) {
             std::vector<std::vector<Coefficient>> of_rows;
             for (const auto& of_row : differentiated) of_rows.push_back(coefficients_of(of_row));
             return PointRows(std::move(program), coefficients_of(coefficients), n_columns,
                              n_unknowns, std::move(of_rows));
           }),
           py::arg("program").none(false), py::arg("coefficients"), py::arg("n_columns"),
           py::arg("n_unknowns"), py::arg("differentiated"));
  bind_term<float, PointLoss>(m, "TermFloat32", "loss");
  bind_term<double, PointLoss>(m, "TermFloat64", "loss");
  bind_term<float, PointRows>(m, "RowTermFloat32", "point_rows");
  bind_term<double, PointRows>(m, "RowTermFloat64", "point_rows");
}

}  // namespace kanml::bindings
