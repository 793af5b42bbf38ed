// Spaces of splines on an interval: knots and the local evaluation of B-splines (Cox-de Boor).
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "kanml/types.hpp"

namespace kanml {

template <class T>
class SpaceTables;  // computed once for evaluation in one scalar type

// Splines of one degree on strictly increasing breakpoints t_0 = a < ... < t_n = b, with `degree`
// ghost knots on either side that continue the spacing of the end interval. The dim = n + degree
// basis functions are numbered 0 .. dim-1, and function j is supported on knots j .. j+degree+1.
class SplineSpace {
 public:
  // Throws std::invalid_argument unless the degree is compiled and the breakpoints are finite and
  // strictly increasing, together with their ghost knots.
  SplineSpace(std::span<const double> breakpoints, int degree);

  int degree() const { return degree_; }
  index intervals() const { return static_cast<index>(knots_.size()) - 2 * degree_ - 1; }
  index dim() const { return intervals() + degree_; }
  double lower() const { return knots_[static_cast<std::size_t>(degree_)]; }
  double upper() const { return knots_[knots_.size() - static_cast<std::size_t>(degree_) - 1]; }
  std::span<const double> knots() const { return knots_; }  // (n + 2 degree + 1)
  std::span<const double> breakpoints() const {             // (n + 1)
    return knots().subspan(static_cast<std::size_t>(degree_),
                           static_cast<std::size_t>(intervals()) + 1);
  }
  // Whether every knot lies at a multiple of the spacing (b - a) / n, up to `within` spacings.
  bool uniform(double within = 5e-14) const { return unevenness_ <= within; }

  // The tables for evaluation in float or double. Throws std::invalid_argument if knots coincide
  // once rounded to the type.
  template <class T>
  const SpaceTables<T>& tables() const;

  // The degree + 1 functions that are nonzero at each point, differentiated `derivative` times
  // (0 .. degree). Points must lie in [a, b] (NaN gives NaN); the derivative of order `degree`
  // is taken from the right at a breakpoint, and from the left at b.
  void basis(std::span<const double> x,        // (N)
             int derivative,                   //
             std::span<index> first,           // (N) out: index of the first nonzero function
             std::span<double> values) const;  // (N, degree + 1) out

  // Splines with the given coefficients, differentiated `derivative` times, at points in [a, b].
  void evaluate(index functions,
                std::span<const double> coefficients,  // (functions, dim)
                std::span<const double> x,             // (N)
                int derivative,                        //
                std::span<double> values) const;       // (functions, N) out

 private:
  struct Tables;

  std::vector<double> knots_;
  int degree_;
  double unevenness_;  // in spacings
  std::shared_ptr<Tables> tables_;
};

}  // namespace kanml
