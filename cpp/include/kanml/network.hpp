// Networks of layers with one flat parameter vector, evaluated in tiles of samples.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <stdexcept>

#include "kanml/buffer.hpp"
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

// What the layers of a network passed on in a call of `taylor`, so that `taylor_vjp` with the same
// arguments need not compute it again. Empty if that would take more than 16 MiB.
template <class T>
class Tape {
 public:
  index size() const { return size_; }
  bool empty() const { return size_ == 0; }
  // Reserves `size` uninitialised elements.
  void resize(index size) {
    if (size > capacity_) {
      storage_.emplace(static_cast<std::size_t>(size) * sizeof(T));
      capacity_ = size;
    }
    size_ = size;
  }
  T* features() const { return static_cast<T*>(storage_->data()); }  // tile by tile; not empty

 private:
  index size_ = 0;
  index capacity_ = 0;
  std::optional<Buffer> storage_;
};

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
              int threads = 0, Tape<T>* tape = nullptr) const;

  // The gradient of sum(cotangents * coefficients) with respect to the parameters and, unless
  // `input_gradient` is empty, to x. A tape, if given, must come from `taylor` with the same
  // samples, parameters and directions.
  void taylor_vjp(index n, std::span<const T> x, std::span<const T> parameters,
                  const Directions<T>& directions,
                  std::span<const T> cotangents,    // (n_planes, n, n_out)
                  std::span<T> parameter_gradient,  // (n_parameters) out
                  std::span<T> input_gradient,      // (n, n_in) out, or empty
                  int threads = 0, const Tape<T>* tape = nullptr) const;

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
