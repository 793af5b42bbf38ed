// Arrays in the memory of devices.
#pragma once

#include <pybind11/stl.h>

#include <memory>
#include <string>
#include <vector>

#include "arrays.hpp"
#include "kanml/device.hpp"

namespace kanml::bindings {

// An array with a shape. Python sees it once it is filled, and cannot change it.
template <class T>
class BoundArray {
 public:
  using Scalar = T;

  // Memory that is still to be filled.
  BoundArray(std::shared_ptr<Device> device, std::vector<index> shape)
      : device_(std::move(device)), shape_(std::move(shape)) {
    auto memory = std::make_shared<DeviceArray<T>>(device_, size());
    data_ = memory->data();
    owner_ = std::move(memory);
  }
  // Memory of the device that belongs to another owner.
  BoundArray(std::shared_ptr<Device> device, std::shared_ptr<void> owner, T* data,
             std::vector<index> shape)
      : device_(std::move(device)), owner_(std::move(owner)), data_(data), shape_(shape) {}

  const std::shared_ptr<Device>& device() const { return device_; }
  const std::vector<index>& shape() const { return shape_; }
  index size() const {
    index size = 1;
    for (const index extent : shape_) size *= extent;
    return size;
  }

  std::span<const T> in() const { return {data_, static_cast<std::size_t>(size())}; }
  std::span<const T> in(const char* name, index expected) const {
    if (size() != expected) {
      throw py::value_error(std::string(name) + " has " + std::to_string(size()) +
                            " entries, expected " + std::to_string(expected));
    }
    return in();
  }
  std::span<T> out() { return {data_, static_cast<std::size_t>(size())}; }

  // The numbers first .. first + count - 1, in the same memory.
  BoundArray part(index first, index count) const {
    if (first < 0 || count < 0 || first > size() || count > size() - first) {
      throw py::index_error(std::to_string(count) + " numbers from number " +
                            std::to_string(first) + " are no part of " + std::to_string(size()));
    }
    return {device_, owner_, data_ + first, {count}};
  }
  BoundArray copied() const {
    BoundArray copy(device_, shape_);
    device_->copy(in().data(), copy.out().data(), in().size_bytes());
    return copy;
  }
  // All of them, in another shape.
  BoundArray reshaped(std::vector<index> shape) const {
    BoundArray found(device_, owner_, data_, std::move(shape));
    if (found.size() != size()) {
      throw py::value_error(std::to_string(size()) + " numbers do not have this shape");
    }
    return found;
  }

 private:
  std::shared_ptr<Device> device_;
  std::shared_ptr<void> owner_;
  T* data_ = nullptr;
  std::vector<index> shape_;
};

}  // namespace kanml::bindings
