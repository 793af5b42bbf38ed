// Features of single inputs.

#include <stdexcept>
#include <string>

#include "core/network/tile_layer.hpp"
#include "core/runtime/active_kernels.hpp"
#include "kanml/layers.hpp"
#include "kernels/table.hpp"

namespace kanml {

namespace {

template <class T>
class EmbeddingTileLayer final : public TileLayer<T> {
 public:
  EmbeddingTileLayer(index n_in, const std::vector<index>& inputs,
                     const std::vector<Feature>& features, const std::vector<double>& frequencies)
      : TileLayer<T>(n_in, static_cast<index>(inputs.size()), false),
        inputs_(inputs),
        features_(features),
        frequencies_(frequencies.begin(), frequencies.end()),
        view_{.n_in = n_in,
              .n_out = static_cast<index>(inputs_.size()),
              .inputs = inputs_.data(),
              .features = features_.data(),
              .frequencies = frequencies_.data()} {}

  kernels::Refusal forward(const kernels::ForwardCall<T>& call) const override {
    return active_kernels<T>().embedding.forward[highest_order(call.directions)](view_, call);
  }
  kernels::Refusal backward(const kernels::BackwardCall<T>& call) const override {
    return active_kernels<T>().embedding.backward[highest_order(call.directions)](view_, call);
  }
  index work() const override { return 20 * view_.n_out; }
  void describe(Description<T>& network) const override {
    network.add(block::LayerKind::pointwise, view_.n_in, view_.n_out);
    for (std::size_t q = 0; q < inputs_.size(); ++q) {
      switch (features_[q]) {
        case Feature::identity:
          network.add_function(inputs_[q], block::PointFunction::affine, T(1));
          break;
        case Feature::cosine:
          network.add_function(inputs_[q], block::PointFunction::cosine, frequencies_[q]);
          break;
        case Feature::sine:
          network.add_function(inputs_[q], block::PointFunction::sine, frequencies_[q]);
          break;
      }
    }
  }

 private:
  std::vector<index> inputs_;
  std::vector<Feature> features_;
  std::vector<T> frequencies_;
  kernels::EmbeddingView<T> view_;
};

}  // namespace

EmbeddingLayer::EmbeddingLayer(index n_in, std::vector<index> inputs, std::vector<Feature> features,
                               std::vector<double> frequencies)
    : n_in_(n_in),
      inputs_(std::move(inputs)),
      features_(std::move(features)),
      frequencies_(std::move(frequencies)) {
  if (features_.size() != inputs_.size() || frequencies_.size() != inputs_.size()) {
    throw std::invalid_argument("the lists of an embedding layer must have one length");
  }
  for (const index input : inputs_) {
    if (input < 0 || input >= n_in) {
      throw std::invalid_argument("an embedding layer has no input " + std::to_string(input));
    }
  }
}

std::unique_ptr<const TileLayer<float>> EmbeddingLayer::in_float() const {
  return std::make_unique<EmbeddingTileLayer<float>>(n_in_, inputs_, features_, frequencies_);
}
std::unique_ptr<const TileLayer<double>> EmbeddingLayer::in_double() const {
  return std::make_unique<EmbeddingTileLayer<double>>(n_in_, inputs_, features_, frequencies_);
}

}  // namespace kanml
