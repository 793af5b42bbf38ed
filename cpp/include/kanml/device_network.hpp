// Networks that are evaluated on a device.
#pragma once

#include <memory>
#include <span>

#include "kanml/device.hpp"
#include "kanml/network.hpp"
#include "kanml/terms.hpp"

namespace kanml {

// Its functions are those of Network. All arrays of type T, and the rows of terms, are in memory of
// the device; what is of type double is in that of the process. Results differ from those of
// Network by rounding; they are the same, bit for bit, on every run. Besides, all functions may
// throw OutOfDeviceMemory.
template <class T>
class DeviceNetwork {
 public:
  virtual ~DeviceNetwork() = default;

  virtual index n_in() const = 0;
  virtual index n_out() const = 0;
  virtual index n_parameters() const = 0;
  virtual index n_parameters_from(std::size_t layer) const = 0;

  virtual void taylor(index n, std::span<const T> x, std::span<const T> parameters,
                      const Directions<T>& directions, std::span<T> coefficients) const = 0;

  virtual void taylor_vjp(index n, std::span<const T> x, std::span<const T> parameters,
                          const Directions<T>& directions, std::span<const T> cotangents,
                          std::span<T> parameter_gradient, std::span<T> input_gradient) const = 0;

  virtual void jvp(index n, std::span<const T> x, std::span<const T> parameters,
                   std::span<const T> parameter_tangent, std::span<T> y_tangent) const = 0;

  virtual double mean_squared_error(index n, std::span<const T> x, std::span<const T> parameters,
                                    std::span<const T> target,
                                    std::span<T> parameter_gradient) const = 0;

  virtual void reduce(std::span<const Term<T>> terms, std::span<const double> factors,
                      std::span<const T> parameters, std::span<const double> unknowns,
                      std::span<TermSums> sums, std::span<T> gradient,
                      std::span<const std::span<T>> components) const = 0;

  virtual void rows(std::span<const RowTerm<T>> terms, std::span<const double> scales,
                    std::span<const T> parameters, std::span<const double> unknowns,
                    std::span<T> values, std::span<T> jacobian) const = 0;

  virtual void push(std::span<const RowTerm<T>> terms, std::span<const double> scales,
                    std::span<const T> parameters, std::span<const double> unknowns,
                    std::span<const T> direction, std::span<T> products) const = 0;

  virtual void pull(std::span<const RowTerm<T>> terms, std::span<const double> scales,
                    std::span<const T> parameters, std::span<const double> unknowns,
                    std::span<const T> cotangent, std::span<T> gradient) const = 0;

  virtual void triangle(std::span<const RowTerm<T>> terms, std::span<const double> scales,
                        std::span<const T> parameters, std::span<const double> unknowns,
                        std::size_t first_layer, std::span<double> factor) const = 0;
};

}  // namespace kanml
