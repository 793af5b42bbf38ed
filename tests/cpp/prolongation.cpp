#include "kanml/prolongation.hpp"

#include <algorithm>
#include <stdexcept>

#include "check.hpp"
#include "inputs.hpp"
#include "kanml/vector_ops.hpp"

using kanml::index;
using kanml::Prolongation;
using kanml::SplineSpace;

namespace {

// All intervals cut into two: where they are uniform, rows of the prolongation are known numbers.
SplineSpace halved(const SplineSpace& coarse) {
  std::vector<double> breakpoints;
  const auto old = coarse.breakpoints();
  for (std::size_t i = 0; i + 1 < old.size(); ++i) {
    breakpoints.push_back(old[i]);
    breakpoints.push_back(0.5 * (old[i] + old[i + 1]));
  }
  breakpoints.push_back(old.back());
  return {breakpoints, coarse.degree()};
}

// One to three more breakpoints in each interval.
SplineSpace refined(const SplineSpace& coarse) {
  std::vector<double> breakpoints;
  const auto old = coarse.breakpoints();
  for (std::size_t i = 0; i + 1 < old.size(); ++i) {
    const auto parts = static_cast<int>(i % 3) + 2;
    for (int part = 0; part < parts; ++part) {
      breakpoints.push_back(old[i] + part * (old[i + 1] - old[i]) / parts);
    }
  }
  breakpoints.push_back(old.back());
  return {breakpoints, coarse.degree()};
}

double dot(const std::vector<double>& x, const std::vector<double>& y) {
  return kanml::dot<double>(x, y);
}

}  // namespace

TEST(the_fine_spline_is_the_coarse_one) {
  for (const SplineSpace& coarse : inputs::spaces(5)) {
    for (const SplineSpace& fine : {halved(coarse), refined(coarse)}) {
      const Prolongation prolongation(coarse, fine);
      CHECK_EQUAL(prolongation.rows(), fine.dim());
      CHECK_EQUAL(prolongation.columns(), coarse.dim());
      const auto coefficients = inputs::random(coarse.dim());
      std::vector<double> prolonged(static_cast<std::size_t>(fine.dim()));
      prolongation.apply<double>(1, 1, coefficients, prolonged);
      const auto x = inputs::random(200, coarse.lower(), coarse.upper());
      std::vector<double> before(x.size());
      std::vector<double> after(x.size());
      coarse.evaluate(1, coefficients, x, 0, before);
      fine.evaluate(1, prolonged, x, 0, after);
      for (std::size_t i = 0; i < x.size(); ++i) CHECK_NEAR(after[i], before[i], 1e-13);
    }
  }
}

TEST(the_transpose_is_adjoint_and_undoes_the_dual) {
  for (const SplineSpace& coarse : inputs::spaces(5)) {
    for (const SplineSpace& fine : {halved(coarse), refined(coarse)}) {
      const Prolongation prolongation(coarse, fine);
      const index copies = 2;
      const index m = 3;
      const auto c = inputs::random(copies * coarse.dim() * m);
      const auto d = inputs::random(copies * fine.dim() * m);
      std::vector<double> to_fine(d.size());
      std::vector<double> to_coarse(c.size());
      prolongation.apply<double>(copies, m, c, to_fine);
      prolongation.apply_transpose<double>(copies, m, d, to_coarse);
      CHECK_NEAR(dot(to_fine, d), dot(c, to_coarse), 1e-12);
      prolongation.apply_dual<double>(copies, m, c, to_fine);
      prolongation.apply_transpose<double>(copies, m, to_fine, to_coarse);
      for (std::size_t i = 0; i < c.size(); ++i) CHECK_NEAR(to_coarse[i], c[i], 1e-11);
    }
  }
}

TEST(spaces_that_are_not_nested_are_refused) {
  const SplineSpace coarse(inputs::uniform_breakpoints(4), 3);
  const std::vector<SplineSpace> others{
      {inputs::uniform_breakpoints(8), 2},             // another degree
      {inputs::uniform_breakpoints(8, -1.0, 2.0), 3},  // another domain
      {inputs::uniform_breakpoints(6), 3},             // a breakpoint is missing
  };
  for (const SplineSpace& other : others) {
    CHECK_THROWS(Prolongation(coarse, other), std::invalid_argument, "");
  }
}
