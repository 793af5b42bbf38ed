// Networks of layers with one flat parameter vector, evaluated in tiles of samples.
#pragma once

#include <memory>
#include <span>
#include <stdexcept>

#include "kanml/layers.hpp"

namespace kanml {

// An input of a layer with Extrapolation::error lies outside its domain.
class OutsideDomain : public std::domain_error {
 public:
  using std::domain_error::domain_error;
};

// Directions in the space of the inputs: a sample x moves along the curve x + s v.
template <class T>
struct Directions {
  std::span<const int> orders;  // (M): the highest Taylor order of each, 1 .. max_taylor_order and
                                // at most the degree of every spline layer
  std::span<const T> vectors;   // (M, n_in), or (M, n, n_in) if each sample has its own
  bool one_a_sample = false;

  index n_planes() const {  // order 0 is shared
    index planes = 1;
    for (const int order : orders) planes += order;
    return planes;
  }
};

// terms.hpp
template <class T, class Formula>
struct TermOf;
class PointLoss;
class PointRows;
template <class T>
using Term = TermOf<T, PointLoss>;
template <class T>
using RowTerm = TermOf<T, PointRows>;
struct TermSums;

// An immutable architecture; parameters are an argument of every evaluation. Several threads may
// evaluate one object at once. T is float or double. `threads` is the number of threads to use, 0
// for the default of threads.hpp; the result does not depend on it.
template <class T>
class Network {
 public:
  // Throws std::invalid_argument if widths do not chain, knots coincide once rounded to T, or a
  // layer in the ReLU basis has a transform outside the range of double.
  explicit Network(Layers layers);
  ~Network();
  Network(Network&&) noexcept;
  Network& operator=(Network&&) noexcept;

  index n_in() const;
  index n_out() const;
  index n_parameters() const;
  // Those of the layers from one on, which are the last of the vector. Throws std::invalid_argument
  // if there is no such layer.
  index n_parameters_from(std::size_t layer) const;

  void evaluate(index n,                        // samples
                std::span<const T> x,           // (n, n_in)
                std::span<const T> parameters,  // (n_parameters)
                std::span<T> y,                 // (n, n_out) out
                int threads = 0) const;

  // Taylor coefficients of the outputs along directions: the outputs y_0, followed for each
  // direction by y_1, ..., y_K of y(s) = sum_m y_m s^m, so that m! y_m is the m-th derivative.
  void taylor(index n,
              std::span<const T> x,           // (n, n_in)
              std::span<const T> parameters,  // (n_parameters)
              const Directions<T>& directions,
              std::span<T> coefficients,  // (n_planes, n, n_out) out
              int threads = 0) const;

  // The gradient of sum(cotangents * coefficients) with respect to the parameters and, unless
  // `input_gradient` is empty, to x.
  void taylor_vjp(index n, std::span<const T> x, std::span<const T> parameters,
                  const Directions<T>& directions,
                  std::span<const T> cotangents,    // (n_planes, n, n_out)
                  std::span<T> parameter_gradient,  // (n_parameters) out
                  std::span<T> input_gradient,      // (n, n_in) out, or empty
                  int threads = 0) const;

  // The derivative of the outputs along a direction in parameter space.
  void jvp(index n, std::span<const T> x, std::span<const T> parameters,
           std::span<const T> parameter_tangent,  // (n_parameters)
           std::span<T> y_tangent,                // (n, n_out) out
           int threads = 0) const;

  // The gradient of sum(cotangent * y) with respect to the parameters and, unless `input_gradient`
  // is empty, to the inputs.
  void vjp(index n, std::span<const T> x, std::span<const T> parameters,
           std::span<const T> cotangent,     // (n, n_out)
           std::span<T> parameter_gradient,  // (n_parameters) out
           std::span<T> input_gradient,      // (n, n_in) out, or empty
           int threads = 0) const;

  // The sums of all terms and, unless it is empty, the gradient of sum_i factors[i] * loss_i, in
  // one pass over the samples of all terms.
  void reduce(std::span<const Term<T>> terms,            // at least one
              std::span<const double> factors,           // (terms)
              std::span<const T> parameters,             // (n_parameters)
              std::span<const double> unknowns,          // as many as every term has
              std::span<TermSums> sums,                  // (terms) out
              std::span<T> gradient,                     // (n_parameters + unknowns) out, or empty
              std::span<const std::span<T>> components,  // (terms): (n, n_components) out, or empty
              int threads = 0) const;

  // Rows of least squares and their Jacobian. There is one row for each row of a formula and
  // sample: term by term, sample by sample, row by row of the formula, all times scales[term].
  // Derivatives are those with respect to the parameters, followed by those with respect to the
  // unknowns.

  void rows(std::span<const RowTerm<T>> terms,  // at least one
            std::span<const double> scales,     // (terms)
            std::span<const T> parameters,      // (n_parameters)
            std::span<const double> unknowns,   // as many as every term has
            std::span<T> values,                // (rows) out
            std::span<T> jacobian,              // (rows, n_parameters + unknowns) out, or empty
            int threads = 0) const;

  // The derivative of the rows along a direction, J v.
  void push(std::span<const RowTerm<T>> terms, std::span<const double> scales,
            std::span<const T> parameters, std::span<const double> unknowns,
            std::span<const T> direction,  // (n_parameters + unknowns)
            std::span<T> products,         // (rows) out
            int threads = 0) const;

  // The gradient of sum(cotangent * rows), J^T u.
  void pull(std::span<const RowTerm<T>> terms, std::span<const double> scales,
            std::span<const T> parameters, std::span<const double> unknowns,
            std::span<const T> cotangent,  // (rows)
            std::span<T> gradient,         // (n_parameters + unknowns) out
            int threads = 0) const;

  // The upper triangular factor of the QR factorisation of [J r], n columns of derivatives and the
  // rows themselves. Entries on its diagonal may have any sign. Memory grows with n^2 and not with
  // the number of rows. Derivatives with respect to parameters of layers before `first_layer` are
  // left out; with a high one the way back through the layers is short.
  void triangle(std::span<const RowTerm<T>> terms, std::span<const double> scales,
                std::span<const T> parameters, std::span<const double> unknowns,
                std::size_t first_layer,
                std::span<double> factor,  // (n + 1, n + 1) out
                int threads = 0) const;

  // The mean over samples and outputs of (y - target)^2, and its gradient with respect to the
  // parameters, in one pass over the samples.
  double mean_squared_error(index n, std::span<const T> x, std::span<const T> parameters,
                            std::span<const T> target,        // (n, n_out)
                            std::span<T> parameter_gradient,  // (n_parameters) out
                            int threads = 0) const;

 private:
  struct Implementation;
  std::unique_ptr<const Implementation> implementation_;
};

extern template class Network<float>;
extern template class Network<double>;

}  // namespace kanml
