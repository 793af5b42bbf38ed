// The kind of parameters for weights of powers of ReLUs.
#pragma once

#include "core/parameters/kind.hpp"
#include "kanml/relu_transform.hpp"

namespace kanml {

// Weights w (inputs, dim, n_out), read as B-spline coefficients u = A^-T w; see relu_transform.hpp.
// So gradients satisfy g_w = A^-1 g_u.
class PowerReluWeights final : public ParameterKind {
 public:
  // Throws std::invalid_argument if the transform is outside the range of double.
  PowerReluWeights(const SplineSpace& space, index inputs, index n_out)
      : ParameterKind(inputs * space.dim() * n_out),
        transform_(space),
        inputs_(inputs),
        n_out_(n_out) {}

  void decode(std::span<const float> stored, std::span<float> read) const override {
    transform_.solve_transpose<float>(inputs_, n_out_, stored, read);
  }
  void decode(std::span<const double> stored, std::span<double> read) const override {
    transform_.solve_transpose<double>(inputs_, n_out_, stored, read);
  }
  void pull_back(std::span<const float>, std::span<const float> read_gradient,
                 std::span<float> stored_gradient) const override {
    transform_.solve<float>(inputs_, n_out_, read_gradient, stored_gradient);
  }
  void pull_back(std::span<const double>, std::span<const double> read_gradient,
                 std::span<double> stored_gradient) const override {
    transform_.solve<double>(inputs_, n_out_, read_gradient, stored_gradient);
  }
  void push_forward(std::span<const float>, std::span<const float> stored_tangent,
                    std::span<float> read_tangent) const override {
    transform_.solve_transpose<float>(inputs_, n_out_, stored_tangent, read_tangent);
  }
  void push_forward(std::span<const double>, std::span<const double> stored_tangent,
                    std::span<double> read_tangent) const override {
    transform_.solve_transpose<double>(inputs_, n_out_, stored_tangent, read_tangent);
  }

 private:
  ReluTransform transform_;
  index inputs_;
  index n_out_;
};

}  // namespace kanml
