// A layer in the form that runs: data computed once, and its kernels from the table.
#pragma once

#include <algorithm>

#include "core/network/description.hpp"
#include "kanml/types.hpp"
#include "kernels/calls.hpp"

namespace kanml {

// Part `number` of `count` parts of a layer.
struct Part {
  index number;
  index count;
};

// A layer processes samples in one of two ways. Taylor planes of at most kernels::tile_size samples
// go forwards, and backwards to both gradients at once. Values without directions may have any
// number of samples, and go backwards in parts that write to different memory.
template <class T>
class TileLayer {
 public:
  virtual ~TileLayer() = default;

  virtual kernels::Refusal forward(const kernels::ForwardCall<T>& call) const = 0;
  // Layers without parameters are given all inputs.
  virtual kernels::Refusal backward(const kernels::BackwardCall<T>& call) const = 0;
  // The memory for what a forward pass can keep of a tile; 0 if it keeps nothing.
  virtual index kept_bytes(const kernels::Directions& /*directions*/) const { return 0; }
  // For tiles of at most `samples` samples: more than kernels::tile_size in calls for values.
  virtual index scratch_bytes(int /*samples*/, int /*n_planes*/) const { return 0; }

  // The numbers of scratch memory that a sink takes for products with a direction.
  virtual index contributions() const { return 0; }

  virtual kernels::Refusal values(const kernels::ValuesCall<T>& call) const {
    return in_tiles(call, [&](const kernels::ForwardCall<T>& tile) { return forward(tile); });
  }
  // Both gradients for a range of inputs. A layer that writes_fresh overwrites a fresh sink; for
  // others it must hold zeros.
  virtual kernels::Refusal values_back(const kernels::ValuesBackCall<T>& call) const {
    return in_tiles(call, [&](const kernels::BackwardCall<T>& tile) { return backward(tile); });
  }
  virtual bool writes_fresh() const { return false; }

  // Each part owns the parameters of some inputs or, if there are no parameters, some samples. It
  // reads the cotangents of all outputs, so there are few parts, and equally many for each thread.
  index parts(int samples, int threads) const {
    if (!has_parameters_) return (samples + samples_of_part - 1) / samples_of_part;
    const index share = threads * inputs_of_part;
    return std::min(input_groups(), threads * ((n_in_ + share - 1) / share));
  }
  kernels::Refusal part_back(Part part, kernels::ValuesBackCall<T> call) const {
    if (has_parameters_) {
      call.inputs = inputs_of(part);
      return values_back(call);
    }
    const auto first = static_cast<int>(part.number * samples_of_part);
    call.inputs = {0, n_in_};
    const auto refusal =
        values_back(for_samples(call, first, std::min(samples_of_part, call.samples - first)));
    return refusal.sample < 0 ? refusal : kernels::Refusal{first + refusal.sample, refusal.input};
  }

  // The best tile size for `values`, or 0 if small tiles are as good.
  virtual int wide_tile() const { return 0; }
  virtual index work() const = 0;  // multiply-adds for each sample and plane, forwards

  // Adds the layer to the description of a network. The layer must outlive it.
  virtual void describe(Description<T>& network) const = 0;

 protected:
  TileLayer(index n_in, index n_out, bool has_parameters)
      : n_in_(n_in), n_out_(n_out), has_parameters_(has_parameters) {}

  // Calls f for one tile after the other, until one is refused.
  template <class F>
  kernels::Refusal in_tiles(const kernels::ValuesCall<T>& call, const F& f) const {
    return in_steps(call.samples, kernels::tile_size, [&](int first, int count) {
      const T* const from = call.x + first * n_in_;
      T* const to = call.y + first * n_out_;
      return f(kernels::ForwardCall<T>{.samples = count,
                                       .directions = {},
                                       .x = &from,
                                       .parameters = call.parameters,
                                       .parameter_tangent = nullptr,
                                       .y = &to,
                                       .memory = {.scratch = call.scratch}});
    });
  }
  template <class F>
  kernels::Refusal in_tiles(const kernels::ValuesBackCall<T>& whole, const F& f) const {
    return in_steps(whole.samples, kernels::tile_size, [&](int first, int count) {
      const auto call = for_samples(whole, first, count);
      return f(kernels::BackwardCall<T>{
          .samples = count,
          .directions = {},
          .inputs = call.inputs,
          .x = &call.x,
          .parameters = call.parameters,
          .y_cotangent = &call.y_cotangent,
          .sink = {.gradient = call.sink.gradient},
          .x_cotangent = call.x_cotangent == nullptr ? nullptr : &call.x_cotangent,
          .memory = {.scratch = call.scratch}});
    });
  }

  // The call restricted to `count` of its samples.
  kernels::ValuesBackCall<T> for_samples(kernels::ValuesBackCall<T> call, int first,
                                         int count) const {
    call.samples = count;
    call.x += first * n_in_;
    call.y_cotangent += first * n_out_;
    if (call.x_cotangent != nullptr) call.x_cotangent += first * n_in_;
    return call;
  }

  // Calls f(first sample, count) in turn, until one is refused.
  template <class F>
  static kernels::Refusal in_steps(int samples, int step, const F& f) {
    for (int first = 0; first < samples; first += step) {
      const kernels::Refusal refusal = f(first, std::min(step, samples - first));
      if (refusal.sample >= 0) return {first + refusal.sample, refusal.input};
    }
    return {};
  }

 private:
  static constexpr index input_group = 16;  // inputs that share a cache line of float stay together
  static constexpr index inputs_of_part = 64;  // at most
  static constexpr int samples_of_part = 4 * kernels::tile_size;

  index input_groups() const { return (n_in_ + input_group - 1) / input_group; }
  kernels::InputRange inputs_of(Part part) const {
    const auto begin = [&](index number) {
      return std::min(n_in_, number * input_groups() / part.count * input_group);
    };
    return {begin(part.number), begin(part.number + 1)};
  }

  index n_in_;
  index n_out_;
  bool has_parameters_;
};

// The highest order among the directions of a call, which selects its kernel.
inline std::size_t highest_order(const kernels::Directions& directions) {
  if (directions.count == 0) return 0;
  return static_cast<std::size_t>(
      *std::max_element(directions.orders, directions.orders + directions.count));
}
// The highest order that a number of planes can have.
inline std::size_t highest_order(int n_planes) {
  return static_cast<std::size_t>(std::min(n_planes - 1, max_taylor_order));
}

}  // namespace kanml
