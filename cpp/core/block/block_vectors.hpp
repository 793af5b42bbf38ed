// Vectors in the memory of a device that runs block programs.
#pragma once

#include <cmath>
#include <memory>
#include <utility>
#include <vector>

#include "block/symmetric.hpp"
#include "block/two_loop.hpp"
#include "block/vectors.hpp"
#include "core/block/for_each.hpp"
#include "kanml/device.hpp"
#include "kanml/device_vectors.hpp"

namespace kanml {

// D is a Device with `limits()` and `launch(program)`, as HostDevice has them. Results do not
// depend on the limits.
template <class T, class D>
class BlockVectors final : public DeviceVectors<T> {
 public:
  explicit BlockVectors(std::shared_ptr<D> device) : device_(std::move(device)) {}

  double dot(std::span<const T> x, std::span<const T> y) const override {
    return total(size_of(x), block::Dot<T>{x.data(), y.data()}).value;
  }
  double max_abs(std::span<const T> x) const override {
    return total(size_of(x), block::MaxAbs<T>{x.data()}).value;
  }

  void fill(double value, std::span<T> out) const override {
    for_each(size_of(out), block::Fill<T>{static_cast<T>(value), out.data()});
  }
  void scaled(double a, std::span<const T> x, std::span<T> out) const override {
    for_each(size_of(x), block::Scaled<T>{static_cast<T>(a), x.data(), out.data()});
  }
  void axpy(double a, std::span<const T> x, std::span<const T> y, std::span<T> out) const override {
    for_each(size_of(x), block::Axpy<T>{a, x.data(), y.data(), out.data()});
  }
  void plus_product(std::span<const T> x, std::span<const T> y, std::span<const T> z,
                    std::span<T> out) const override {
    for_each(size_of(x), block::PlusProduct<T>{x.data(), y.data(), z.data(), out.data()});
  }
  void quotient(std::span<const T> x, std::span<const T> y, std::span<T> out) const override {
    for_each(size_of(x), block::Quotient<T>{x.data(), y.data(), out.data()});
  }

  void adam_direction(const AdamCoefficients& coefficients, std::span<const T> gradient,
                      std::span<const T> first_moment, std::span<const T> second_moment,
                      std::span<T> new_first_moment, std::span<T> new_second_moment,
                      std::span<T> direction) const override {
    const auto updates = static_cast<double>(coefficients.updates);
    for_each(size_of(gradient),
             block::AdamDirection<T>{.rate = coefficients.learning_rate,
                                     .beta1 = coefficients.beta1,
                                     .beta2 = coefficients.beta2,
                                     .eps = coefficients.eps,
                                     .correction1 = 1 - std::pow(coefficients.beta1, updates),
                                     .correction2 = 1 - std::pow(coefficients.beta2, updates),
                                     .gradient = gradient.data(),
                                     .first_moment = first_moment.data(),
                                     .second_moment = second_moment.data(),
                                     .new_first_moment = new_first_moment.data(),
                                     .new_second_moment = new_second_moment.data(),
                                     .direction = direction.data()});
  }

  void two_loop(std::span<const CurvaturePair<T>> pairs, std::span<const T> diagonal,
                std::span<const T> gradient, std::span<T> direction) const override {
    const std::size_t count = pairs.size();
    const block::Parts parts = block::parts_of(size_of(gradient));
    DeviceArray<block::TwoLoopNumbers> numbers(device_, static_cast<index>(count));
    DeviceArray<block::TwoLoopSums> some_sums(device_, parts.count);
    DeviceArray<block::TwoLoopSums> other_sums(device_, parts.count);
    block::TwoLoopSums* sums = some_sums.data();
    block::TwoLoopSums* next_sums = other_sums.data();

    const auto launch = [&](block::TwoLoopStep<T> step) {
      step.parts = parts;
      step.q = direction.data();
      step.sums = sums;
      step.next_sums = next_sums;
      step.blocks = blocks_for(parts.count);
      step.threads = threads();
      device_->launch(step);
      std::swap(sums, next_sums);
    };
    // Pairs are met from the newest to the oldest, and then back. A launch multiplies with what the
    // next one needs, here when `left` pairs are left on the way there.
    const auto launch_there = [&](block::TwoLoopStep<T> step, std::size_t left) {
      if (left > 0) {
        step.next_vector = pairs[left - 1].step.data();
        step.next_change = pairs[left - 1].gradient_change.data();
      } else {
        step.diagonal = diagonal.data();
        step.next_vector = count > 0 ? pairs[0].gradient_change.data() : nullptr;
      }
      launch(step);
    };

    launch_there({.gradient = gradient.data()}, count);
    for (std::size_t i = count; i-- > 0;) {
      launch_there({.numbers = numbers.data() + i, .vector = pairs[i].gradient_change.data()}, i);
    }
    for (std::size_t i = 0; i < count; ++i) {
      const bool last = i + 1 == count;
      launch({.numbers = numbers.data() + i,
              .back = true,
              .vector = pairs[i].step.data(),
              .next_vector = last ? nullptr : pairs[i + 1].gradient_change.data()});
    }
  }

  void update_diagonal(std::span<const T> step, std::span<const T> gradient_change,
                       std::span<const T> diagonal, std::span<T> updated) const override {
    const index n = size_of(diagonal);
    const block::ProductsOfPair<T> pair{step.data(), gradient_change.data(), diagonal.data()};
    DeviceArray<block::PairProducts> sums = part_sums(n, pair);
    device_->launch(block::UpdateDiagonal<T>{.parts = block::parts_of(n),
                                             .sums = sums.data(),
                                             .pair = pair,
                                             .updated = updated.data(),
                                             .blocks = blocks_for_entries(*device_, n),
                                             .threads = threads()});
  }

  void multiple_of_identity(double a, index n, std::span<T> out) const override {
    for_triangle(n, block::MultipleOfIdentity<T>{static_cast<T>(a), out.data()});
  }
  void diagonal(std::span<const T> matrix, std::span<T> out) const override {
    for_each(size_of(out), block::Diagonal<T>{matrix.data(), out.data()});
  }

  void symmetric_product(std::span<const T> matrix, std::span<const T> x,
                         std::span<T> out) const override {
    const block::Triangle triangle{size_of(x)};
    DeviceArray<double> sums(device_, triangle.rows_of_tiles() * triangle.n);
    device_->launch(block::TileProducts<T>{.triangle = triangle,
                                           .matrix = matrix.data(),
                                           .x = x.data(),
                                           .sums = sums.data(),
                                           .blocks = blocks_for(triangle.tiles()),
                                           .threads = threads()});
    for_each(triangle.n, block::AddUpTiles<T>{triangle, sums.data(), out.data()});
  }

  bool symmetric_update(double scale, std::span<const T> matrix, const RankTwo<T>& added,
                        std::span<T> out) const override {
    const index n = size_of(added.x);
    for_triangle(n, block::SymmetricUpdate<T>{.scale = scale,
                                              .matrix = matrix.data(),
                                              .x = added.x.data(),
                                              .y = added.y.data(),
                                              .xx = added.xx,
                                              .xy = added.xy,
                                              .yy = added.yy,
                                              .out = out.data()});
    return total(n, block::NotPositive<T>{out.data()}).value == 0;
  }

 private:
  static index size_of(std::span<const T> x) { return static_cast<index>(x.size()); }

  int threads() const { return device_->limits().team.threads(); }
  int blocks_for(index pieces) const { return kanml::blocks_for(*device_, pieces); }

  template <class F>
  void for_each(index n, const F& f) const {
    kanml::for_each(*device_, n, f);
  }

  template <class F>
  void for_triangle(index n, const F& f) const {
    const block::Triangle triangle{n};
    device_->launch(block::ForTriangle<F>{triangle, f, blocks_for(triangle.tiles()), threads()});
  }

  template <class F>
  DeviceArray<typename F::Sum> part_sums(index n, const F& f) const {
    const block::Parts parts = block::parts_of(n);
    DeviceArray<typename F::Sum> sums(device_, parts.count);
    device_->launch(block::PartSums<F>{parts, f, sums.data(), blocks_for(parts.count), threads()});
    return sums;
  }

  // The sum over all entries, brought to the host.
  template <class F>
  typename F::Sum total(index n, const F& f) const {
    const auto sums = part_sums(n, f);
    std::vector<typename F::Sum> parts(static_cast<std::size_t>(sums.size()));
    sums.download(parts);
    typename F::Sum sum{};
    for (const auto& part : parts) sum.add(part);
    return sum;
  }

  std::shared_ptr<D> device_;
};

}  // namespace kanml
