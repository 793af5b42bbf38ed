// Checks of arrays at the binding: they must have the exact dtype and size and be C-contiguous and
// aligned, or the call throws. Nothing is converted or copied.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstdint>
#include <span>
#include <string>

#include "kanml/types.hpp"

namespace kanml::bindings {

namespace py = pybind11;

// Always declared with py::arg(...).noconvert(), so that pybind11 rejects other dtypes and layouts.
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

// Also throws ValueError if the array is read-only.
template <class T>
std::span<T> output(Array<T>& array, const char* name, index size) {
  require_size(array, name, size);
  require_aligned(array, name);
  if (!array.writeable()) throw py::value_error(std::string(name) + " is read-only");
  return {array.mutable_data(), static_cast<std::size_t>(array.size())};
}

}  // namespace kanml::bindings
