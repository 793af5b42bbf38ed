// The triangular factor of rows, by cuSOLVER.
#pragma once

#include <memory>
#include <span>
#include <utility>

#include "block/panel.hpp"
#include "core/block/for_each.hpp"
#include "kanml/device.hpp"

namespace kanml::cuda {

// The QR factorisation of a matrix in the memory of the current GPU, whose columns lie one after
// the other. It takes the place of the matrix.
class Factorisation {
 public:
  Factorisation(Device& device, index height, index columns);
  ~Factorisation();
  void operator()(double* matrix);

 private:
  struct Handle;
  std::unique_ptr<Handle> handle_;
};

// D is a device that launches block programs.
template <class T, class D>
class CudaTriangle {
 public:
  // See HostTriangle.
  CudaTriangle(const std::shared_ptr<D>& device, index columns, index most_rows)
      : device_(device),
        n_(columns),
        height_(columns + most_rows),
        matrix_(device, columns * height_),
        factorise_(*device, height_, columns) {}

  void fold(index rows, const T* jacobian, index stride, const T* values) {
    const block::FillPanel<T> fill{.n = n_,
                                   .height = height_,
                                   .is_first = std::exchange(is_first_, false),
                                   .rows = rows,
                                   .jacobian = jacobian,
                                   .stride = stride,
                                   .values = values,
                                   .matrix = matrix_.data()};
    for_each(*device_, fill.entries(), fill);
    factorise_(matrix_.data());
  }

  void download(std::span<double> entries) {
    DeviceArray<double> triangle(device_, n_ * n_);
    const block::ReadTriangle read{n_, height_, matrix_.data(), triangle.data()};
    for_each(*device_, read.entries(), read);
    triangle.download(entries);
  }

 private:
  std::shared_ptr<D> device_;
  index n_;
  index height_;
  DeviceArray<double> matrix_;  // (n, height)
  Factorisation factorise_;
  bool is_first_ = true;
};

}  // namespace kanml::cuda
