// Parameters on a device, in the form in which kernels read them. Where what is stored has another
// form, it is converted on the host.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "core/network/plan.hpp"
#include "kanml/device.hpp"

namespace kanml {

template <class T>
class Stored {
 public:
  Stored(std::shared_ptr<Device> device, const Plan& plan, std::span<const T> stored)
      : device_(std::move(device)), plan_(plan), read_(stored.data()) {
    if (plan_.stored_parts.empty()) return;
    numbers_ = downloaded(stored);
    std::vector<T> storage;
    plan_.decode(std::span<const T>(numbers_), storage);
    read_ = converted_.emplace(device_, std::span<const T>(storage)).data();
  }
  // A direction in the space of parameters; what follows the first `size` numbers stays.
  Stored(const Stored& at, std::span<const T> direction, std::size_t size)
      : device_(at.device_), plan_(at.plan_), read_(direction.data()) {
    if (plan_.stored_parts.empty()) return;
    std::vector<T> numbers = downloaded(direction);
    std::vector<T> storage;
    plan_.push_forward(std::span<const T>(at.numbers_), std::span<const T>(numbers).first(size),
                       storage);
    std::copy_n(storage.begin(), size, numbers.begin());
    read_ = converted_.emplace(device_, std::span<const T>(numbers)).data();
  }

  const T* read() const { return read_; }
  // What is stored, on the host; nothing where kernels read it as it is.
  std::span<const T> numbers() const { return numbers_; }

  // Replaces the gradient with respect to what kernels read by that with respect to what is stored.
  void pull_back(std::span<T> gradient) const {
    if (plan_.stored_parts.empty()) return;
    std::vector<T> numbers = downloaded(gradient);
    plan_.pull_back(std::span<const T>(numbers_), std::span<T>(numbers));
    device_->upload(numbers.data(), gradient.data(), gradient.size_bytes());
  }

 private:
  std::vector<T> downloaded(std::span<const T> array) const {
    std::vector<T> numbers(array.size());
    device_->download(array.data(), numbers.data(), array.size_bytes());
    return numbers;
  }

  std::shared_ptr<Device> device_;
  const Plan& plan_;
  const T* read_;
  std::vector<T> numbers_;  // on the host, if they are converted
  std::optional<DeviceArray<T>> converted_;
};

}  // namespace kanml
