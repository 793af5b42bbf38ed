// One layer, ready to run on tiles: what it computed once, and its kernels from the table.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/space_tables.hpp"
#include "kanml/network.hpp"
#include "kernels/table.hpp"

namespace kanml {

// Taylor planes of a tile: see kernels/table.hpp. Parameter pointers are those of the layer's own
// part.
template <class T>
class TileLayer {
 public:
  using Directions = kernels::Directions;

  virtual ~TileLayer() = default;
  virtual kernels::Refusal forward(int samples, const Directions& directions, const T* const* x,
                                   const T* parameters, const T* parameter_tangent,
                                   T* const* y) const = 0;
  virtual kernels::Refusal backward(int samples, const Directions& directions, const T* const* x,
                                    const T* parameters, const T* const* y_cotangent,
                                    T* parameter_gradient, T* const* x_cotangent) const = 0;
  virtual index work() const = 0;  // multiply-adds a sample and plane, forwards
};

// The place in a kernel table: the highest order among the directions.
inline std::size_t highest_order(const kernels::Directions& directions) {
  if (directions.count == 0) return 0;
  return static_cast<std::size_t>(
      *std::max_element(directions.orders, directions.orders + directions.count));
}

template <class T>
class SplineTileLayer final : public TileLayer<T> {
 public:
  using typename TileLayer<T>::Directions;
  using TableCache = std::map<const SplineSpace*, std::shared_ptr<const SpaceTables<T>>>;

  SplineTileLayer(const SplineLayer& layer, TableCache& cache) {
    if (layer.spaces.empty()) throw std::invalid_argument("a spline layer needs an input");
    degree_ = layer.spaces.front()->degree();
    index row = 0;
    for (const auto& space : layer.spaces) {
      if (space->degree() != degree_) {
        throw std::invalid_argument("the spaces of a spline layer must have one degree");
      }
      auto& tables = cache[space.get()];
      if (!tables) tables = std::make_shared<const SpaceTables<T>>(*space);
      tables_.push_back(tables);
      views_.push_back(tables->view());
      rows_.push_back(row);
      row += space->dim();
    }
    view_ = {.n_in = static_cast<index>(views_.size()),
             .n_out = layer.n_out,
             .spaces = views_.data(),
             .rows = rows_.data(),
             .extrapolation = layer.extrapolation};
  }

  kernels::Refusal forward(int samples, const Directions& directions, const T* const* x,
                           const T* parameters, const T* parameter_tangent,
                           T* const* y) const override {
    const auto kernel =
        kernels::table<T>().spline_forward[table_degree()][highest_order(directions)];
    return kernel(view_, samples, directions, x, parameters, parameter_tangent, y);
  }
  kernels::Refusal backward(int samples, const Directions& directions, const T* const* x,
                            const T* parameters, const T* const* y_cotangent, T* parameter_gradient,
                            T* const* x_cotangent) const override {
    const auto kernel =
        kernels::table<T>().spline_backward[table_degree()][highest_order(directions)];
    return kernel(view_, samples, directions, x, parameters, y_cotangent, parameter_gradient,
                  x_cotangent);
  }
  index work() const override { return (degree_ + 1) * view_.n_in * (view_.n_out + degree_); }

 private:
  std::size_t table_degree() const { return static_cast<std::size_t>(degree_ - min_degree); }

  int degree_;
  std::vector<std::shared_ptr<const SpaceTables<T>>> tables_;
  std::vector<point::SpaceView<T>> views_;
  std::vector<index> rows_;
  kernels::SplineLayerView<T> view_;
};

template <class T>
class LinearTileLayer final : public TileLayer<T> {
 public:
  using typename TileLayer<T>::Directions;

  explicit LinearTileLayer(const LinearLayer& layer)
      : view_{.n_in = layer.n_in, .n_out = layer.n_out, .bias = layer.bias} {}

  kernels::Refusal forward(int samples, const Directions& directions, const T* const* x,
                           const T* parameters, const T* parameter_tangent,
                           T* const* y) const override {
    kernels::table<T>().linear_forward(view_, samples, directions, x, parameters, parameter_tangent,
                                       y);
    return {};
  }
  kernels::Refusal backward(int samples, const Directions& directions, const T* const* x,
                            const T* parameters, const T* const* y_cotangent, T* parameter_gradient,
                            T* const* x_cotangent) const override {
    kernels::table<T>().linear_backward(view_, samples, directions, x, parameters, y_cotangent,
                                        parameter_gradient, x_cotangent);
    return {};
  }
  index work() const override { return view_.n_in * view_.n_out; }

 private:
  kernels::LinearLayerView<T> view_;
};

template <class T>
class ActivationTileLayer final : public TileLayer<T> {
 public:
  using typename TileLayer<T>::Directions;

  explicit ActivationTileLayer(const ActivationLayer& layer)
      : width_(layer.width), kind_(static_cast<std::size_t>(layer.kind)) {}

  kernels::Refusal forward(int samples, const Directions& directions, const T* const* x, const T*,
                           const T*, T* const* y) const override {
    kernels::table<T>().activation_forward[kind_][highest_order(directions)](samples * width_,
                                                                             directions, x, y);
    return {};
  }
  kernels::Refusal backward(int samples, const Directions& directions, const T* const* x, const T*,
                            const T* const* y_cotangent, T*, T* const* x_cotangent) const override {
    if (x_cotangent == nullptr) return {};
    kernels::table<T>().activation_backward[kind_][highest_order(directions)](
        samples * width_, directions, x, y_cotangent, x_cotangent);
    return {};
  }
  index work() const override { return 20 * width_; }

 private:
  index width_;
  std::size_t kind_;
};

template <class T>
class AffineTileLayer final : public TileLayer<T> {
 public:
  using typename TileLayer<T>::Directions;

  explicit AffineTileLayer(const AffineLayer& layer)
      : scale_(layer.scale.begin(), layer.scale.end()),
        shift_(layer.shift.begin(), layer.shift.end()) {
    if (scale_.size() != shift_.size()) {
      throw std::invalid_argument("scale and shift of an affine layer must have one length");
    }
  }

  kernels::Refusal forward(int samples, const Directions& directions, const T* const* x, const T*,
                           const T*, T* const* y) const override {
    for (int m = 0; m < directions.n_planes; ++m) scale_rows(samples, x[m], y[m]);
    for (int s = 0; s < samples; ++s) {
      for (std::size_t p = 0; p < shift_.size(); ++p) y[0][row(s) + p] += shift_[p];
    }
    return {};
  }
  kernels::Refusal backward(int samples, const Directions& directions, const T* const*, const T*,
                            const T* const* y_cotangent, T*, T* const* x_cotangent) const override {
    for (int m = 0; m < directions.n_planes && x_cotangent != nullptr; ++m) {
      scale_rows(samples, y_cotangent[m], x_cotangent[m]);
    }
    return {};
  }
  index work() const override { return static_cast<index>(scale_.size()); }

 private:
  std::size_t row(int s) const { return static_cast<std::size_t>(s) * scale_.size(); }
  void scale_rows(int samples, const T* x, T* y) const {
    for (int s = 0; s < samples; ++s) {
      for (std::size_t p = 0; p < scale_.size(); ++p) y[row(s) + p] = scale_[p] * x[row(s) + p];
    }
  }

  std::vector<T> scale_;
  std::vector<T> shift_;
};

template <class T>
class EmbeddingTileLayer final : public TileLayer<T> {
 public:
  using typename TileLayer<T>::Directions;

  explicit EmbeddingTileLayer(const EmbeddingLayer& layer)
      : inputs_(layer.inputs),
        features_(layer.features),
        frequencies_(layer.frequencies.begin(), layer.frequencies.end()),
        view_{.n_in = layer.n_in,
              .n_out = static_cast<index>(inputs_.size()),
              .inputs = inputs_.data(),
              .features = features_.data(),
              .frequencies = frequencies_.data()} {
    if (features_.size() != inputs_.size() || frequencies_.size() != inputs_.size()) {
      throw std::invalid_argument("the lists of an embedding layer must have one length");
    }
    for (const index input : inputs_) {
      if (input < 0 || input >= layer.n_in) {
        throw std::invalid_argument("an embedding layer has no input " + std::to_string(input));
      }
    }
  }

  kernels::Refusal forward(int samples, const Directions& directions, const T* const* x, const T*,
                           const T*, T* const* y) const override {
    kernels::table<T>().embedding_forward[highest_order(directions)](view_, samples, directions, x,
                                                                     y);
    return {};
  }
  kernels::Refusal backward(int samples, const Directions& directions, const T* const* x, const T*,
                            const T* const* y_cotangent, T*, T* const* x_cotangent) const override {
    if (x_cotangent == nullptr) return {};
    kernels::table<T>().embedding_backward[highest_order(directions)](view_, samples, directions, x,
                                                                      y_cotangent, x_cotangent);
    return {};
  }
  index work() const override { return 20 * view_.n_out; }

 private:
  std::vector<index> inputs_;
  std::vector<Feature> features_;
  std::vector<T> frequencies_;
  kernels::EmbeddingLayerView<T> view_;
};

}  // namespace kanml
