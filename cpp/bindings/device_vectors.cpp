// Operations on vectors in the memory of a device. Results are new vectors.
#include "kanml/device_vectors.hpp"

#include <pybind11/stl.h>

#include <optional>

#include "bindings.hpp"
#include "devices.hpp"
#include "kanml/devices.hpp"

namespace kanml::bindings {

namespace {

template <class T>
class BoundVectors {
 public:
  using Vector = BoundArray<T>;
  using Vectors = std::vector<const Vector*>;

  explicit BoundVectors(std::shared_ptr<Device> device)
      : device_(std::move(device)), on_(vectors_on<T>(device_)) {}

  Vector full(double value, index n) const {
    return made(n, [&](std::span<T> out) { on_->fill(value, out); });
  }
  Vector scaled(double a, const Vector& x) const {
    return made(x.size(), [&](std::span<T> out) { on_->scaled(a, x.in(), out); });
  }
  Vector axpy(double a, const Vector& x, const Vector& y) const {
    const auto other = x.in("x", y.size());
    return made(y.size(), [&](std::span<T> out) { on_->axpy(a, other, y.in(), out); });
  }
  Vector plus_product(const Vector& x, const Vector& y, const Vector& z) const {
    const auto of_y = y.in("y", x.size());
    const auto of_z = z.in("z", x.size());
    return made(x.size(), [&](std::span<T> out) { on_->plus_product(x.in(), of_y, of_z, out); });
  }
  Vector quotient(const Vector& x, const Vector& y) const {
    const auto of_y = y.in("y", x.size());
    return made(x.size(), [&](std::span<T> out) { on_->quotient(x.in(), of_y, out); });
  }
  // Vectors behind one another.
  Vector joined(const Vectors& parts) const {
    index size = 0;
    for (const auto* const part : parts) size += part->size();
    return made(size, [&](std::span<T> out) {
      T* to = out.data();
      for (const auto* const part : parts) {
        device_->copy(part->in().data(), to, part->in().size_bytes());
        to += part->size();
      }
    });
  }

  double dot(const Vector& x, const Vector& y) const {
    const auto of_y = y.in("y", x.size());
    const py::gil_scoped_release release;
    return on_->dot(x.in(), of_y);
  }
  double max_abs(const Vector& x) const {
    const py::gil_scoped_release release;
    return on_->max_abs(x.in());
  }

  std::tuple<Vector, Vector, Vector> adam_direction(const Vector& gradient,
                                                    const Vector& first_moment,
                                                    const Vector& second_moment,
                                                    double learning_rate, double beta1,
                                                    double beta2, double eps, index updates) const {
    const index n = gradient.size();
    const auto m = first_moment.in("first_moment", n);
    const auto v = second_moment.in("second_moment", n);
    if (updates < 1) {
      throw py::value_error("updates is " + std::to_string(updates) + ", expected at least 1");
    }
    const AdamCoefficients coefficients{learning_rate, beta1, beta2, eps, updates};
    Vector direction(device_, {n});
    Vector first(device_, {n});
    Vector second(device_, {n});
    const py::gil_scoped_release release;
    on_->adam_direction(coefficients, gradient.in(), m, v, first.out(), second.out(),
                        direction.out());
    return {std::move(direction), std::move(first), std::move(second)};
  }

  Vector two_loop(const Vectors& steps, const Vectors& gradient_changes, const Vector& diagonal,
                  const Vector& gradient) const {
    const index n = gradient.size();
    if (steps.size() != gradient_changes.size()) {
      throw py::value_error(std::to_string(steps.size()) + " steps do not make pairs with " +
                            std::to_string(gradient_changes.size()) + " changes of the gradient");
    }
    std::vector<CurvaturePair<T>> pairs;
    for (std::size_t i = 0; i < steps.size(); ++i) {
      pairs.push_back(
          {steps[i]->in("a step", n), gradient_changes[i]->in("a change of the gradient", n)});
    }
    const auto h = diagonal.in("diagonal", n);
    return made(n, [&](std::span<T> out) { on_->two_loop(pairs, h, gradient.in(), out); });
  }
  Vector update_diagonal(const Vector& step, const Vector& gradient_change,
                         const Vector& diagonal) const {
    const index n = diagonal.size();
    const auto s = step.in("step", n);
    const auto y = gradient_change.in("gradient_change", n);
    return made(n, [&](std::span<T> out) { on_->update_diagonal(s, y, diagonal.in(), out); });
  }

  Vector multiple_of_identity(double a, index n) const {
    return made(packed_size(n), [&](std::span<T> out) { on_->multiple_of_identity(a, n, out); });
  }
  Vector diagonal(const Vector& matrix, index n) const {
    const auto m = matrix.in("matrix", packed_size(n));
    return made(n, [&](std::span<T> out) { on_->diagonal(m, out); });
  }
  Vector symmetric_product(const Vector& matrix, const Vector& x) const {
    const auto m = matrix.in("matrix", packed_size(x.size()));
    return made(x.size(), [&](std::span<T> out) { on_->symmetric_product(m, x.in(), out); });
  }
  // None unless all entries of its diagonal are positive and finite.
  std::optional<Vector> symmetric_update(const Vector& matrix, const Vector& x, const Vector& y,
                                         double scale, double xx, double xy, double yy) const {
    const auto m = matrix.in("matrix", packed_size(x.size()));
    const RankTwo<T> added{x.in(), y.in("y", x.size()), xx, xy, yy};
    bool positive = false;
    Vector updated = made(matrix.size(), [&](std::span<T> out) {
      positive = on_->symmetric_update(scale, m, added, out);
    });
    if (!positive) return std::nullopt;
    return updated;
  }

 private:
  // A vector of n numbers that f fills.
  template <class F>
  Vector made(index n, const F& f) const {
    Vector found(device_, {n});
    const py::gil_scoped_release release;
    f(found.out());
    return found;
  }

  std::shared_ptr<Device> device_;
  std::unique_ptr<const DeviceVectors<T>> on_;
};

template <class T>
void bind(py::module_& m, const char* name) {
  using On = BoundVectors<T>;
  const auto x = py::arg("x");
  const auto y = py::arg("y");
  const auto matrix = py::arg("matrix");
  py::class_<On>(m, name, "Operations on vectors in the memory of a device.")
      .def(py::init<std::shared_ptr<Device>>(), py::arg("device"))
      .def("full", &On::full, py::arg("value"), py::arg("n"))
      .def("scaled", &On::scaled, py::arg("a"), x)
      .def("axpy", &On::axpy, py::arg("a"), x, y)
      .def("plus_product", &On::plus_product, x, y, py::arg("z"))
      .def("quotient", &On::quotient, x, y)
      .def("joined", &On::joined, py::arg("parts"))
      .def("dot", &On::dot, x, y)
      .def("max_abs", &On::max_abs, x)
      .def("adam_direction", &On::adam_direction, py::arg("gradient"), py::arg("first_moment"),
           py::arg("second_moment"), py::kw_only(), py::arg("learning_rate"), py::arg("beta1"),
           py::arg("beta2"), py::arg("eps"), py::arg("updates"))
      .def("two_loop", &On::two_loop, py::arg("steps"), py::arg("gradient_changes"),
           py::arg("diagonal"), py::arg("gradient"))
      .def("update_diagonal", &On::update_diagonal, py::arg("step"), py::arg("gradient_change"),
           py::arg("diagonal"))
      .def("multiple_of_identity", &On::multiple_of_identity, py::arg("a"), py::arg("n"))
      .def("diagonal", &On::diagonal, matrix, py::arg("n"))
      .def("symmetric_product", &On::symmetric_product, matrix, x)
      .def("symmetric_update", &On::symmetric_update, matrix, x, y, py::kw_only(), py::arg("scale"),
           py::arg("xx"), py::arg("xy"), py::arg("yy"));
}

}  // namespace

void bind_device_vectors(py::module_& m) {
  bind<float>(m, "DeviceVectorsFloat32");
  bind<double>(m, "DeviceVectorsFloat64");
}

}  // namespace kanml::bindings
