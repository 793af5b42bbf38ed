// The maps between stored parts of a parameter vector and the form that kernels read.
#pragma once

#include <memory>
#include <span>

#include "kanml/spline_space.hpp"

namespace kanml {

// A kind of parameters: it maps numbers that are stored and trained to equally many that kernels
// read. The argument and the result of a map may be the same span.
class ParameterKind {
 public:
  virtual ~ParameterKind() = default;

  index size() const { return size_; }  // of every span

  virtual void decode(std::span<const float> stored, std::span<float> read) const = 0;
  virtual void decode(std::span<const double> stored, std::span<double> read) const = 0;

  // The gradient with respect to what is stored, from that with respect to what kernels read.
  virtual void pull_back(std::span<const float> stored, std::span<const float> read_gradient,
                         std::span<float> stored_gradient) const = 0;
  virtual void pull_back(std::span<const double> stored, std::span<const double> read_gradient,
                         std::span<double> stored_gradient) const = 0;

  // The derivative of what kernels read along a tangent of what is stored.
  virtual void push_forward(std::span<const float> stored, std::span<const float> stored_tangent,
                            std::span<float> read_tangent) const = 0;
  virtual void push_forward(std::span<const double> stored, std::span<const double> stored_tangent,
                            std::span<double> read_tangent) const = 0;

 protected:
  explicit ParameterKind(index size) : size_(size) {}

 private:
  index size_;
};

// A part of the parameters of a layer, or of a network, that has a kind.
struct StoredPart {
  index offset;
  std::shared_ptr<const ParameterKind> kind;
};

// The kind of the coefficients of splines in a basis, for inputs that share a space and all
// outputs, (inputs, dim, n_out). Null if kernels read them as they are stored.
std::shared_ptr<const ParameterKind> coefficients_of(Basis basis, const SplineSpace& space,
                                                     index inputs, index n_out);

}  // namespace kanml
