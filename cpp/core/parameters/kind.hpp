// How parts of a parameter vector are stored. Kernels read another form of them.
#pragma once

#include <memory>
#include <span>

#include "kanml/spline_space.hpp"

namespace kanml {

// A kind of parameters: how numbers that are stored, and trained, become as many that kernels read.
// What a map reads and what it writes may be the same span.
class ParameterKind {
 public:
  virtual ~ParameterKind() = default;

  index size() const { return size_; }  // of every span

  virtual void decode(std::span<const float> stored, std::span<float> read) const = 0;
  virtual void decode(std::span<const double> stored, std::span<double> read) const = 0;

  // The gradient by what is stored, from that by what is read.
  virtual void pull_back(std::span<const float> stored, std::span<const float> by_read,
                         std::span<float> by_stored) const = 0;
  virtual void pull_back(std::span<const double> stored, std::span<const double> by_read,
                         std::span<double> by_stored) const = 0;

  // How what is read moves when what is stored does.
  virtual void push_forward(std::span<const float> stored, std::span<const float> of_stored,
                            std::span<float> of_read) const = 0;
  virtual void push_forward(std::span<const double> stored, std::span<const double> of_stored,
                            std::span<double> of_read) const = 0;

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

// The kind of the coefficients of splines in a basis: those of some inputs that share a space, with
// all outputs, (inputs, dim, n_out). Null if they are read as they are stored.
std::shared_ptr<const ParameterKind> coefficients_of(Basis basis, const SplineSpace& space,
                                                     index inputs, index n_out);

}  // namespace kanml
