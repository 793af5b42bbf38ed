// The operations of vector_ops.hpp and symmetric.hpp, and a few that NumPy has for arrays of the
// process, on vectors in the memory of a device. All sums are computed in double, in an order that
// depends only on the length. `out` may be one of the inputs only where a comment says so.
#pragma once

#include <span>

#include "kanml/symmetric.hpp"
#include "kanml/types.hpp"
#include "kanml/vector_ops.hpp"

namespace kanml {

// Spans, also those within structures, refer to memory of the device. Functions throw
// OutOfDeviceMemory, and std::runtime_error if the device fails.
template <class T>
class DeviceVectors {
 public:
  virtual ~DeviceVectors() = default;

  virtual double dot(std::span<const T> x, std::span<const T> y) const = 0;

  // max |x_i|; NaN if any entry is NaN.
  virtual double max_abs(std::span<const T> x) const = 0;

  virtual void fill(double value, std::span<T> out) const = 0;

  // out = a x, with `a` rounded to T. `out` may be x.
  virtual void scaled(double a, std::span<const T> x, std::span<T> out) const = 0;

  // out = y + a x, rounded once. `out` may be x or y.
  virtual void axpy(double a, std::span<const T> x, std::span<const T> y,
                    std::span<T> out) const = 0;

  // Entries of x + y z. `out` may be any of them.
  virtual void plus_product(std::span<const T> x, std::span<const T> y, std::span<const T> z,
                            std::span<T> out) const = 0;

  // Entries of x / y. `out` may be one of them.
  virtual void quotient(std::span<const T> x, std::span<const T> y, std::span<T> out) const = 0;

  // One Adam direction; see vector_ops.hpp. The new moments may be the old ones.
  virtual void adam_direction(const AdamCoefficients& coefficients, std::span<const T> gradient,
                              std::span<const T> first_moment, std::span<const T> second_moment,
                              std::span<T> new_first_moment, std::span<T> new_second_moment,
                              std::span<T> direction) const = 0;

  // direction = -H gradient of L-BFGS; see vector_ops.hpp. `direction` may be the gradient.
  virtual void two_loop(std::span<const CurvaturePair<T>> pairs,  // oldest first
                        std::span<const T> diagonal,              // (n), positive
                        std::span<const T> gradient,              // (n)
                        std::span<T> direction) const = 0;        // (n) out

  // The diagonal of an inverse Hessian after one more pair; see vector_ops.hpp. `updated` may be
  // the diagonal.
  virtual void update_diagonal(std::span<const T> step,             // (n)
                               std::span<const T> gradient_change,  // (n)
                               std::span<const T> diagonal,         // (n)
                               std::span<T> updated) const = 0;     // (n) out

  // out = a I (n, n), with `a` rounded to T.
  virtual void multiple_of_identity(double a, index n, std::span<T> out) const = 0;

  virtual void diagonal(std::span<const T> matrix, std::span<T> out) const = 0;

  // out = matrix x. `out` may be x.
  virtual void symmetric_product(std::span<const T> matrix, std::span<const T> x,
                                 std::span<T> out) const = 0;

  // out = scale matrix + added; see symmetric.hpp. Returns whether all entries of its diagonal are
  // positive and finite. `out` may be the matrix.
  virtual bool symmetric_update(double scale, std::span<const T> matrix, const RankTwo<T>& added,
                                std::span<T> out) const = 0;
};

}  // namespace kanml
