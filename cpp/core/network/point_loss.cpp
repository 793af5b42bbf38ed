#include <stdexcept>

#include "kanml/terms.hpp"

namespace kanml {

PointLoss::PointLoss(std::shared_ptr<const Program> program, std::vector<Coefficient> coefficients,
                     int n_columns, int n_unknowns, int n_components,
                     std::vector<Coefficient> differentiated)
    : program_(std::move(program)),
      coefficients_(std::move(coefficients)),
      n_columns_(n_columns),
      n_unknowns_(n_unknowns),
      n_components_(n_components),
      differentiated_(std::move(differentiated)) {
  const auto count = [](const auto& sequence) { return static_cast<int>(sequence.size()); };
  if (n_columns < 0 || n_unknowns < 0 || n_components < 0 ||
      program_->n_inputs() != count(coefficients_) + n_columns + n_unknowns) {
    throw std::invalid_argument("a loss has other inputs than its program");
  }
  if (count(program_->outputs()) != 1 + n_components + count(differentiated_) + n_unknowns) {
    throw std::invalid_argument("a loss has other outputs than its program");
  }
}

}  // namespace kanml
