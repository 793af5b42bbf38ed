// A network with data to run it on, and what its results must be.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "kanml/network.hpp"
#include "noise.hpp"
#include "reference.hpp"
#include "verify.hpp"

namespace bench {

using kanml::index;

// n + 1 breakpoints on [-1, 1]: equal spacings, or spacings that grow linearly by a factor of 4.
std::vector<double> breakpoints(index n, bool graded = false);

// Linear(2, 5) and a spline layer 5 -> 1: the regression network of the reference problems.
kanml::Layers regression_layers(index intervals, int degree);

// Spline layers of these widths.
kanml::Layers spline_layers(const std::vector<index>& widths, index intervals, int degree);

// Sums over results, as the reference network gives them.
struct Expected {
  long double outputs;             // sum of +-y
  long double parameter_gradient;  // sum of +-(gradient of <cotangent, y> by the parameters)
  long double input_gradient;      // the same by the inputs
  long double loss;                // mean squared error; the target is the cotangent vector
  long double loss_gradient;       // sum of +-(gradient of the loss by the parameters)
};

// Hidden values spread over the domain [-1, 1] and stay inside it: the reference knows no outside,
// and a value there would fail the verification.
template <class T>
class NetworkCase {
 public:
  NetworkCase(kanml::Layers layers, index batch);

  kanml::Layers layers;
  kanml::Network<T> network;
  index batch;
  std::vector<T> x;           // (batch, n_in)
  std::vector<T> parameters;  // (n_parameters)
  std::vector<T> cotangent;   // (batch, n_out); also the target of the loss

  // By the reference, computed once for a name in the life of the process.
  const Expected& expected(const std::string& name) const;

  // The sum of `values`, with these signs, against its expected value; with a multiple of the
  // tolerance where derivatives are in it.
  void check_sum(Check& check, const std::string& what, Stream signs, const std::vector<T>& values,
                 long double expected_sum, double multiple = 1.0) const;
  void check_loss(Check& check, double loss, long double expected_loss) const;

  // For the reference: the parameters, and the inputs of one sample, each with a random direction.
  std::vector<Jet> parameter_jets() const;
  std::vector<Jet> input_jets(std::size_t sample) const;

  // Relative to the norm. A rounded hidden value moves by a part of an interval that grows with n,
  // and the gradient by the coefficients with it. In double so do the knots: where they are equally
  // spaced up to rounding, the network takes them to be so.
  double tolerance() const;

 private:
  Expected compute_expected() const;
};

// Multiply-adds that the local evaluation of all samples takes forwards; the gradient by the
// parameters takes as many again, and so does the gradient by the inputs.
double multiply_adds(const kanml::Layers& layers, index batch);

// The layers whose input gradient is needed for the gradient by the parameters: all but the first.
kanml::Layers without_first(const kanml::Layers& layers);

// The layers that run forwards for a gradient with given cotangents: all but the last.
kanml::Layers without_last(const kanml::Layers& layers);

}  // namespace bench
