#include "kanml/network.hpp"

#include <pybind11/stl.h>

#include <optional>

#include "arrays.hpp"
#include "bindings.hpp"
#include "terms.hpp"

namespace kanml::bindings {

namespace {

template <class T>
index samples_of(const Network<T>& network, const Array<T>& x) {
  if (x.ndim() != 2 || x.shape(1) != network.n_in()) {
    throw py::value_error("x must have the shape (N, " + std::to_string(network.n_in()) + ")");
  }
  return x.shape(0);
}

// Vectors (M, n_in), or (M, n, n_in).
template <class T>
Directions<T> directions_of(const Network<T>& network, index n, const std::vector<int>& orders,
                            const Array<T>& vectors) {
  const bool one_a_sample = vectors.ndim() == 3;
  const auto count = static_cast<index>(orders.size());
  const index size = count * (one_a_sample ? n : 1) * network.n_in();
  return {orders, input(vectors, "vectors", size), one_a_sample};
}

// The sums of terms and, if it is asked for, the gradient of sum_i factors[i] * loss_i; of each
// term for which that is asked, the components at all samples.
template <class T>
using Reduced =
    std::tuple<std::vector<std::tuple<double, double>>, Array<T>, std::vector<Array<T>>>;
template <class T>
Reduced<T> reduce(const Network<T>& net, const std::vector<const BoundTerm<T, PointLoss>*>& bound,
                  const std::vector<double>& factors, const Array<T>& parameters,
                  const std::vector<double>& unknowns, bool gradient,
                  const std::vector<bool>& components, int threads) {
  if (bound.empty() || factors.size() != bound.size() || components.size() != bound.size()) {
    throw py::value_error("expected a term, and as many factors and choices of components");
  }
  const auto theta = input(parameters, "parameters", net.n_parameters());
  const std::vector<Term<T>> terms = terms_of(bound, net.n_in());
  std::vector<std::span<T>> outputs;
  std::vector<Array<T>> arrays;
  for (std::size_t i = 0; i < terms.size(); ++i) {
    const index n_components = components[i] ? terms[i].formula->n_components() : 0;
    Array<T> of_term({components[i] ? terms[i].n : index{0}, n_components});
    outputs.push_back(output(of_term, "components", of_term.size()));
    arrays.push_back(of_term);
  }
  Array<T> by_parameters(gradient ? net.n_parameters() + static_cast<index>(unknowns.size()) : 0);
  const auto by_theta = output(by_parameters, "gradient", by_parameters.size());
  std::vector<TermSums> sums(terms.size());
  {
    py::gil_scoped_release release;
    net.reduce(terms, factors, theta, unknowns, sums, by_theta, outputs, threads);
  }
  std::vector<std::tuple<double, double>> results;
  for (const TermSums& sum : sums) results.emplace_back(sum.loss, sum.largest);
  return {std::move(results), std::move(by_parameters), std::move(arrays)};
}

// Terms of least squares at the parameters and unknowns of a call, checked.
template <class T>
class LeastSquares {
 public:
  using Bound = std::vector<const BoundTerm<T, PointRows>*>;

  LeastSquares(const Network<T>& net, const Bound& bound, const std::vector<double>& scales,
               const Array<T>& parameters, const std::vector<double>& unknowns)
      : net_(net),
        terms_(terms_of(bound, net.n_in())),
        scales_(scales),
        parameters_(input(parameters, "parameters", net.n_parameters())),
        unknowns_(unknowns) {
    if (terms_.empty() || scales.size() != terms_.size()) {
      throw py::value_error("expected a term, and as many scales");
    }
    for (const RowTerm<T>& term : terms_) {
      rows_ += term.n * static_cast<index>(term.formula->n_rows());
    }
  }

  std::tuple<Array<T>, Array<T>> rows(bool jacobian, int threads) const {
    Array<T> values(rows_);
    Array<T> derivatives({jacobian ? rows_ : index{0}, columns()});
    const auto r = output(values, "values", rows_);
    const auto j = output(derivatives, "derivatives", derivatives.size());
    {
      py::gil_scoped_release release;
      net_.rows(terms_, scales_, parameters_, unknowns_, r, j, threads);
    }
    return {std::move(values), std::move(derivatives)};
  }

  Array<T> push(const Array<T>& direction, int threads) const {
    const auto v = input(direction, "direction", columns());
    Array<T> products(rows_);
    const auto out = output(products, "products", rows_);
    py::gil_scoped_release release;
    net_.push(terms_, scales_, parameters_, unknowns_, v, out, threads);
    return products;
  }

  Array<T> pull(const Array<T>& cotangent, int threads) const {
    const auto u = input(cotangent, "cotangent", rows_);
    Array<T> gradient(columns());
    const auto out = output(gradient, "gradient", columns());
    py::gil_scoped_release release;
    net_.pull(terms_, scales_, parameters_, unknowns_, u, out, threads);
    return gradient;
  }

  Array<double> triangle(std::size_t first_layer, int threads) const {
    const index n = net_.n_parameters_from(first_layer) + static_cast<index>(unknowns_.size());
    Array<double> factor({n + 1, n + 1});
    const auto out = output(factor, "factor", factor.size());
    py::gil_scoped_release release;
    net_.triangle(terms_, scales_, parameters_, unknowns_, first_layer, out, threads);
    return factor;
  }

 private:
  index columns() const { return net_.n_parameters() + static_cast<index>(unknowns_.size()); }

  const Network<T>& net_;
  std::vector<RowTerm<T>> terms_;
  const std::vector<double>& scales_;
  std::span<const T> parameters_;
  const std::vector<double>& unknowns_;
  index rows_ = 0;
};

// Binds a function of LeastSquares, whose arguments come between the unknowns and the threads.
template <class T, class Result, class... Arguments, class... Names>
void bind_least_squares(py::class_<Network<T>>& network, const char* name,
                        Result (LeastSquares<T>::*function)(Arguments...) const,
                        const Names&... names) {
  network.def(
      name,
      [function](const Network<T>& net, const typename LeastSquares<T>::Bound& terms,
                 const std::vector<double>& scales, const Array<T>& parameters,
                 const std::vector<double>& unknowns, Arguments... arguments) {
        return (LeastSquares<T>(net, terms, scales, parameters, unknowns).*function)(arguments...);
      },
      py::arg("terms"), py::arg("scales"), py::arg("parameters").noconvert(), py::arg("unknowns"),
      names..., py::arg("threads"));
}

template <class T>
void bind_network_type(py::module_& m, const char* name) {
  using Net = Network<T>;
  py::class_<Net> network(m, name);
  network
      .def(py::init([](const std::vector<std::shared_ptr<Layer>>& layers) {
             return Net({layers.begin(), layers.end()});
           }),
           py::arg("layers"))
      .def_property_readonly("n_in", &Net::n_in)
      .def_property_readonly("n_out", &Net::n_out)
      .def_property_readonly("n_parameters", &Net::n_parameters)
      .def(
          "evaluate",
          [](const Net& net, const Array<T>& x, const Array<T>& parameters, int threads) {
            const index n = samples_of(net, x);
            const auto in = input(x, "x", n * net.n_in());
            const auto theta = input(parameters, "parameters", net.n_parameters());
            Array<T> y({n, net.n_out()});
            const auto out = output(y, "y", n * net.n_out());
            {
              py::gil_scoped_release release;
              net.evaluate(n, in, theta, out, threads);
            }
            return y;
          },
          py::arg("x").noconvert(), py::arg("parameters").noconvert(), py::arg("threads"))
      .def(
          "taylor",
          [](const Net& net, const Array<T>& x, const Array<T>& parameters,
             const std::vector<int>& orders, const Array<T>& vectors, int threads) {
            const index n = samples_of(net, x);
            const auto in = input(x, "x", n * net.n_in());
            const auto theta = input(parameters, "parameters", net.n_parameters());
            const Directions<T> directions = directions_of(net, n, orders, vectors);
            Array<T> y({directions.n_planes(), n, net.n_out()});
            const auto out = output(y, "y", directions.n_planes() * n * net.n_out());
            {
              py::gil_scoped_release release;
              net.taylor(n, in, theta, directions, out, threads);
            }
            return y;
          },
          py::arg("x").noconvert(), py::arg("parameters").noconvert(), py::arg("orders"),
          py::arg("vectors").noconvert(), py::arg("threads"))
      .def(
          "taylor_vjp",
          [](const Net& net, const Array<T>& x, const Array<T>& parameters,
             const std::vector<int>& orders, const Array<T>& vectors, const Array<T>& cotangents,
             bool by_x, int threads) {
            const index n = samples_of(net, x);
            const auto in = input(x, "x", n * net.n_in());
            const auto theta = input(parameters, "parameters", net.n_parameters());
            const Directions<T> directions = directions_of(net, n, orders, vectors);
            const auto cy =
                input(cotangents, "cotangents", directions.n_planes() * n * net.n_out());
            Array<T> by_parameters(net.n_parameters());
            Array<T> by_input({by_x ? n : index{0}, net.n_in()});
            const auto gp = output(by_parameters, "by_parameters", net.n_parameters());
            const auto gx = output(by_input, "by_input", by_input.size());
            {
              py::gil_scoped_release release;
              net.taylor_vjp(n, in, theta, directions, cy, gp, gx, threads);
            }
            return py::make_tuple(by_parameters, by_input);
          },
          py::arg("x").noconvert(), py::arg("parameters").noconvert(), py::arg("orders"),
          py::arg("vectors").noconvert(), py::arg("cotangents").noconvert(), py::arg("by_x"),
          py::arg("threads"))
      .def(
          "jvp",
          [](const Net& net, const Array<T>& x, const Array<T>& parameters,
             const Array<T>& parameter_tangent, int threads) {
            const index n = samples_of(net, x);
            const auto in = input(x, "x", n * net.n_in());
            const auto theta = input(parameters, "parameters", net.n_parameters());
            const auto tangent = input(parameter_tangent, "parameter_tangent", net.n_parameters());
            Array<T> y({n, net.n_out()});
            const auto out = output(y, "y", n * net.n_out());
            {
              py::gil_scoped_release release;
              net.jvp(n, in, theta, tangent, out, threads);
            }
            return y;
          },
          py::arg("x").noconvert(), py::arg("parameters").noconvert(),
          py::arg("parameter_tangent").noconvert(), py::arg("threads"))
      .def("reduce", &reduce<T>, py::arg("terms"), py::arg("factors"),
           py::arg("parameters").noconvert(), py::arg("unknowns"), py::arg("gradient"),
           py::arg("components"), py::arg("threads"))
      .def(
          "mean_squared_error",
          [](const Net& net, const Array<T>& x, const Array<T>& parameters, const Array<T>& target,
             int threads) {
            const index n = samples_of(net, x);
            const auto in = input(x, "x", n * net.n_in());
            const auto theta = input(parameters, "parameters", net.n_parameters());
            const auto wanted = input(target, "target", n * net.n_out());
            Array<T> gradient(net.n_parameters());
            const auto g = output(gradient, "gradient", net.n_parameters());
            double loss = 0.0;
            {
              py::gil_scoped_release release;
              loss = net.mean_squared_error(n, in, theta, wanted, g, threads);
            }
            return py::make_tuple(loss, gradient);
          },
          py::arg("x").noconvert(), py::arg("parameters").noconvert(),
          py::arg("target").noconvert(), py::arg("threads"));
  bind_least_squares(network, "rows", &LeastSquares<T>::rows, py::arg("jacobian"));
  bind_least_squares(network, "push", &LeastSquares<T>::push, py::arg("direction").noconvert());
  bind_least_squares(network, "pull", &LeastSquares<T>::pull, py::arg("cotangent").noconvert());
  bind_least_squares(network, "triangle", &LeastSquares<T>::triangle, py::arg("first_layer"));
}

}  // namespace

void bind_network(py::module_& m) {
  // A type of its own, so that a line search can tell a point too far away from a mistake.
  py::register_exception<OutsideDomain>(m, "OutsideDomain", PyExc_ValueError);

  py::enum_<Basis>(m, "Basis").value("spline", Basis::spline).value("relu", Basis::relu);
  py::enum_<Extrapolation>(m, "Extrapolation")
      .value("linear", Extrapolation::linear)
      .value("polynomial", Extrapolation::polynomial)
      .value("clamp", Extrapolation::clamp)
      .value("error", Extrapolation::error);
#define KANML_VALUE(name) .value(#name, ActivationKind::name)
  py::enum_<ActivationKind>(m, "ActivationKind") KANML_FOR_EACH_ACTIVATION(KANML_VALUE);
#undef KANML_VALUE

  py::class_<Layer, std::shared_ptr<Layer>>(m, "Layer");
  py::class_<SplineLayer, Layer, std::shared_ptr<SplineLayer>>(m, "SplineLayer")
      .def(py::init([](const std::vector<std::shared_ptr<SplineSpace>>& spaces, index n_out,
                       Extrapolation extrapolation, Basis basis,
                       std::optional<ActivationKind> base) {
             return SplineLayer({spaces.begin(), spaces.end()}, n_out, extrapolation, basis, base);
           }),
           py::arg("spaces"), py::arg("n_out"), py::arg("extrapolation"), py::arg("basis"),
           py::arg("base") = py::none());
  py::class_<LinearLayer, Layer, std::shared_ptr<LinearLayer>>(m, "LinearLayer")
      .def(py::init<index, index, bool>(), py::arg("n_in"), py::arg("n_out"), py::arg("bias"));
  py::class_<ActivationLayer, Layer, std::shared_ptr<ActivationLayer>>(m, "ActivationLayer")
      .def(py::init<index, ActivationKind>(), py::arg("width"), py::arg("kind"));
  py::class_<AffineLayer, Layer, std::shared_ptr<AffineLayer>>(m, "AffineLayer")
      .def(py::init<std::vector<double>, std::vector<double>>(), py::arg("scale"),
           py::arg("shift"));

  py::enum_<Feature>(m, "Feature")
      .value("identity", Feature::identity)
      .value("cosine", Feature::cosine)
      .value("sine", Feature::sine);
  py::class_<EmbeddingLayer, Layer, std::shared_ptr<EmbeddingLayer>>(m, "EmbeddingLayer")
      .def(py::init<index, std::vector<index>, std::vector<Feature>, std::vector<double>>(),
           py::arg("n_in"), py::arg("inputs"), py::arg("features"), py::arg("frequencies"));

  bind_network_type<float>(m, "NetworkFloat32");
  bind_network_type<double>(m, "NetworkFloat64");
}

}  // namespace kanml::bindings
