// One layer, ready to run on tiles: what it computed once, and its kernels from the table.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/runtime/active_kernels.hpp"
#include "core/splines/space_tables.hpp"
#include "kanml/network.hpp"
#include "kernels/table.hpp"

namespace kanml {

// One of so many parts of a layer.
struct Part {
  index number;
  index of;
};

// Memory for the passes of a tile. `kept` is null or has kept_bytes: there a forward pass without
// directions leaves what the backward pass of the same tile would compute again. `scratch` has
// scratch_bytes.
struct TileMemory {
  void* kept = nullptr;
  void* scratch = nullptr;
};

// A layer goes over samples in one of two ways. Taylor planes of at most kernels::tile_size samples
// (see kernels/table.hpp) go forwards, and backwards to both gradients at once. Values alone may be
// of any number of samples, and go backwards in parts which write to different places. Parameter
// pointers are those of the layer's own part.
template <class T>
class TileLayer {
 public:
  using Directions = kernels::Directions;
  using InputRange = kernels::InputRange;

  virtual ~TileLayer() = default;

  virtual kernels::Refusal forward(int samples, const Directions& directions, const T* const* x,
                                   const T* parameters, const T* parameter_tangent, T* const* y,
                                   const TileMemory& memory) const = 0;
  // Layers without parameters are given all inputs.
  virtual kernels::Refusal backward(int samples, const Directions& directions, InputRange inputs,
                                    const T* const* x, const T* parameters,
                                    const T* const* y_cotangent, T* parameter_gradient,
                                    T* const* x_cotangent, const TileMemory& memory) const = 0;
  virtual index kept_bytes() const { return 0; }
  // For tiles of at most so many samples: more than kernels::tile_size in calls of `values`.
  virtual index scratch_bytes(int /*samples*/, int /*n_planes*/) const { return 0; }

  virtual kernels::Refusal values(int samples, const T* x, const T* parameters, T* y,
                                  void* scratch) const {
    return in_tiles(0, samples, [&](int first, int count) {
      const T* const from = x + first * n_in_;
      T* const to = y + first * n_out_;
      return forward(count, {}, &from, parameters, nullptr, &to, {.scratch = scratch});
    });
  }
  // Parts own the parameters of some inputs, or some samples where there are no parameters. Each
  // reads the cotangents of all outputs: parts are few, and as many for every thread.
  index parts(int samples, int threads) const {
    if (!has_parameters_) return (samples + samples_of_part - 1) / samples_of_part;
    const index share = threads * inputs_of_part;
    return std::min(input_groups(), threads * ((n_in_ + share - 1) / share));
  }
  // Where the gradient is fresh, and the layer writes_fresh, the part is written, else added to.
  virtual bool writes_fresh() const { return false; }
  virtual kernels::Refusal backward_part(Part part, int samples, const T* x, const T* parameters,
                                         const T* y_cotangent, T* parameter_gradient, bool,
                                         T* x_cotangent, void* scratch) const {
    const auto begin = static_cast<int>(has_parameters_ ? 0 : part.number * samples_of_part);
    const int end = has_parameters_ ? samples : std::min(samples, begin + samples_of_part);
    const InputRange inputs = has_parameters_ ? inputs_of(part) : InputRange{0, n_in_};
    return in_tiles(begin, end, [&](int first, int count) {
      const T* const from = x + first * n_in_;
      const T* const cotangent = y_cotangent + first * n_out_;
      T* const to = x_cotangent == nullptr ? nullptr : x_cotangent + first * n_in_;
      return backward(count, {}, inputs, &from, parameters, &cotangent, parameter_gradient,
                      x_cotangent == nullptr ? nullptr : &to, {.scratch = scratch});
    });
  }

  // The tile for which `values` is made, if that is how it goes best; else 0.
  virtual int wide_tile() const { return 0; }
  virtual index work() const = 0;  // multiply-adds a sample and plane, forwards

 protected:
  TileLayer(index n_in, index n_out, bool has_parameters)
      : n_in_(n_in), n_out_(n_out), has_parameters_(has_parameters) {}

  InputRange inputs_of(Part part) const {
    const auto begin = [&](index number) {
      return std::min(n_in_, number * input_groups() / part.of * input_group);
    };
    return {begin(part.number), begin(part.number + 1)};
  }

 private:
  static constexpr index input_group = 16;     // what shares a cache line of float stays together
  static constexpr index inputs_of_part = 64;  // or fewer
  static constexpr int samples_of_part = 4 * kernels::tile_size;

  index input_groups() const { return (n_in_ + input_group - 1) / input_group; }

  template <class F>
  static kernels::Refusal in_tiles(int begin, int end, const F& f) {
    for (int first = begin; first < end; first += kernels::tile_size) {
      kernels::Refusal refusal = f(first, std::min(kernels::tile_size, end - first));
      if (refusal.sample >= 0) return {first + refusal.sample, refusal.input};
    }
    return {};
  }

  index n_in_;
  index n_out_;
  bool has_parameters_;
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
  using typename TileLayer<T>::InputRange;
  using TableCache = std::map<const SplineSpace*, std::shared_ptr<const SpaceTables<T>>>;

  SplineTileLayer(const SplineLayer& layer, TableCache& cache)
      : TileLayer<T>(static_cast<index>(layer.spaces.size()), layer.n_out, true) {
    if (layer.spaces.empty()) throw std::invalid_argument("a spline layer needs an input");
    degree_ = layer.spaces.front()->degree();
    index row = 0;
    index most_intervals = 0;
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
      most_intervals = std::max(most_intervals, space->intervals());
    }
    view_ = {.n_in = static_cast<index>(views_.size()),
             .n_out = layer.n_out,
             .spaces = views_.data(),
             .rows = rows_.data(),
             .most_intervals = most_intervals,
             .extrapolation = layer.extrapolation};
  }

  kernels::Refusal forward(int samples, const Directions& directions, const T* const* x,
                           const T* parameters, const T* parameter_tangent, T* const* y,
                           const TileMemory& memory) const override {
    const auto kernel =
        active_kernels<T>().spline_forward[table_degree()][highest_order(directions)];
    return kernel(view_, samples, directions, x, parameters, parameter_tangent, y, memory.kept,
                  static_cast<T*>(memory.scratch));
  }
  kernels::Refusal backward(int samples, const Directions& directions, InputRange inputs,
                            const T* const* x, const T* parameters, const T* const* y_cotangent,
                            T* parameter_gradient, T* const* x_cotangent,
                            const TileMemory& memory) const override {
    const auto kernel =
        active_kernels<T>().spline_backward[table_degree()][highest_order(directions)];
    return kernel(view_, samples, directions, inputs, x, parameters, y_cotangent,
                  parameter_gradient, x_cotangent, memory.kept, static_cast<T*>(memory.scratch));
  }
  // Worthwhile as long as they stay in cache.
  index kept_bytes() const override {
    constexpr index cached = index{128} << 10;
    const index bytes = active_kernels<T>().kept_bytes[table_degree()](view_.n_in);
    return bytes <= cached ? bytes : 0;
  }
  index work() const override { return (degree_ + 1) * view_.n_in * (view_.n_out + degree_); }

  // Worthwhile as soon as outputs fill some registers.
  bool wide() const { return view_.n_out >= 24; }
  // Samples of one interval should be several, and those of a tile stay in cache.
  int wide_tile() const override { return wide() ? samples_for(8, 128, 2048) : 0; }
  index scratch_bytes(int samples, int n_planes) const override {
    if (!wide() || samples <= kernels::tile_size) {
      return n_planes * view_.n_in * kernels::tile_size * index{sizeof(T)};
    }
    const int most = std::max(samples, samples_for_backward());
    return active_kernels<T>().wide_scratch_bytes[table_degree()](view_, most);
  }
  kernels::Refusal values(int samples, const T* x, const T* parameters, T* y,
                          void* scratch) const override {
    if (!wide()) return TileLayer<T>::values(samples, x, parameters, y, scratch);
    const auto kernel = active_kernels<T>().wide_forward[table_degree()];
    return kernel(view_, samples, x, parameters, y, scratch);
  }
  bool writes_fresh() const override { return wide(); }
  kernels::Refusal backward_part(Part part, int samples, const T* x, const T* parameters,
                                 const T* y_cotangent, T* parameter_gradient, bool fresh,
                                 T* x_cotangent, void* scratch) const override {
    if (!wide()) {
      return TileLayer<T>::backward_part(part, samples, x, parameters, y_cotangent,
                                         parameter_gradient, fresh, x_cotangent, scratch);
    }
    const auto kernel = active_kernels<T>().wide_backward[table_degree()];
    const int step = samples_for_backward();
    for (int s = 0; s < samples; s += step) {
      T* const to = x_cotangent == nullptr ? nullptr : x_cotangent + s * view_.n_in;
      const auto refusal = kernel(view_, this->inputs_of(part), std::min(step, samples - s),
                                  x + s * view_.n_in, parameters, y_cotangent + s * view_.n_out,
                                  parameter_gradient, fresh && s == 0, to, scratch);
      if (refusal.sample >= 0) return {s + refusal.sample, refusal.input};
    }
    return {};
  }

 private:
  // `most` is for 256 outputs; of more there are fewer samples, in the same memory.
  int samples_for(index an_interval, index least, index most) const {
    const index affordable = std::max(least, most * 256 / std::max<index>(256, view_.n_out));
    return static_cast<int>(std::clamp(an_interval * view_.most_intervals, least, affordable));
  }
  int samples_for_backward() const { return samples_for(16, 512, 4096); }
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
  using typename TileLayer<T>::InputRange;

  explicit LinearTileLayer(const LinearLayer& layer)
      : TileLayer<T>(layer.n_in, layer.n_out, true),
        view_{.n_in = layer.n_in, .n_out = layer.n_out, .bias = layer.bias} {}

  kernels::Refusal forward(int samples, const Directions& directions, const T* const* x,
                           const T* parameters, const T* parameter_tangent, T* const* y,
                           const TileMemory&) const override {
    active_kernels<T>().linear_forward(view_, samples, directions, x, parameters, parameter_tangent,
                                       y);
    return {};
  }
  kernels::Refusal backward(int samples, const Directions& directions, InputRange inputs,
                            const T* const* x, const T* parameters, const T* const* y_cotangent,
                            T* parameter_gradient, T* const* x_cotangent,
                            const TileMemory&) const override {
    active_kernels<T>().linear_backward(view_, samples, directions, inputs, x, parameters,
                                        y_cotangent, parameter_gradient, x_cotangent);
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
  using typename TileLayer<T>::InputRange;

  explicit ActivationTileLayer(const ActivationLayer& layer)
      : TileLayer<T>(layer.width, layer.width, false),
        width_(layer.width),
        kind_(static_cast<std::size_t>(layer.kind)) {}

  kernels::Refusal forward(int samples, const Directions& directions, const T* const* x, const T*,
                           const T*, T* const* y, const TileMemory&) const override {
    active_kernels<T>().activation_forward[kind_][highest_order(directions)](samples * width_,
                                                                             directions, x, y);
    return {};
  }
  kernels::Refusal backward(int samples, const Directions& directions, InputRange,
                            const T* const* x, const T*, const T* const* y_cotangent, T*,
                            T* const* x_cotangent, const TileMemory&) const override {
    if (x_cotangent == nullptr) return {};
    active_kernels<T>().activation_backward[kind_][highest_order(directions)](
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
  using typename TileLayer<T>::InputRange;

  explicit AffineTileLayer(const AffineLayer& layer)
      : TileLayer<T>(static_cast<index>(layer.scale.size()), static_cast<index>(layer.scale.size()),
                     false),
        width_(static_cast<int>(layer.scale.size())) {
    if (layer.scale.size() != layer.shift.size()) {
      throw std::invalid_argument("scale and shift of an affine layer must have one length");
    }
    // Some samples together make long loops of narrow layers.
    period_ = width_ * std::clamp(most_together / width_, 1, kernels::tile_size);
    for (int s = 0; s < period_ / width_; ++s) {
      scale_.insert(scale_.end(), layer.scale.begin(), layer.scale.end());
      shift_.insert(shift_.end(), layer.shift.begin(), layer.shift.end());
    }
  }

  kernels::Refusal forward(int samples, const Directions& directions, const T* const* x, const T*,
                           const T*, T* const* y, const TileMemory&) const override {
    const int entries = samples * width_;
    for (int m = 1; m < directions.n_planes; ++m) scale(entries, x[m], y[m]);
    const T* const factors = scale_.data();
    const T* const terms = shift_.data();
    for (int first = 0; first < entries; first += period_) {
      const int count = std::min(period_, entries - first);
      const T* const from = x[0] + first;
      T* const to = y[0] + first;
#pragma omp simd
      for (int i = 0; i < count; ++i) to[i] = factors[i] * from[i] + terms[i];
    }
    return {};
  }
  kernels::Refusal backward(int samples, const Directions& directions, InputRange, const T* const*,
                            const T*, const T* const* y_cotangent, T*, T* const* x_cotangent,
                            const TileMemory&) const override {
    for (int m = 0; m < directions.n_planes && x_cotangent != nullptr; ++m) {
      scale(samples * width_, y_cotangent[m], x_cotangent[m]);
    }
    return {};
  }
  index work() const override { return width_; }

 private:
  void scale(int entries, const T* x, T* y) const {
    const T* const factors = scale_.data();
    for (int first = 0; first < entries; first += period_) {
      const int count = std::min(period_, entries - first);
      const T* const from = x + first;
      T* const to = y + first;
#pragma omp simd
      for (int i = 0; i < count; ++i) to[i] = factors[i] * from[i];
    }
  }

  static constexpr int most_together = 1024;

  int width_;
  int period_;            // entries after which factors and terms repeat
  std::vector<T> scale_;  // (period)
  std::vector<T> shift_;  // (period)
};

template <class T>
class EmbeddingTileLayer final : public TileLayer<T> {
 public:
  using typename TileLayer<T>::Directions;
  using typename TileLayer<T>::InputRange;

  explicit EmbeddingTileLayer(const EmbeddingLayer& layer)
      : TileLayer<T>(layer.n_in, static_cast<index>(layer.inputs.size()), false),
        inputs_(layer.inputs),
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
                           const T*, T* const* y, const TileMemory&) const override {
    active_kernels<T>().embedding_forward[highest_order(directions)](view_, samples, directions, x,
                                                                     y);
    return {};
  }
  kernels::Refusal backward(int samples, const Directions& directions, InputRange,
                            const T* const* x, const T*, const T* const* y_cotangent, T*,
                            T* const* x_cotangent, const TileMemory&) const override {
    if (x_cotangent == nullptr) return {};
    active_kernels<T>().embedding_backward[highest_order(directions)](view_, samples, directions, x,
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
