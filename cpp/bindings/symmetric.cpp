// Packed symmetric matrices of float32 and float64. All outputs are arguments.
#include "kanml/symmetric.hpp"

#include "arrays.hpp"
#include "bindings.hpp"

namespace kanml::bindings {

namespace {

template <class T>
void symmetric_product_arrays(const Array<T>& matrix, const Array<T>& x, Array<T>& out,
                              int threads) {
  const index n = x.size();
  const auto from = input(matrix, "matrix", packed_size(n));
  const auto in_x = input(x, "x", n);
  const auto to = output(out, "out", n);
  const py::gil_scoped_release release;
  symmetric_product(from, in_x, to, threads);
}

template <class T>
bool symmetric_update_arrays(double scale, const Array<T>& matrix, const Array<T>& x,
                             const Array<T>& y, double xx, double xy, double yy, Array<T>& out,
                             int threads) {
  const index n = x.size();
  const auto from = input(matrix, "matrix", packed_size(n));
  const RankTwo<T> added{input(x, "x", n), input(y, "y", n), xx, xy, yy};
  const auto to = output(out, "out", packed_size(n));
  const py::gil_scoped_release release;
  return symmetric_update(scale, from, added, to, threads);
}

template <class T>
void bind_scalar(py::module_& m) {
  const auto array = [](const char* name) { return py::arg(name).noconvert(); };
  m.def("symmetric_product", &symmetric_product_arrays<T>, array("matrix"), array("x"),
        array("out"), py::arg("threads"),
        "Write the product of a packed symmetric matrix with a vector.");
  m.def("symmetric_update", &symmetric_update_arrays<T>, py::arg("scale"), array("matrix"),
        array("x"), array("y"), py::arg("xx"), py::arg("xy"), py::arg("yy"), array("out"),
        py::arg("threads"),
        "Write scale * matrix + xx x x^T + xy (x y^T + y x^T) + yy y y^T to `out`, which may be "
        "the matrix. Return whether its diagonal is positive and finite.");
}

}  // namespace

void bind_symmetric(py::module_& m) {
  bind_scalar<double>(m);  // tried first: the default of networks
  bind_scalar<float>(m);
}

}  // namespace kanml::bindings
