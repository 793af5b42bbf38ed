// The binding's door for memory facts: arrays arrive with the exact dtype, C-contiguous, aligned
// and of the right size, or the call is refused; nothing is converted or copied.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstdint>
#include <span>
#include <string>

#include "kanml/types.hpp"

namespace kanml::bindings {

namespace py = pybind11;

// Always declared with py::arg(...).noconvert(), so that pybind11 refuses other dtypes and layouts.
template <class T>
using Array = py::array_t<T, py::array::c_style>;

inline void require_size(const py::array& array, const char* name, index size) {
  if (array.size() != size) {
    throw py::value_error(std::string(name) + " has " + std::to_string(array.size()) +
                          " entries, expected " + std::to_string(size));
  }
}

template <class T>
void require_aligned(const Array<T>& array, const char* name) {
  const auto address = reinterpret_cast<std::uintptr_t>(array.data());
  if (array.size() > 0 && address % alignof(T) != 0) {
    throw py::value_error(std::string(name) + " is not aligned: it begins " +
                          std::to_string(address % alignof(T)) + " bytes behind a multiple of " +
                          std::to_string(alignof(T)));
  }
}

template <class T>
std::span<const T> input(const Array<T>& array, const char* name, index size) {
  require_size(array, name, size);
  require_aligned(array, name);
  return {array.data(), static_cast<std::size_t>(array.size())};
}

// Throws ValueError also if the array is read-only.
template <class T>
std::span<T> output(Array<T>& array, const char* name, index size) {
  require_size(array, name, size);
  require_aligned(array, name);
  if (!array.writeable()) throw py::value_error(std::string(name) + " is read-only");
  return {array.mutable_data(), static_cast<std::size_t>(array.size())};
}

}  // namespace kanml::bindings
