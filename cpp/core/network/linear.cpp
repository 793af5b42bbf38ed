// Linear layers.

#include "core/network/parameter_count.hpp"
#include "core/network/tile_layer.hpp"
#include "core/runtime/active_kernels.hpp"
#include "kanml/layers.hpp"
#include "kernels/table.hpp"

namespace kanml {

namespace {

template <class T>
class LinearTileLayer final : public TileLayer<T> {
 public:
  explicit LinearTileLayer(const kernels::DenseView& view)
      : TileLayer<T>(view.n_in, view.n_out, true), view_(view) {}

  kernels::Refusal forward(const kernels::ForwardCall<T>& call) const override {
    return active_kernels<T>().dense_forward(view_, call);
  }
  kernels::Refusal backward(const kernels::BackwardCall<T>& call) const override {
    return active_kernels<T>().dense_backward(view_, call);
  }
  index work() const override { return view_.n_in * view_.n_out; }
  void describe(Description<T>& network) const override {
    network.add(block::LayerKind::linear, view_.n_in, view_.n_out).bias = view_.bias;
  }

 private:
  kernels::DenseView view_;
};

}  // namespace

index LinearLayer::n_parameters() const {
  return parameter_count(n_in_, n_out_) + (bias_ ? n_out_ : 0);
}

std::unique_ptr<const TileLayer<float>> LinearLayer::in_float() const {
  return std::make_unique<LinearTileLayer<float>>(kernels::DenseView{n_in_, n_out_, bias_});
}
std::unique_ptr<const TileLayer<double>> LinearLayer::in_double() const {
  return std::make_unique<LinearTileLayer<double>>(kernels::DenseView{n_in_, n_out_, bias_});
}

}  // namespace kanml
