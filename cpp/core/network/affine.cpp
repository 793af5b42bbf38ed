// Fixed scales and shifts, entry by entry.

#include <algorithm>
#include <stdexcept>

#include "core/network/tile_layer.hpp"
#include "kanml/layers.hpp"

namespace kanml {

namespace {

template <class T>
class AffineTileLayer final : public TileLayer<T> {
 public:
  AffineTileLayer(const std::vector<double>& scale, const std::vector<double>& shift)
      : TileLayer<T>(static_cast<index>(scale.size()), static_cast<index>(scale.size()), false),
        width_(static_cast<int>(scale.size())),
        period_(width_ * std::clamp(most_entries / width_, 1, kernels::tile_size)) {
    for (int s = 0; s < period_ / width_; ++s) {
      scale_.insert(scale_.end(), scale.begin(), scale.end());
      shift_.insert(shift_.end(), shift.begin(), shift.end());
    }
  }

  kernels::Refusal forward(const kernels::ForwardCall<T>& call) const override {
    const int entries = call.samples * width_;
    for (int m = 1; m < call.directions.n_planes; ++m) multiply(entries, call.x[m], call.y[m]);
    const T* const factors = scale_.data();
    const T* const terms = shift_.data();
    for (int first = 0; first < entries; first += period_) {
      const int count = std::min(period_, entries - first);
      const T* const from = call.x[0] + first;
      T* const to = call.y[0] + first;
#pragma omp simd
      for (int i = 0; i < count; ++i) to[i] = factors[i] * from[i] + terms[i];
    }
    return {};
  }
  kernels::Refusal backward(const kernels::BackwardCall<T>& call) const override {
    for (int m = 0; m < call.directions.n_planes && call.x_cotangent != nullptr; ++m) {
      multiply(call.samples * width_, call.y_cotangent[m], call.x_cotangent[m]);
    }
    return {};
  }
  index work() const override { return width_; }
  void describe(Description<T>& network) const override {
    network.add(block::LayerKind::pointwise, width_, width_).entrywise = true;
    for (int p = 0; p < width_; ++p) {
      const auto i = static_cast<std::size_t>(p);
      network.add_function(p, block::PointFunction::affine, scale_[i], shift_[i]);
    }
  }

 private:
  void multiply(int entries, const T* x, T* y) const {
    const T* const factors = scale_.data();
    for (int first = 0; first < entries; first += period_) {
      const int count = std::min(period_, entries - first);
      const T* const from = x + first;
      T* const to = y + first;
#pragma omp simd
      for (int i = 0; i < count; ++i) to[i] = factors[i] * from[i];
    }
  }

  // Entries of several samples that one loop may cover, so that loops of narrow layers are long.
  static constexpr int most_entries = 1024;

  int width_;
  int period_;            // the number of entries after which factors and terms repeat
  std::vector<T> scale_;  // (period)
  std::vector<T> shift_;  // (period)
};

}  // namespace

AffineLayer::AffineLayer(std::vector<double> scale, std::vector<double> shift)
    : scale_(std::move(scale)), shift_(std::move(shift)) {
  if (scale_.size() != shift_.size()) {
    throw std::invalid_argument("scale and shift of an affine layer must have one length");
  }
}

std::unique_ptr<const TileLayer<float>> AffineLayer::in_float() const {
  return std::make_unique<AffineTileLayer<float>>(scale_, shift_);
}
std::unique_ptr<const TileLayer<double>> AffineLayer::in_double() const {
  return std::make_unique<AffineTileLayer<double>>(scale_, shift_);
}

}  // namespace kanml
