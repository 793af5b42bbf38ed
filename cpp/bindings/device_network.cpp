// Networks on devices: their arguments and results are arrays of bindings/devices.hpp.
#include "kanml/device_network.hpp"

#include <pybind11/stl.h>

#include <optional>

#include "bindings.hpp"
#include "devices.hpp"
#include "kanml/devices.hpp"
#include "terms.hpp"

namespace kanml::bindings {

namespace {

// A term whose arrays are in the memory of a device.
template <class T, class Formula>
class DeviceTerm {
 public:
  // The arrays of a term, with those of its places one behind the other.
  DeviceTerm(const BoundTerm<T, Formula>& term, std::optional<BoundArray<index>> rows,
             std::vector<BoundArray<T>> x, std::vector<BoundArray<T>> vectors,
             std::vector<BoundArray<T>> columns)
      : term_(term.term()),
        rows_(std::move(rows)),
        x_(std::move(x)),
        vectors_(std::move(vectors)),
        columns_(std::move(columns)) {
    for (const auto& [points, orders, of_place] : term.places()) orders_.push_back(orders);
    n_in_ = std::get<0>(term.places().front()).shape(1);
    const index points = std::get<0>(term.places().front()).shape(0);
    if (rows_.has_value() != !term_.rows.empty()) throw py::value_error("expected rows, or none");
    if (rows_) term_.rows = rows_->in("rows", static_cast<index>(term_.rows.size()));
    for (std::size_t i = 0; i < term_.places.size(); ++i) {
      Place<T>& place = term_.places[i];
      place.x = x_.at(i).in("x", static_cast<index>(place.x.size()));
      place.directions.vectors =
          vectors_.at(i).in("vectors", static_cast<index>(place.directions.vectors.size()));
      place.directions.orders = orders_[i];
    }
    for (std::size_t i = 0; i < term_.columns.size(); ++i) {
      term_.columns[i] = {columns_.at(i).in("a column", points).data(), 1};
    }
  }
  DeviceTerm(const DeviceTerm&) = delete;  // the term points into it
  DeviceTerm& operator=(const DeviceTerm&) = delete;

  const TermOf<T, Formula>& term() const { return term_; }
  index n_in() const { return n_in_; }

 private:
  TermOf<T, Formula> term_;
  index n_in_;
  std::optional<BoundArray<index>> rows_;
  std::vector<BoundArray<T>> x_;
  std::vector<BoundArray<T>> vectors_;
  std::vector<BoundArray<T>> columns_;
  std::vector<std::vector<int>> orders_;
};

// A network on a device, whose arguments are checked.
template <class T>
class BoundDeviceNetwork {
 public:
  using Floats = BoundArray<T>;
  template <class Formula>
  using Terms = std::vector<const DeviceTerm<T, Formula>*>;

  BoundDeviceNetwork(std::shared_ptr<Device> device,
                     const std::vector<std::shared_ptr<Layer>>& layers)
      : device_(std::move(device)),
        network_(network_on<T>(device_, {layers.begin(), layers.end()})) {}

  Floats taylor(const Floats& x, const Floats& parameters, const std::vector<int>& orders,
                const Floats& vectors) const {
    const index n = samples_of(x);
    const Directions<T> directions = directions_of(n, orders, vectors);
    Floats y(device_, {directions.n_planes(), n, network_->n_out()});
    const auto theta = parameters.in("parameters", network_->n_parameters());
    const py::gil_scoped_release release;
    if (n > 0) network_->taylor(n, x.in(), theta, directions, y.out());
    return y;
  }

  std::pair<Floats, Floats> taylor_vjp(const Floats& x, const Floats& parameters,
                                       const std::vector<int>& orders, const Floats& vectors,
                                       const Floats& cotangents, bool by_x) const {
    const index n = samples_of(x);
    const Directions<T> directions = directions_of(n, orders, vectors);
    const auto theta = parameters.in("parameters", network_->n_parameters());
    const auto cy = cotangents.in("cotangents", directions.n_planes() * n * network_->n_out());
    Floats by_parameters(device_, {network_->n_parameters()});
    Floats by_input(device_, {by_x ? n : index{0}, network_->n_in()});
    const py::gil_scoped_release release;
    if (n > 0) {
      network_->taylor_vjp(n, x.in(), theta, directions, cy, by_parameters.out(), by_input.out());
    } else {
      const std::vector<T> zeros(static_cast<std::size_t>(network_->n_parameters()));
      device_->upload(zeros.data(), by_parameters.out().data(), by_parameters.out().size_bytes());
    }
    return {std::move(by_parameters), std::move(by_input)};
  }

  Floats jvp(const Floats& x, const Floats& parameters, const Floats& tangent) const {
    const index n = samples_of(x);
    const auto theta = parameters.in("parameters", network_->n_parameters());
    const auto v = tangent.in("parameter_tangent", network_->n_parameters());
    Floats y(device_, {n, network_->n_out()});
    const py::gil_scoped_release release;
    if (n > 0) network_->jvp(n, x.in(), theta, v, y.out());
    return y;
  }

  std::pair<double, Floats> mean_squared_error(const Floats& x, const Floats& parameters,
                                               const Floats& target) const {
    const index n = samples_of(x);
    const auto theta = parameters.in("parameters", network_->n_parameters());
    const auto wanted = target.in("target", n * network_->n_out());
    Floats gradient(device_, {network_->n_parameters()});
    const py::gil_scoped_release release;
    const double loss = network_->mean_squared_error(n, x.in(), theta, wanted, gradient.out());
    return {loss, std::move(gradient)};
  }

  // As `reduce` of a Network.
  std::tuple<std::vector<std::tuple<double, double>>, Floats, std::vector<Floats>> reduce(
      const Terms<PointLoss>& bound, const std::vector<double>& factors, const Floats& parameters,
      const std::vector<double>& unknowns, bool gradient,
      const std::vector<bool>& components) const {
    if (factors.size() != bound.size() || components.size() != bound.size()) {
      throw py::value_error("expected as many factors and choices of components as terms");
    }
    const auto terms = terms_of(bound);
    const auto theta = parameters.in("parameters", network_->n_parameters());
    std::vector<Floats> arrays;
    std::vector<std::span<T>> outputs;
    for (std::size_t i = 0; i < terms.size(); ++i) {
      const index n_components = components[i] ? terms[i].formula->n_components() : 0;
      arrays.emplace_back(device_,
                          std::vector<index>{components[i] ? terms[i].n : index{0}, n_components});
      outputs.push_back(arrays.back().out());
    }
    Floats by_all(device_, {gradient ? columns(unknowns) : index{0}});
    std::vector<TermSums> sums(terms.size());
    std::vector<std::tuple<double, double>> results;
    const py::gil_scoped_release release;
    network_->reduce(terms, factors, theta, unknowns, sums, by_all.out(), outputs);
    for (const TermSums& sum : sums) results.emplace_back(sum.loss, sum.largest);
    return {std::move(results), std::move(by_all), std::move(arrays)};
  }

  std::pair<Floats, Floats> rows(const Terms<PointRows>& bound, const std::vector<double>& scales,
                                 const Floats& parameters, const std::vector<double>& unknowns,
                                 bool jacobian) const {
    const auto terms = rows_of(bound, scales);
    const auto theta = parameters.in("parameters", network_->n_parameters());
    const index n = n_rows(terms);
    Floats values(device_, {n});
    Floats derivatives(device_, {jacobian ? n : index{0}, columns(unknowns)});
    const py::gil_scoped_release release;
    network_->rows(terms, scales, theta, unknowns, values.out(), derivatives.out());
    return {std::move(values), std::move(derivatives)};
  }

  Floats push(const Terms<PointRows>& bound, const std::vector<double>& scales,
              const Floats& parameters, const std::vector<double>& unknowns,
              const Floats& direction) const {
    const auto terms = rows_of(bound, scales);
    const auto theta = parameters.in("parameters", network_->n_parameters());
    const auto v = direction.in("direction", columns(unknowns));
    Floats products(device_, {n_rows(terms)});
    const py::gil_scoped_release release;
    network_->push(terms, scales, theta, unknowns, v, products.out());
    return products;
  }

  Floats pull(const Terms<PointRows>& bound, const std::vector<double>& scales,
              const Floats& parameters, const std::vector<double>& unknowns,
              const Floats& cotangent) const {
    const auto terms = rows_of(bound, scales);
    const auto theta = parameters.in("parameters", network_->n_parameters());
    const auto u = cotangent.in("cotangent", n_rows(terms));
    Floats gradient(device_, {columns(unknowns)});
    const py::gil_scoped_release release;
    network_->pull(terms, scales, theta, unknowns, u, gradient.out());
    return gradient;
  }

  Array<double> triangle(const Terms<PointRows>& bound, const std::vector<double>& scales,
                         const Floats& parameters, const std::vector<double>& unknowns,
                         std::size_t first_layer) const {
    const auto terms = rows_of(bound, scales);
    const auto theta = parameters.in("parameters", network_->n_parameters());
    const index n =
        network_->n_parameters_from(first_layer) + static_cast<index>(unknowns.size()) + 1;
    Array<double> factor({n, n});
    const auto out = output(factor, "factor", n * n);
    {
      const py::gil_scoped_release release;
      network_->triangle(terms, scales, theta, unknowns, first_layer, out);
    }
    return factor;
  }

 private:
  index columns(const std::vector<double>& unknowns) const {
    return network_->n_parameters() + static_cast<index>(unknowns.size());
  }
  index samples_of(const Floats& x) const {
    if (x.shape().size() != 2 || x.shape()[1] != network_->n_in()) {
      throw py::value_error("x must have the shape (N, " + std::to_string(network_->n_in()) + ")");
    }
    return x.shape()[0];
  }
  Directions<T> directions_of(index n, const std::vector<int>& orders,
                              const Floats& vectors) const {
    const bool one_a_sample = vectors.shape().size() == 3;
    const auto count = static_cast<index>(orders.size());
    return {orders, vectors.in("vectors", count * (one_a_sample ? n : 1) * network_->n_in()),
            one_a_sample};
  }
  template <class Formula>
  std::vector<TermOf<T, Formula>> terms_of(const Terms<Formula>& bound) const {
    if (bound.empty()) throw py::value_error("expected a term");
    std::vector<TermOf<T, Formula>> terms;
    for (const auto* const term : bound) {
      if (term == nullptr) throw py::type_error("a term must not be None");
      if (term->n_in() != network_->n_in()) {
        throw py::value_error("x must have the shape (N, " + std::to_string(network_->n_in()) +
                              ")");
      }
      terms.push_back(term->term());
    }
    return terms;
  }
  std::vector<RowTerm<T>> rows_of(const Terms<PointRows>& bound,
                                  const std::vector<double>& scales) const {
    if (scales.size() != bound.size()) throw py::value_error("expected as many scales as terms");
    return terms_of(bound);
  }
  static index n_rows(const std::vector<RowTerm<T>>& terms) {
    index n = 0;
    for (const auto& term : terms) n += term.n * static_cast<index>(term.formula->n_rows());
    return n;
  }

  std::shared_ptr<Device> device_;
  std::unique_ptr<const DeviceNetwork<T>> network_;
};

template <class T, class Formula>
void bind_term(py::module_& m, const char* name) {
  using Floats = std::vector<BoundArray<T>>;
  py::class_<DeviceTerm<T, Formula>>(m, name, "A term whose arrays are on a device.")
      .def(py::init<const BoundTerm<T, Formula>&, std::optional<BoundArray<index>>, Floats, Floats,
                    Floats>(),
           py::arg("term"), py::arg("rows"), py::arg("x"), py::arg("vectors"), py::arg("columns"));
}

template <class T>
void bind(py::module_& m, const char* name) {
  using Net = BoundDeviceNetwork<T>;
  const auto theta = py::arg("parameters");
  const auto unknowns = py::arg("unknowns");
  py::class_<Net>(m, name, "A network on a device.")
      .def(py::init<std::shared_ptr<Device>, const std::vector<std::shared_ptr<Layer>>&>(),
           py::arg("device"), py::arg("layers"))
      .def("taylor", &Net::taylor, py::arg("x"), theta, py::arg("orders"), py::arg("vectors"))
      .def("taylor_vjp", &Net::taylor_vjp, py::arg("x"), theta, py::arg("orders"),
           py::arg("vectors"), py::arg("cotangents"), py::arg("by_x"))
      .def("jvp", &Net::jvp, py::arg("x"), theta, py::arg("parameter_tangent"))
      .def("mean_squared_error", &Net::mean_squared_error, py::arg("x"), theta, py::arg("target"))
      .def("reduce", &Net::reduce, py::arg("terms"), py::arg("factors"), theta, unknowns,
           py::arg("gradient"), py::arg("components"))
      .def("rows", &Net::rows, py::arg("terms"), py::arg("scales"), theta, unknowns,
           py::arg("jacobian"))
      .def("push", &Net::push, py::arg("terms"), py::arg("scales"), theta, unknowns,
           py::arg("direction"))
      .def("pull", &Net::pull, py::arg("terms"), py::arg("scales"), theta, unknowns,
           py::arg("cotangent"))
      .def("triangle", &Net::triangle, py::arg("terms"), py::arg("scales"), theta, unknowns,
           py::arg("first_layer"));
}

}  // namespace

void bind_device_network(py::module_& m) {
  bind_term<float, PointLoss>(m, "DeviceTermFloat32");
  bind_term<double, PointLoss>(m, "DeviceTermFloat64");
  bind_term<float, PointRows>(m, "DeviceRowTermFloat32");
  bind_term<double, PointRows>(m, "DeviceRowTermFloat64");
  bind<float>(m, "DeviceNetworkFloat32");
  bind<double>(m, "DeviceNetworkFloat64");
}

}  // namespace kanml::bindings
