// A base function beside the splines of a layer: y = splines(x) + f(x) W, with one f for all
// inputs.
#pragma once

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "core/network/tile_layer.hpp"
#include "core/runtime/active_kernels.hpp"
#include "kernels/table.hpp"

namespace kanml {

// The parameters are those of the splines, followed by the weights W (n_in, n_out).
template <class T>
class WithBaseFunction final : public TileLayer<T> {
 public:
  WithBaseFunction(std::unique_ptr<const TileLayer<T>> splines, index n_in, index n_out,
                   index n_coefficients, ActivationKind kind)
      : TileLayer<T>(n_in, n_out, true),
        splines_(std::move(splines)),
        n_coefficients_(n_coefficients),
        function_view_{n_in},
        weights_view_{n_in, n_out, false},
        kind_(static_cast<std::size_t>(kind)) {}

  kernels::Refusal forward(const kernels::ForwardCall<T>& call) const override {
    kernels::ForwardCall<T> of_splines = call;
    of_splines.memory.scratch = behind_base(call.memory.scratch, call.directions.n_planes);
    const auto refusal = splines_->forward(of_splines);
    if (refusal.sample < 0) add_base(call);
    return refusal;
  }
  kernels::Refusal backward(const kernels::BackwardCall<T>& call) const override {
    kernels::BackwardCall<T> of_splines = call;
    of_splines.memory.scratch = behind_base(call.memory.scratch, call.directions.n_planes);
    const auto refusal = splines_->backward(of_splines);
    if (refusal.sample < 0) add_gradients_of_base(call);
    return refusal;
  }
  kernels::Refusal values(const kernels::ValuesCall<T>& call) const override {
    kernels::ValuesCall<T> of_splines = call;
    of_splines.scratch = behind_base(call.scratch, 1);
    const auto refusal = splines_->values(of_splines);
    if (refusal.sample >= 0) return refusal;
    return this->in_tiles(call, [&](const kernels::ForwardCall<T>& tile) {
      add_base(tile);
      return kernels::Refusal{};
    });
  }
  kernels::Refusal values_back(const kernels::ValuesBackCall<T>& call) const override {
    kernels::ValuesBackCall<T> of_splines = call;
    of_splines.scratch = behind_base(call.scratch, 1);
    const auto refusal = splines_->values_back(of_splines);
    if (refusal.sample >= 0) return refusal;
    if (call.sink.fresh) {
      T* const gradient = call.sink.gradient + n_coefficients_;
      std::fill(gradient + call.inputs.first * n_out(), gradient + call.inputs.last * n_out(),
                T(0));
    }
    return this->in_tiles(call, [&](const kernels::BackwardCall<T>& tile) {
      add_gradients_of_base(tile);
      return kernels::Refusal{};
    });
  }

  index kept_bytes(const kernels::Directions& directions) const override {
    return splines_->kept_bytes(directions);
  }
  index scratch_bytes(int samples, int n_planes) const override {
    const index derivatives =
        own_kernels().derivatives_bytes[highest_order(n_planes)](function_view_.width);
    return base_bytes(n_planes) + std::max(derivatives, splines_->scratch_bytes(samples, n_planes));
  }
  index contributions() const override { return splines_->contributions(); }
  bool writes_fresh() const override { return splines_->writes_fresh(); }
  int wide_tile() const override { return splines_->wide_tile(); }
  index work() const override { return splines_->work() + n_in() * (20 + n_out()); }
  void describe(Description<T>& network) const override {
    splines_->describe(network);
    auto& record = network.layers.back();
    record.has_base = true;
    record.base = static_cast<ActivationKind>(kind_);
    record.weights = n_coefficients_;
  }

 private:
  index n_in() const { return weights_view_.n_in; }
  index n_out() const { return weights_view_.n_out; }

  // Scratch memory begins with planes of f(x), of its cotangents and of their contribution to those
  // of x, all of the inputs' width, followed by planes of f(x) W.
  index base_bytes(int n_planes) const {
    return n_planes * (3 * n_in() + n_out()) * kernels::tile_size * index{sizeof(T)};
  }
  void* behind_base(void* scratch, int n_planes) const {
    return static_cast<char*>(scratch) + base_bytes(n_planes);
  }
  static std::vector<T*> planes_at(T*& next, int n_planes, index width) {
    std::vector<T*> planes;
    for (int m = 0; m < n_planes; ++m) {
      planes.push_back(std::exchange(next, next + width * kernels::tile_size));
    }
    return planes;
  }

  const kernels::ActivationKernels<T>& own_kernels() const {
    return active_kernels<T>().activations[kind_];
  }

  // Fills planes with f(x), and the memory `kept` with derivatives of f.
  void apply_function(int samples, const kernels::Directions& directions, const T* const* x,
                      T* const* y, void* kept) const {
    own_kernels().forward[highest_order(directions)](function_view_, {.samples = samples,
                                                                      .directions = directions,
                                                                      .x = x,
                                                                      .parameters = nullptr,
                                                                      .parameter_tangent = nullptr,
                                                                      .y = y,
                                                                      .memory = {.kept = kept}});
  }

  // y += f(x) W.
  void add_base(const kernels::ForwardCall<T>& call) const {
    const int n_planes = call.directions.n_planes;
    T* next = static_cast<T*>(call.memory.scratch);
    const auto function = planes_at(next, n_planes, n_in());
    const auto sums = planes_at(next, n_planes, n_out());
    void* const kept = behind_base(call.memory.scratch, n_planes);
    apply_function(call.samples, call.directions, call.x, function.data(), kept);
    kernels::ForwardCall<T> of_weights = call;
    of_weights.x = function.data();
    of_weights.y = sums.data();
    of_weights.parameters += n_coefficients_;
    if (call.parameter_tangent != nullptr) of_weights.parameter_tangent += n_coefficients_;
    active_kernels<T>().dense_forward(weights_view_, of_weights);
    for (int m = 0; m < n_planes; ++m) {
      const T* const sum = sums.data()[m];
      for (index i = 0; i < call.samples * n_out(); ++i) call.y[m][i] += sum[i];
    }
  }

  // Adds to the gradients with respect to W and x.
  void add_gradients_of_base(const kernels::BackwardCall<T>& call) const {
    const int n_planes = call.directions.n_planes;
    T* next = static_cast<T*>(call.memory.scratch);
    const auto function = planes_at(next, n_planes, n_in());
    const auto function_cotangents = planes_at(next, n_planes, n_in());
    const auto x_cotangents = planes_at(next, n_planes, n_in());
    void* const kept = behind_base(call.memory.scratch, n_planes);
    apply_function(call.samples, call.directions, call.x, function.data(), kept);
    const bool to_inputs = call.x_cotangent != nullptr;
    kernels::BackwardCall<T> of_weights = call;
    of_weights.x = function.data();
    of_weights.parameters += n_coefficients_;
    of_weights.sink = call.sink.from(n_coefficients_);
    of_weights.x_cotangent = to_inputs ? function_cotangents.data() : nullptr;
    active_kernels<T>().dense_backward(weights_view_, of_weights);
    if (!to_inputs) return;
    kernels::BackwardCall<T> back = call;
    back.memory = {.kept = kept};
    back.y_cotangent = function_cotangents.data();
    back.x_cotangent = x_cotangents.data();
    own_kernels().backward[highest_order(call.directions)](function_view_, back);
    const auto [first, last] = call.inputs;
    for (int m = 0; m < n_planes; ++m) {
      const T* const sum = x_cotangents.data()[m];
      for (index row = 0; row < call.samples * n_in(); row += n_in()) {
        for (index p = row + first; p < row + last; ++p) call.x_cotangent[m][p] += sum[p];
      }
    }
  }

  std::unique_ptr<const TileLayer<T>> splines_;
  index n_coefficients_;
  kernels::ElementwiseView function_view_;
  kernels::DenseView weights_view_;
  std::size_t kind_;
};

}  // namespace kanml
