// Devices: where block programs run, and the memory that they work on.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>

#include "kanml/types.hpp"

namespace kanml {

// A device has less memory than is needed.
class OutOfDeviceMemory : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// What is launched, and all copies, run one after the other. Functions throw std::runtime_error if
// the device fails.
class Device {
 public:
  virtual ~Device() = default;

  virtual std::string name() const = 0;
  virtual int gpu() const = 0;  // its number, or -1: the memory is that of the process
  virtual std::size_t free_bytes() const = 0;

  // Memory on a boundary of 16 bytes. Throws OutOfDeviceMemory.
  virtual void* allocate(std::size_t bytes) = 0;
  virtual void release(void* memory) noexcept = 0;

  // From memory of the process, into it, and within that of the device.
  virtual void upload(const void* from, void* to, std::size_t bytes) = 0;
  virtual void download(const void* from, void* to, std::size_t bytes) = 0;
  virtual void copy(const void* from, void* to, std::size_t bytes) = 0;

  // Waits for all that was launched, by others too.
  virtual void wait() = 0;
};

// An array in the memory of a device.
template <class T>
class DeviceArray {
 public:
  DeviceArray(std::shared_ptr<Device> device, index size)
      : device_(std::move(device)),
        size_(size),
        data_(static_cast<T*>(device_->allocate(static_cast<std::size_t>(size) * sizeof(T)))) {}
  DeviceArray(std::shared_ptr<Device> device, std::span<const T> numbers)
      : DeviceArray(std::move(device), static_cast<index>(numbers.size())) {
    device_->upload(numbers.data(), data_, numbers.size_bytes());
  }
  ~DeviceArray() {
    if (device_ != nullptr) device_->release(data_);
  }
  DeviceArray(DeviceArray&&) noexcept = default;  // which leaves no device behind
  DeviceArray& operator=(DeviceArray&&) = delete;

  const std::shared_ptr<Device>& device() const { return device_; }
  index size() const { return size_; }
  T* data() { return data_; }
  const T* data() const { return data_; }

  void download(std::span<T> numbers) const {
    device_->download(data_, numbers.data(), numbers.size_bytes());
  }

 private:
  std::shared_ptr<Device> device_;
  index size_;
  T* data_;
};

}  // namespace kanml
