// Splines and networks as the textbook defines them, slowly and in double, and their derivatives
// by dual numbers and truncated power series. Shares no code with the library: only its
// descriptions of layers are read.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <vector>

#include "kanml/network.hpp"

namespace bench {

using kanml::index;

// A number with its derivatives along one direction in parameter space and along one in the space
// of the inputs.
struct Jet {
  double value = 0.0;
  double by_parameters = 0.0;
  double by_inputs = 0.0;
};

inline Jet operator+(Jet a, Jet b) {
  return {a.value + b.value, a.by_parameters + b.by_parameters, a.by_inputs + b.by_inputs};
}
inline Jet operator-(Jet a, Jet b) {
  return {a.value - b.value, a.by_parameters - b.by_parameters, a.by_inputs - b.by_inputs};
}
inline Jet operator*(Jet a, Jet b) {
  return {a.value * b.value, a.by_parameters * b.value + a.value * b.by_parameters,
          a.by_inputs * b.value + a.value * b.by_inputs};
}

// c_0 + c_1 s + ... + c_4 s^4, with what is beyond left out.
struct Series {
  std::array<Jet, 5> c = {};

  Series() = default;
  Series(Jet constant) : c{constant} {}
};

inline Series operator+(Series a, const Series& b) {
  for (std::size_t m = 0; m < a.c.size(); ++m) a.c[m] = a.c[m] + b.c[m];
  return a;
}
inline Series operator-(Series a, const Series& b) {
  for (std::size_t m = 0; m < a.c.size(); ++m) a.c[m] = a.c[m] - b.c[m];
  return a;
}
inline Series operator*(const Series& a, const Series& b) {
  Series product;
  for (std::size_t m = 0; m < a.c.size(); ++m) {
    for (std::size_t l = 0; l <= m; ++l) product.c[m] = product.c[m] + a.c[l] * b.c[m - l];
  }
  return product;
}
inline Series operator*(Series a, Jet b) {
  for (Jet& c : a.c) c = c * b;
  return a;
}

// The breakpoints, and `degree` more knots on either side with the spacing of the end interval.
std::vector<double> knots_with_ghosts(std::span<const double> breakpoints, int degree);

// Basis function j of a degree at x, by the recursion of Cox and de Boor (de Boor 2001, chapter
// IX), with intervals closed on the left. A Number is a Jet or a Series.
template <class Number>
Number cox_de_boor(std::span<const double> knots, index j, int degree, const Number& x);

// The index of the first of the degree + 1 functions that are nonzero at x.
index first_nonzero(std::span<const double> knots, int degree, double x);

// The value of a spline at x.
Jet spline(std::span<const double> knots, int degree, std::span<const double> coefficients,
           double x);

// A_ij in b = A psi, where psi_j(x) = max(x - t_j, 0)^degree, by the closed form.
double change_of_basis(std::span<const double> knots, int degree, std::size_t i, std::size_t j);

// Entry ji of the inverse of A: the coefficient of b_i in psi_j, by Marsden's identity.
double inverse_change_of_basis(std::span<const double> knots, int degree, std::size_t j,
                               std::size_t i);

// A network of linear and spline layers; hidden values must stay inside the domains.
class ReferenceNetwork {
 public:
  explicit ReferenceNetwork(kanml::Layers layers);

  // The outputs at one sample, differentiated along a direction in the parameters and one in the
  // inputs. Of inputs that are series, so are the outputs.
  template <class Number>
  std::vector<Number> operator()(std::vector<Number> x, std::span<const Jet> parameters) const;

 private:
  kanml::Layers layers_;
  std::vector<std::vector<std::vector<double>>> knots_;  // of every input of every layer
};

}  // namespace bench
