#include "kanml/network.hpp"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "core/parallel.hpp"
#include "core/space_tables.hpp"
#include "kanml/relu_transform.hpp"
#include "kernels/table.hpp"

namespace kanml {

namespace {

// A gradient is summed over slots of consecutive tiles, in order, whatever the number of threads.
// Each slot has a copy of the gradient, to be cleared and added up: many slots as long as all
// copies stay in cache, a few as long as they stay in the memory budget, else one.
index slots_for(index tiles, index gradient_bytes) {
  constexpr index cached_bytes = index{4} << 20;
  constexpr index budget_bytes = index{32} << 20;
  constexpr index many = 32;
  constexpr index few = 4;
  const index affordable =
      std::max(std::min(many, cached_bytes / std::max<index>(1, gradient_bytes)),
               std::min(few, budget_bytes / std::max<index>(1, gradient_bytes)));
  return std::clamp<index>(affordable, 1, std::max<index>(1, tiles));
}

// Work below this many multiply-adds does not pay for waking threads.
constexpr index serial_work = 50'000;

template <class... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};
template <class... Cases>
Overloaded(Cases...) -> Overloaded<Cases...>;

}  // namespace

index n_in(const Layer& layer) {
  return std::visit(Overloaded{
                        [](const SplineLayer& l) { return static_cast<index>(l.spaces.size()); },
                        [](const LinearLayer& l) { return l.n_in; },
                        [](const ActivationLayer& l) { return l.width; },
                        [](const AffineLayer& l) { return static_cast<index>(l.scale.size()); },
                    },
                    layer);
}

index n_out(const Layer& layer) {
  return std::visit(Overloaded{
                        [](const SplineLayer& l) { return l.n_out; },
                        [](const LinearLayer& l) { return l.n_out; },
                        [](const ActivationLayer& l) { return l.width; },
                        [](const AffineLayer& l) { return static_cast<index>(l.scale.size()); },
                    },
                    layer);
}

index n_parameters(const Layer& layer) {
  return std::visit(Overloaded{
                        [](const SplineLayer& l) {
                          index rows = 0;
                          for (const auto& space : l.spaces) rows += space->dim();
                          return rows * l.n_out;
                        },
                        [](const LinearLayer& l) { return (l.n_in + (l.bias ? 1 : 0)) * l.n_out; },
                        [](const ActivationLayer&) { return index{0}; },
                        [](const AffineLayer&) { return index{0}; },
                    },
                    layer);
}

namespace {

// The Taylor planes of one feature vector on one tile.
template <class T>
struct Planes {
  T* plane[kernels::max_forward_order + 1];
};

// One layer, ready to run on tiles. Parameter pointers are those of the layer's own part.
template <class T>
class TileLayer {
 public:
  virtual ~TileLayer() = default;
  virtual kernels::Refusal forward(int order, int samples, const T* const* x, const T* parameters,
                                   const T* parameter_tangent, T* const* y) const = 0;
  virtual void backward(int samples, const T* const* x, const T* parameters,
                        const T* const* y_cotangent, T* parameter_gradient,
                        T* const* x_cotangent) const = 0;
  virtual index work() const = 0;  // multiply-adds a sample, forwards
};

template <class T>
class SplineTileLayer final : public TileLayer<T> {
 public:
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

  kernels::Refusal forward(int order, int samples, const T* const* x, const T* parameters,
                           const T* parameter_tangent, T* const* y) const override {
    const auto kernel = kernels::table<T>().spline_forward[table_degree()][std::size_t(order)];
    return kernel(view_, samples, x, parameters, parameter_tangent, y);
  }
  void backward(int samples, const T* const* x, const T* parameters, const T* const* y_cotangent,
                T* parameter_gradient, T* const* x_cotangent) const override {
    kernels::table<T>().spline_backward[table_degree()][0](
        view_, samples, x, parameters, y_cotangent, parameter_gradient, x_cotangent);
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
  explicit LinearTileLayer(const LinearLayer& layer)
      : view_{.n_in = layer.n_in, .n_out = layer.n_out, .bias = layer.bias} {}

  kernels::Refusal forward(int order, int samples, const T* const* x, const T* parameters,
                           const T* parameter_tangent, T* const* y) const override {
    kernels::table<T>().linear_forward[std::size_t(order)](view_, samples, x, parameters,
                                                           parameter_tangent, y);
    return {};
  }
  void backward(int samples, const T* const* x, const T* parameters, const T* const* y_cotangent,
                T* parameter_gradient, T* const* x_cotangent) const override {
    kernels::table<T>().linear_backward[0](view_, samples, x, parameters, y_cotangent,
                                           parameter_gradient, x_cotangent);
  }
  index work() const override { return view_.n_in * view_.n_out; }

 private:
  kernels::LinearLayerView<T> view_;
};

template <class T>
class ActivationTileLayer final : public TileLayer<T> {
 public:
  explicit ActivationTileLayer(const ActivationLayer& layer)
      : width_(layer.width), kind_(static_cast<std::size_t>(layer.kind)) {}

  kernels::Refusal forward(int order, int samples, const T* const* x, const T*, const T*,
                           T* const* y) const override {
    kernels::table<T>().activation_forward[kind_][std::size_t(order)](samples * width_, x, y);
    return {};
  }
  void backward(int samples, const T* const* x, const T*, const T* const* y_cotangent, T*,
                T* const* x_cotangent) const override {
    if (x_cotangent == nullptr) return;
    kernels::table<T>().activation_backward[kind_][0](samples * width_, x, y_cotangent,
                                                      x_cotangent);
  }
  index work() const override { return 20 * width_; }

 private:
  index width_;
  std::size_t kind_;
};

template <class T>
class AffineTileLayer final : public TileLayer<T> {
 public:
  explicit AffineTileLayer(const AffineLayer& layer)
      : scale_(layer.scale.begin(), layer.scale.end()),
        shift_(layer.shift.begin(), layer.shift.end()) {
    if (scale_.size() != shift_.size()) {
      throw std::invalid_argument("scale and shift of an affine layer must have one length");
    }
  }

  kernels::Refusal forward(int order, int samples, const T* const* x, const T*, const T*,
                           T* const* y) const override {
    scale_rows(samples, x[0], y[0]);
    for (int s = 0; s < samples; ++s) {
      for (std::size_t p = 0; p < shift_.size(); ++p) y[0][row(s) + p] += shift_[p];
    }
    for (int m = 1; m <= order; ++m) scale_rows(samples, x[m], y[m]);
    return {};
  }
  void backward(int samples, const T* const*, const T*, const T* const* y_cotangent, T*,
                T* const* x_cotangent) const override {
    if (x_cotangent != nullptr) scale_rows(samples, y_cotangent[0], x_cotangent[0]);
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

// The scratch of one thread: the planes between the layers, and their cotangents.
template <class T>
struct Workspace {
  std::vector<T> storage;
  std::vector<Planes<T>> values;      // (layers - 1): what layer l hands to layer l + 1
  std::vector<Planes<T>> cotangents;  // the same, backwards
  Planes<T> ends;                     // planes of the input or output that the caller has not

  Workspace(const std::vector<index>& hidden, index end_width, int order, bool backward) {
    std::size_t size = 0;
    const auto plane_size = [](index width) {
      return static_cast<std::size_t>(width) * kernels::tile_size;
    };
    for (const index width : hidden)
      size += plane_size(width) * (order + 1u + (backward ? 1u : 0u));
    size += 2 * plane_size(end_width);
    storage.resize(size);
    T* next = storage.data();
    const auto take = [&](index width) { return std::exchange(next, next + plane_size(width)); };
    for (const index width : hidden) {
      Planes<T> planes{};
      for (int m = 0; m <= order; ++m) planes.plane[m] = take(width);
      values.push_back(planes);
      if (backward) cotangents.push_back({{take(width)}});
    }
    ends = {{take(end_width), take(end_width)}};
  }
  Workspace(Workspace&&) = default;  // the planes point into the storage, which moves along
};

// The ReLU weights of consecutive inputs of a layer that have one space, and their transform.
struct ReluBlock {
  index offset;  // where they begin in the parameter vector
  index copies;  // inputs
  index n_out;
  std::shared_ptr<const ReluTransform> transform;

  index size() const { return copies * transform->dim() * n_out; }
};

struct Tile {
  index first;
  int samples;
};

index n_tiles(index n) { return (n + kernels::tile_size - 1) / kernels::tile_size; }

Tile tile_at(index tile, index n) {
  const index first = tile * kernels::tile_size;
  return {first, static_cast<int>(std::min<index>(kernels::tile_size, n - first))};
}

}  // namespace

template <class T>
struct Network<T>::Program {
  std::vector<std::unique_ptr<const TileLayer<T>>> layers;
  std::vector<index> offsets;  // (layers): where the parameters of each begin
  std::vector<index> widths;   // (layers + 1): inputs, between the layers, outputs
  std::vector<ReluBlock> relu_blocks;
  index n_parameters = 0;
  index work = 0;

  explicit Program(const std::vector<Layer>& descriptions) {
    if (descriptions.empty()) throw std::invalid_argument("a network needs at least one layer");
    typename SplineTileLayer<T>::TableCache cache;
    widths.push_back(kanml::n_in(descriptions.front()));
    for (const Layer& layer : descriptions) {
      if (kanml::n_in(layer) != widths.back() || kanml::n_out(layer) < 1 || widths.back() < 1) {
        throw std::invalid_argument("layer " + std::to_string(layers.size()) + " takes " +
                                    std::to_string(kanml::n_in(layer)) + " inputs, but receives " +
                                    std::to_string(widths.back()));
      }
      offsets.push_back(n_parameters);
      if (const auto* splines = std::get_if<SplineLayer>(&layer)) add_relu_blocks(*splines);
      n_parameters += kanml::n_parameters(layer);
      widths.push_back(kanml::n_out(layer));
      layers.push_back(
          std::visit(Overloaded{
                         [&](const SplineLayer& l) -> std::unique_ptr<const TileLayer<T>> {
                           return std::make_unique<SplineTileLayer<T>>(l, cache);
                         },
                         [](const LinearLayer& l) -> std::unique_ptr<const TileLayer<T>> {
                           return std::make_unique<LinearTileLayer<T>>(l);
                         },
                         [](const ActivationLayer& l) -> std::unique_ptr<const TileLayer<T>> {
                           return std::make_unique<ActivationTileLayer<T>>(l);
                         },
                         [](const AffineLayer& l) -> std::unique_ptr<const TileLayer<T>> {
                           return std::make_unique<AffineTileLayer<T>>(l);
                         },
                     },
                     layer));
      work += layers.back()->work();
    }
  }

  void add_relu_blocks(const SplineLayer& layer) {
    if (layer.basis != Basis::relu) return;
    index offset = n_parameters;
    const SplineSpace* previous = nullptr;
    for (const auto& space : layer.spaces) {
      if (space.get() == previous) {
        ++relu_blocks.back().copies;
      } else {
        const auto transform = std::make_shared<const ReluTransform>(*space);
        relu_blocks.push_back({offset, 1, layer.n_out, transform});
      }
      previous = space.get();
      offset += space->dim() * layer.n_out;
    }
  }

  // The parameters with B-spline coefficients in the place of ReLU weights: u = A^-T w. `storage`
  // holds them where that is another vector.
  const T* in_splines(std::span<const T> parameters, std::vector<T>& storage) const {
    if (relu_blocks.empty()) return parameters.data();
    storage.assign(parameters.begin(), parameters.end());
    for (const ReluBlock& block : relu_blocks) {
      const std::span<T> part(storage.data() + block.offset, std::size_t(block.size()));
      block.transform->template solve_transpose<T>(block.copies, block.n_out, part, part);
    }
    return storage.data();
  }

  // The gradient by ReLU weights in the place of that by B-spline coefficients: A^-1 g.
  void gradient_by_weights(std::span<T> gradient) const {
    for (const ReluBlock& block : relu_blocks) {
      const std::span<T> part(gradient.data() + block.offset, std::size_t(block.size()));
      block.transform->template solve<T>(block.copies, block.n_out, part, part);
    }
  }

  std::vector<index> hidden() const { return {widths.begin() + 1, widths.end() - 1}; }

  int team(int requested, index n, index tasks) const {
    return n * work < serial_work ? 1 : team_size(requested, tasks);
  }

  std::vector<Workspace<T>> workspaces(int threads, int order, bool backward) const {
    const index end_width = std::max(widths.front(), widths.back());
    std::vector<Workspace<T>> result;
    result.reserve(static_cast<std::size_t>(threads));
    for (int t = 0; t < threads; ++t) result.emplace_back(hidden(), end_width, order, backward);
    return result;
  }

  // Runs one tile through all layers; hidden planes stay in the workspace.
  void forward(int order, const Tile& tile, const Planes<T>& x, const T* parameters,
               const T* parameter_tangent, const Workspace<T>& workspace,
               const Planes<T>& y) const {
    for (std::size_t l = 0; l < layers.size(); ++l) {
      const T* const* in = l == 0 ? x.plane : workspace.values[l - 1].plane;
      T* const* out = l + 1 == layers.size() ? y.plane : workspace.values[l].plane;
      const T* tangent = parameter_tangent == nullptr ? nullptr : parameter_tangent + offsets[l];
      const auto refusal =
          layers[l]->forward(order, tile.samples, in, parameters + offsets[l], tangent, out);
      if (refusal.sample >= 0) {
        const T value = in[0][refusal.sample * widths[l] + refusal.input];
        throw OutsideDomain("layer " + std::to_string(l) + " refuses the value " +
                            std::to_string(value) + " of its input " +
                            std::to_string(refusal.input) + " at sample " +
                            std::to_string(tile.first + refusal.sample) +
                            ": it lies outside the domain, and extrapolation is \"error\"");
      }
    }
  }

  // Carries the cotangent of the outputs back through the layers; adds to the gradient.
  void backward(const Tile& tile, const Planes<T>& x, const T* parameters,
                const Workspace<T>& workspace, const Planes<T>& y_cotangent, T* gradient,
                T* const* x_cotangent) const {
    for (std::size_t l = layers.size(); l-- > 0;) {
      const T* const* in = l == 0 ? x.plane : workspace.values[l - 1].plane;
      const T* const* out =
          l + 1 == layers.size() ? y_cotangent.plane : workspace.cotangents[l].plane;
      T* const* in_cotangent = l == 0 ? x_cotangent : workspace.cotangents[l - 1].plane;
      layers[l]->backward(tile.samples, in, parameters + offsets[l], out, gradient + offsets[l],
                          in_cotangent);
    }
  }

  // Forward, loss and backward in one pass. `loss(tile, y, cotangent)` returns the loss of a tile
  // and writes its cotangent.
  template <class Loss>
  double gradient(index n, const T* x, std::span<const T> given, const Loss& loss,
                  std::span<T> parameter_gradient, T* input_gradient, int requested) const {
    std::vector<T> storage;
    const T* const parameters = in_splines(given, storage);
    const index tiles = n_tiles(n);
    const index slots = slots_for(tiles, n_parameters * static_cast<index>(sizeof(T)));
    const int threads = team(requested, n, slots);
    // One slot sums in place.
    std::vector<T> partial(static_cast<std::size_t>(slots == 1 ? 0 : slots * n_parameters), T(0));
    T* const gradients = slots == 1 ? parameter_gradient.data() : partial.data();
    if (slots == 1) std::fill(parameter_gradient.begin(), parameter_gradient.end(), T(0));
    std::vector<double> partial_loss(static_cast<std::size_t>(slots), 0.0);
    const auto spaces = workspaces(threads, 0, true);

    parallel_for(threads, slots, [&](index slot, int thread) {
      const Workspace<T>& workspace = spaces[static_cast<std::size_t>(thread)];
      T* slot_gradient = gradients + slot * n_parameters;
      double slot_loss = 0.0;
      for (index t = slot * tiles / slots; t < (slot + 1) * tiles / slots; ++t) {
        const Tile tile = tile_at(t, n);
        // Kernels take planes they may write; nothing writes the input.
        const Planes<T> in{{const_cast<T*>(x) + tile.first * widths.front()}};
        const Planes<T> out{{workspace.ends.plane[0]}};
        const Planes<T> cotangent{{workspace.ends.plane[1]}};
        forward(0, tile, in, parameters, nullptr, workspace, out);
        slot_loss += loss(tile, out.plane[0], cotangent.plane[0]);
        T* in_cotangent[] = {
            input_gradient == nullptr ? nullptr : input_gradient + tile.first * widths.front()};
        backward(tile, in, parameters, workspace, cotangent, slot_gradient,
                 input_gradient == nullptr ? nullptr : in_cotangent);
      }
      partial_loss[static_cast<std::size_t>(slot)] = slot_loss;
    });

    for (index i = 0; i < n_parameters && slots > 1; ++i) {
      double sum = 0.0;
      for (index slot = 0; slot < slots; ++slot) {
        sum += static_cast<double>(partial[static_cast<std::size_t>(slot * n_parameters + i)]);
      }
      parameter_gradient[static_cast<std::size_t>(i)] = static_cast<T>(sum);
    }
    gradient_by_weights(parameter_gradient);
    double total = 0.0;
    for (const double slot_loss : partial_loss) total += slot_loss;
    return total;
  }
};

template <class T>
Network<T>::Network(std::vector<Layer> layers)
    : program_(std::make_unique<const Program>(layers)) {}
template <class T>
Network<T>::~Network() = default;
template <class T>
Network<T>::Network(Network&&) noexcept = default;
template <class T>
Network<T>& Network<T>::operator=(Network&&) noexcept = default;

template <class T>
index Network<T>::n_in() const {
  return program_->widths.front();
}
template <class T>
index Network<T>::n_out() const {
  return program_->widths.back();
}
template <class T>
index Network<T>::n_parameters() const {
  return program_->n_parameters;
}

template <class T>
void Network<T>::evaluate(index n, std::span<const T> x, std::span<const T> parameters,
                          std::span<T> y, int threads) const {
  const Program& program = *program_;
  std::vector<T> storage;
  const T* const theta = program.in_splines(parameters, storage);
  const int team = program.team(threads, n, n_tiles(n));
  const auto spaces = program.workspaces(team, 0, false);
  parallel_for(team, n_tiles(n), [&](index t, int thread) {
    const Tile tile = tile_at(t, n);
    const Planes<T> in{{const_cast<T*>(x.data()) + tile.first * n_in()}};
    const Planes<T> out{{y.data() + tile.first * n_out()}};
    program.forward(0, tile, in, theta, nullptr, spaces[static_cast<std::size_t>(thread)], out);
  });
}

template <class T>
void Network<T>::jvp(index n, std::span<const T> x, std::span<const T> parameters,
                     std::span<const T> parameter_tangent, std::span<T> y_tangent,
                     int threads) const {
  const Program& program = *program_;
  std::vector<T> storage;
  std::vector<T> tangent_storage;
  const T* const theta = program.in_splines(parameters, storage);
  const T* const dtheta = program.in_splines(parameter_tangent, tangent_storage);
  const int team = program.team(threads, n, n_tiles(n));
  const auto spaces = program.workspaces(team, 1, false);
  parallel_for(team, n_tiles(n), [&](index t, int thread) {
    const Tile tile = tile_at(t, n);
    const Workspace<T>& workspace = spaces[static_cast<std::size_t>(thread)];
    // The inputs do not move: their plane 1 is zero.
    T* zero = workspace.ends.plane[0];
    std::fill_n(zero, tile.samples * n_in(), T(0));
    const Planes<T> in{{const_cast<T*>(x.data()) + tile.first * n_in(), zero}};
    const Planes<T> out{{workspace.ends.plane[1], y_tangent.data() + tile.first * n_out()}};
    program.forward(1, tile, in, theta, dtheta, workspace, out);
  });
}

template <class T>
void Network<T>::vjp(index n, std::span<const T> x, std::span<const T> parameters,
                     std::span<const T> cotangent, std::span<T> parameter_gradient,
                     std::span<T> input_gradient, int threads) const {
  const auto given = [&](const Tile& tile, const T*, T* tile_cotangent) {
    std::copy_n(cotangent.data() + tile.first * n_out(), tile.samples * n_out(), tile_cotangent);
    return 0.0;
  };
  program_->gradient(n, x.data(), parameters, given, parameter_gradient,
                     input_gradient.empty() ? nullptr : input_gradient.data(), threads);
}

template <class T>
double Network<T>::mean_squared_error(index n, std::span<const T> x, std::span<const T> parameters,
                                      std::span<const T> target, std::span<T> parameter_gradient,
                                      int threads) const {
  const double entries = static_cast<double>(n * n_out());
  const T factor = static_cast<T>(2.0 / entries);
  const auto squared_error = [&](const Tile& tile, const T* y, T* tile_cotangent) {
    const T* wanted = target.data() + tile.first * n_out();
    double sum = 0.0;
    for (index i = 0; i < tile.samples * n_out(); ++i) {
      const T error = y[i] - wanted[i];
      sum += static_cast<double>(error) * static_cast<double>(error);
      tile_cotangent[i] = factor * error;
    }
    return sum;
  };
  return program_->gradient(n, x.data(), parameters, squared_error, parameter_gradient, nullptr,
                            threads) /
         entries;
}

template class Network<float>;
template class Network<double>;

}  // namespace kanml
