// Layers of splines.

#include <optional>
#include <stdexcept>

#include "core/network/base_function.hpp"
#include "core/network/parameter_count.hpp"
#include "core/network/tile_layer.hpp"
#include "core/parameters/kind.hpp"
#include "core/runtime/active_kernels.hpp"
#include "core/splines/space_tables.hpp"
#include "kanml/layers.hpp"
#include "kernels/table.hpp"

namespace kanml {

namespace {

template <class T>
class SplineTileLayer final : public TileLayer<T> {
 public:
  SplineTileLayer(std::vector<std::shared_ptr<const SplineSpace>> spaces, index n_out,
                  Extrapolation extrapolation)
      : TileLayer<T>(static_cast<index>(spaces.size()), n_out, true),
        degree_(spaces.front()->degree()),
        spaces_(std::move(spaces)) {
    index row = 0;
    index most_intervals = 0;
    for (const auto& space : spaces_) {
      views_.push_back(space->template tables<T>().view());
      rows_.push_back(row);
      row += space->dim();
      most_intervals = std::max(most_intervals, space->intervals());
    }
    view_ = {.n_in = static_cast<index>(views_.size()),
             .n_out = n_out,
             .spaces = views_.data(),
             .rows = rows_.data(),
             .most_intervals = most_intervals,
             .extrapolation = extrapolation};
  }

  kernels::Refusal forward(const kernels::ForwardCall<T>& call) const override {
    return own_kernels().forward[highest_order(call.directions)](view_, call);
  }
  kernels::Refusal backward(const kernels::BackwardCall<T>& call) const override {
    return own_kernels().backward[highest_order(call.directions)](view_, call);
  }
  index kept_bytes(const kernels::Directions& directions) const override {
    return own_kernels().kept_bytes[highest_order(directions)](view_.n_in, directions);
  }
  index contributions() const override {
    return kernels::tile_size * (view_.most_intervals + degree_) * view_.n_out;
  }
  index work() const override { return (degree_ + 1) * view_.n_in * (view_.n_out + degree_); }

  void describe(Description<T>& network) const override {
    auto& record = network.add(block::LayerKind::splines, view_.n_in, view_.n_out);
    record.degree = degree_;
    record.functions = static_cast<std::int32_t>(view_.most_intervals + degree_);
    record.extrapolation = view_.extrapolation;
    for (std::size_t p = 0; p < views_.size(); ++p) network.add_splines(views_[p], rows_[p]);
  }

  // An interval should have several samples, and those of a tile should stay in cache.
  int wide_tile() const override { return wide() ? samples_for(8, 128, 2048) : 0; }
  index scratch_bytes(int samples, int n_planes) const override {
    if (!wide() || samples <= kernels::tile_size) {
      return own_kernels().scratch_bytes(view_.n_in, n_planes);
    }
    return own_kernels().values_scratch_bytes(view_, std::max(samples, samples_for_backward()));
  }
  kernels::Refusal values(const kernels::ValuesCall<T>& call) const override {
    return wide() ? own_kernels().values(view_, call) : TileLayer<T>::values(call);
  }
  kernels::Refusal values_back(const kernels::ValuesBackCall<T>& call) const override {
    if (!wide()) return TileLayer<T>::values_back(call);
    return this->in_steps(call.samples, samples_for_backward(), [&](int first, int count) {
      auto step = this->for_samples(call, first, count);
      step.sink.fresh = call.sink.fresh && first == 0;
      return own_kernels().values_back(view_, step);
    });
  }
  bool writes_fresh() const override { return wide(); }

 private:
  const kernels::SplineKernels<T>& own_kernels() const {
    return active_kernels<T>().splines[static_cast<std::size_t>(degree_ - min_degree)];
  }
  // Sorting pays as soon as outputs fill a few registers.
  bool wide() const { return view_.n_out >= 24; }
  // `most` is the limit for 256 outputs; with more outputs, fewer samples take the same memory.
  int samples_for(index an_interval, index least, index most) const {
    const index affordable = std::max(least, most * 256 / std::max<index>(256, view_.n_out));
    return static_cast<int>(std::clamp(an_interval * view_.most_intervals, least, affordable));
  }
  int samples_for_backward() const { return samples_for(16, 512, 4096); }

  int degree_;
  std::vector<std::shared_ptr<const SplineSpace>> spaces_;
  std::vector<point::SpaceView<T>> views_;
  std::vector<index> rows_;
  kernels::SplineView<T> view_;
};

index n_coefficients(const SplineLayer& layer) {
  index rows = 0;
  for (const auto& space : layer.spaces()) rows += space->dim();
  return parameter_count(rows, layer.n_out());
}

template <class T>
std::unique_ptr<const TileLayer<T>> tile_layer_of(const SplineLayer& layer,
                                                  Extrapolation extrapolation,
                                                  std::optional<ActivationKind> base) {
  auto splines = std::make_unique<SplineTileLayer<T>>(layer.spaces(), layer.n_out(), extrapolation);
  if (!base) return splines;
  return std::make_unique<WithBaseFunction<T>>(std::move(splines), layer.n_in(), layer.n_out(),
                                               n_coefficients(layer), *base);
}

}  // namespace

SplineLayer::SplineLayer(std::vector<std::shared_ptr<const SplineSpace>> spaces, index n_out,
                         Extrapolation extrapolation, Basis basis,
                         std::optional<ActivationKind> base)
    : spaces_(std::move(spaces)),
      n_out_(n_out),
      extrapolation_(extrapolation),
      basis_(basis),
      base_(base) {
  if (spaces_.empty()) throw std::invalid_argument("a spline layer needs an input");
  for (const auto& space : spaces_) {
    if (space->degree() != spaces_.front()->degree()) {
      throw std::invalid_argument("the spaces of a spline layer must have one degree");
    }
  }
}

index SplineLayer::n_parameters() const {
  return n_coefficients(*this) + (base_ ? parameter_count(n_in(), n_out_) : 0);
}

// Derivatives of splines above their degree are zero.
int SplineLayer::max_order() const { return spaces_.front()->degree(); }

std::vector<StoredPart> SplineLayer::stored_parts() const {
  std::vector<StoredPart> parts;
  index offset = 0;
  for (auto first = spaces_.begin(); first != spaces_.end();) {
    const auto last = std::find_if(first, spaces_.end(), [&](auto& s) { return s != *first; });
    if (auto kind = coefficients_of(basis_, **first, last - first, n_out_)) {
      parts.push_back({offset, std::move(kind)});
    }
    offset += (last - first) * (*first)->dim() * n_out_;
    first = last;
  }
  return parts;
}

std::unique_ptr<const TileLayer<float>> SplineLayer::in_float() const {
  return tile_layer_of<float>(*this, extrapolation_, base_);
}
std::unique_ptr<const TileLayer<double>> SplineLayer::in_double() const {
  return tile_layer_of<double>(*this, extrapolation_, base_);
}

}  // namespace kanml
