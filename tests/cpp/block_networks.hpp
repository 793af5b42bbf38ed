// Networks by block programs on the host, with the calls of Network: arrays go to the device and
// come back.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "core/block/host_network.hpp"
#include "guarded_device.hpp"

extern template class kanml::BlockNetwork<float, GuardedDevice>;
extern template class kanml::BlockNetwork<double, GuardedDevice>;

namespace block_networks {

using kanml::index;

// How work is cut, and whether memory is guarded and watched over.
struct Settings {
  kanml::block::Team team;
  int blocks;
  index slots;
  bool checked;
  std::size_t shared_bytes = 1 << 20;
};

template <class T>
class OnHost {
 public:
  OnHost(kanml::Layers layers, const Settings& settings) {
    if (settings.checked) {
      make<GuardedDevice>(std::move(layers), settings);
    } else {
      make<kanml::HostDevice<false>>(std::move(layers), settings);
    }
  }

  void taylor(index n, std::span<const T> x, std::span<const T> parameters,
              const kanml::Directions<T>& directions, std::span<T> coefficients) const {
    Arrays arrays(device_);
    network_->taylor(n, arrays.in(x), arrays.in(parameters), arrays.in(directions),
                     arrays.out(coefficients));
  }
  void taylor_vjp(index n, std::span<const T> x, std::span<const T> parameters,
                  const kanml::Directions<T>& directions, std::span<const T> cotangents,
                  std::span<T> parameter_gradient, std::span<T> input_gradient) const {
    Arrays arrays(device_);
    network_->taylor_vjp(n, arrays.in(x), arrays.in(parameters), arrays.in(directions),
                         arrays.in(cotangents), arrays.out(parameter_gradient),
                         arrays.out(input_gradient));
  }
  void reduce(std::span<const kanml::Term<T>> terms, std::span<const double> factors,
              std::span<const T> parameters, std::span<const double> unknowns,
              std::span<kanml::TermSums> sums, std::span<T> gradient,
              std::span<const std::span<T>> components) const {
    Arrays arrays(device_);
    std::vector<std::span<T>> of_terms;
    for (const auto& component : components) of_terms.push_back(arrays.out(component));
    network_->reduce(arrays.in(terms), factors, arrays.in(parameters), unknowns, sums,
                     arrays.out(gradient), of_terms);
  }
  void rows(std::span<const kanml::RowTerm<T>> terms, std::span<const double> scales,
            std::span<const T> parameters, std::span<const double> unknowns, std::span<T> values,
            std::span<T> jacobian) const {
    Arrays arrays(device_);
    network_->rows(arrays.in(terms), scales, arrays.in(parameters), unknowns, arrays.out(values),
                   arrays.out(jacobian));
  }
  void push(std::span<const kanml::RowTerm<T>> terms, std::span<const double> scales,
            std::span<const T> parameters, std::span<const double> unknowns,
            std::span<const T> direction, std::span<T> products) const {
    Arrays arrays(device_);
    network_->push(arrays.in(terms), scales, arrays.in(parameters), unknowns, arrays.in(direction),
                   arrays.out(products));
  }
  void pull(std::span<const kanml::RowTerm<T>> terms, std::span<const double> scales,
            std::span<const T> parameters, std::span<const double> unknowns,
            std::span<const T> cotangent, std::span<T> gradient) const {
    Arrays arrays(device_);
    network_->pull(arrays.in(terms), scales, arrays.in(parameters), unknowns, arrays.in(cotangent),
                   arrays.out(gradient));
  }
  void triangle(std::span<const kanml::RowTerm<T>> terms, std::span<const double> scales,
                std::span<const T> parameters, std::span<const double> unknowns,
                std::size_t first_layer, std::span<double> factor) const {
    Arrays arrays(device_);
    network_->triangle(arrays.in(terms), scales, arrays.in(parameters), unknowns, first_layer,
                       factor);
  }

 private:
  template <class Device>
  void make(kanml::Layers layers, const Settings& settings) {
    auto device = std::make_shared<Device>(
        kanml::BlockLimits{settings.team, settings.blocks, settings.slots, settings.shared_bytes});
    network_ = std::make_unique<kanml::BlockNetwork<T, Device>>(device, std::move(layers));
    device_ = std::move(device);
  }

  // The arrays of a call. What it writes is downloaded at the end.
  class Arrays {
   public:
    explicit Arrays(std::shared_ptr<kanml::Device> device) : device_(std::move(device)) {}
    ~Arrays() {
      for (const auto& [from, to] : outputs_) {
        device_->download(from, to.data(), to.size_bytes());
      }
    }

    template <class U>
    std::span<const U> in(std::span<const U> array) {
      if (array.empty()) return {};
      auto owner = std::make_shared<kanml::DeviceArray<U>>(device_, array);
      const std::span<const U> there(owner->data(), array.size());
      owners_.push_back(std::move(owner));
      return there;
    }
    std::span<T> out(std::span<T> array) {
      if (array.empty()) return {};
      const auto size = static_cast<index>(array.size());
      auto owner = std::make_shared<kanml::DeviceArray<T>>(device_, size);
      const std::span<T> there(owner->data(), array.size());
      owners_.push_back(std::move(owner));
      outputs_.emplace_back(there.data(), array);
      return there;
    }
    kanml::Directions<T> in(const kanml::Directions<T>& directions) {
      return {directions.orders, in(directions.vectors), directions.one_a_sample};
    }
    template <class Formula>
    std::vector<kanml::TermOf<T, Formula>> in(std::span<const kanml::TermOf<T, Formula>> terms) {
      std::vector<kanml::TermOf<T, Formula>> there(terms.begin(), terms.end());
      for (auto& term : there) {
        const auto points = term.places.front().x.size() / 2;  // of two inputs
        for (auto& place : term.places) place = {in(place.x), in(place.directions)};
        for (auto& column : term.columns) {
          const auto count = (points - 1) * static_cast<std::size_t>(column.stride) + 1;
          column.first = in(std::span(column.first, count)).data();
        }
        term.rows = in(term.rows);
      }
      return there;
    }

   private:
    std::shared_ptr<kanml::Device> device_;
    std::vector<std::shared_ptr<void>> owners_;
    std::vector<std::pair<const T*, std::span<T>>> outputs_;
  };

  std::shared_ptr<kanml::Device> device_;
  std::unique_ptr<const kanml::DeviceNetwork<T>> network_;
};

}  // namespace block_networks
