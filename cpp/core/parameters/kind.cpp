#include "core/parameters/kind.hpp"

#include <stdexcept>

#include "core/parameters/power_relu.hpp"

namespace kanml {

std::shared_ptr<const ParameterKind> coefficients_of(Basis basis, const SplineSpace& space,
                                                     index inputs, index n_out) {
  switch (basis) {
    case Basis::spline:
      return nullptr;
    case Basis::relu:
      return std::make_shared<const PowerReluWeights>(space, inputs, n_out);
  }
  throw std::invalid_argument("coefficients are in no basis that is known");
}

}  // namespace kanml
