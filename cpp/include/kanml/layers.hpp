// Layers of networks, as descriptions without parameters.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "kanml/spline_space.hpp"

namespace kanml {

struct StoredPart;  // core/parameters/kind.hpp

template <class T>
class TileLayer;  // core/network/tile_layer.hpp

// One layer. It is immutable, so that networks can share it.
class Layer {
 public:
  virtual ~Layer() = default;

  virtual index n_in() const = 0;
  virtual index n_out() const = 0;
  virtual index n_parameters() const = 0;

  // The highest order of Taylor coefficients for which the layer has derivatives.
  virtual int max_order() const;
  // The parts of its parameters that are stored in another form than kernels read.
  virtual std::vector<StoredPart> stored_parts() const;

  // The layer in a form that can be run, in either scalar type.
  virtual std::unique_ptr<const TileLayer<float>> in_float() const = 0;
  virtual std::unique_ptr<const TileLayer<double>> in_double() const = 0;
};

using Layers = std::vector<std::shared_ptr<const Layer>>;

// y_q = sum_p phi_pq(x_p), where phi_pq is a spline in the space of input p.
// Parameters: coefficients (sum of dims, n_out) in some basis, the functions of input 0 first.
// Each evaluation converts them to B-spline coefficients once and pulls their gradients back. So
// the layer is the same function in every basis, even outside the domain, at the same cost.
class SplineLayer final : public Layer {
 public:
  // One space for each input, all of the same degree.
  SplineLayer(std::vector<std::shared_ptr<const SplineSpace>> spaces, index n_out,
              Extrapolation extrapolation = Extrapolation::linear, Basis basis = Basis::spline,
              std::optional<ActivationKind> base = std::nullopt);

  const std::vector<std::shared_ptr<const SplineSpace>>& spaces() const { return spaces_; }

  index n_in() const override { return static_cast<index>(spaces_.size()); }
  index n_out() const override { return n_out_; }
  index n_parameters() const override;
  int max_order() const override;
  std::vector<StoredPart> stored_parts() const override;
  std::unique_ptr<const TileLayer<float>> in_float() const override;
  std::unique_ptr<const TileLayer<double>> in_double() const override;

 private:
  std::vector<std::shared_ptr<const SplineSpace>> spaces_;
  index n_out_;
  Extrapolation extrapolation_;
  Basis basis_;
  std::optional<ActivationKind> base_;
};

// y = x W + b. Parameters: weights W (n_in, n_out), then the bias b (n_out) if there is one.
class LinearLayer final : public Layer {
 public:
  LinearLayer(index n_in, index n_out, bool bias) : n_in_(n_in), n_out_(n_out), bias_(bias) {}

  bool bias() const { return bias_; }

  index n_in() const override { return n_in_; }
  index n_out() const override { return n_out_; }
  index n_parameters() const override;
  std::unique_ptr<const TileLayer<float>> in_float() const override;
  std::unique_ptr<const TileLayer<double>> in_double() const override;

 private:
  index n_in_;
  index n_out_;
  bool bias_;
};

// y = f(x), entry by entry.
class ActivationLayer final : public Layer {
 public:
  ActivationLayer(index width, ActivationKind kind) : width_(width), kind_(kind) {}

  index n_in() const override { return width_; }
  index n_out() const override { return width_; }
  index n_parameters() const override { return 0; }
  std::unique_ptr<const TileLayer<float>> in_float() const override;
  std::unique_ptr<const TileLayer<double>> in_double() const override;

 private:
  index width_;
  ActivationKind kind_;
};

// y = scale * x + shift, entry by entry, with fixed numbers.
class AffineLayer final : public Layer {
 public:
  AffineLayer(std::vector<double> scale, std::vector<double> shift);  // (width) each

  index n_in() const override { return static_cast<index>(scale_.size()); }
  index n_out() const override { return static_cast<index>(scale_.size()); }
  index n_parameters() const override { return 0; }
  std::unique_ptr<const TileLayer<float>> in_float() const override;
  std::unique_ptr<const TileLayer<double>> in_double() const override;

 private:
  std::vector<double> scale_;
  std::vector<double> shift_;
};

// y_q = x_p, cos(f x_p) or sin(f x_p), with p = inputs[q] and f = frequencies[q].
class EmbeddingLayer final : public Layer {
 public:
  EmbeddingLayer(index n_in,
                 std::vector<index> inputs,         // (n_out): 0 .. n_in - 1
                 std::vector<Feature> features,     // (n_out)
                 std::vector<double> frequencies);  // (n_out), ignored for identities

  index n_in() const override { return n_in_; }
  index n_out() const override { return static_cast<index>(inputs_.size()); }
  index n_parameters() const override { return 0; }
  std::unique_ptr<const TileLayer<float>> in_float() const override;
  std::unique_ptr<const TileLayer<double>> in_double() const override;

 private:
  index n_in_;
  std::vector<index> inputs_;
  std::vector<Feature> features_;
  std::vector<double> frequencies_;
};

}  // namespace kanml
