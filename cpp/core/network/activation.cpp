// Activation functions, entry by entry.

#include "core/network/tile_layer.hpp"
#include "core/runtime/active_kernels.hpp"
#include "kanml/layers.hpp"
#include "kernels/table.hpp"

namespace kanml {

namespace {

template <class T>
class ActivationTileLayer final : public TileLayer<T> {
 public:
  ActivationTileLayer(index width, ActivationKind kind)
      : TileLayer<T>(width, width, false), view_{width}, kind_(static_cast<std::size_t>(kind)) {}

  kernels::Refusal forward(const kernels::ForwardCall<T>& call) const override {
    return own_kernels().forward[highest_order(call.directions)](view_, call);
  }
  kernels::Refusal backward(const kernels::BackwardCall<T>& call) const override {
    return own_kernels().backward[highest_order(call.directions)](view_, call);
  }
  index kept_bytes(const kernels::Directions& directions) const override {
    return derivatives_bytes(highest_order(directions));
  }
  index scratch_bytes(int /*samples*/, int n_planes) const override {
    return derivatives_bytes(highest_order(n_planes));
  }
  index work() const override { return 20 * view_.width; }
  void describe(Description<T>& network) const override {
    const auto number = block::first_activation + static_cast<int>(kind_);
    network.add(block::LayerKind::pointwise, view_.width, view_.width).entrywise = true;
    for (index p = 0; p < view_.width; ++p) {
      network.add_function(p, static_cast<block::PointFunction>(number), T(1));
    }
  }

 private:
  const kernels::ActivationKernels<T>& own_kernels() const {
    return active_kernels<T>().activations[kind_];
  }
  index derivatives_bytes(std::size_t order) const {
    return own_kernels().derivatives_bytes[order](view_.width);
  }

  kernels::ElementwiseView view_;
  std::size_t kind_;
};

}  // namespace

std::unique_ptr<const TileLayer<float>> ActivationLayer::in_float() const {
  return std::make_unique<ActivationTileLayer<float>>(width_, kind_);
}
std::unique_ptr<const TileLayer<double>> ActivationLayer::in_double() const {
  return std::make_unique<ActivationTileLayer<double>>(width_, kind_);
}

}  // namespace kanml
