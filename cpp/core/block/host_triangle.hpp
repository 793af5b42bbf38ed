// The triangular factor of rows that a device makes, folded on the host.
#pragma once

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "core/linalg/triangle.hpp"
#include "kanml/device.hpp"

namespace kanml {

template <class T>
class HostTriangle {
 public:
  // Of that many columns, with values the last; no panel has more than `most_rows` rows.
  HostTriangle(std::shared_ptr<Device> device, index columns, index /*most_rows*/)
      : device_(std::move(device)), columns_(columns), triangle_(columns) {}

  // Folds in rows: the last numbers of each row of a Jacobian, and a value.
  void fold(index rows, const T* jacobian, index stride, const T* values) {
    std::vector<T> derivatives(static_cast<std::size_t>(rows * stride));
    std::vector<T> last(static_cast<std::size_t>(rows));
    device_->download(jacobian, derivatives.data(), derivatives.size() * sizeof(T));
    device_->download(values, last.data(), last.size() * sizeof(T));
    std::vector<double> panel;
    panel.reserve(static_cast<std::size_t>(rows * columns_));
    for (index row = 0; row < rows; ++row) {
      const T* const end = derivatives.data() + (row + 1) * stride;
      panel.insert(panel.end(), end - (columns_ - 1), end);
      panel.push_back(static_cast<double>(last[static_cast<std::size_t>(row)]));
    }
    triangle_.fold(rows, panel.data(), columns_, 0);
  }

  void download(std::span<double> entries) const {
    std::ranges::copy(triangle_.entries(), entries.begin());
  }

 private:
  std::shared_ptr<Device> device_;
  index columns_;
  Triangle triangle_;
};

}  // namespace kanml
