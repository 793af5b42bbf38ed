#include <stdexcept>
#include <utility>

#include "kanml/terms.hpp"

namespace kanml {

PointFormula::PointFormula(std::shared_ptr<const Program> program,
                           std::vector<Coefficient> coefficients, int n_columns, int n_unknowns,
                           std::size_t n_outputs)
    : program_(std::move(program)),
      coefficients_(std::move(coefficients)),
      n_columns_(n_columns),
      n_unknowns_(n_unknowns) {
  if (n_columns < 0 || n_unknowns < 0 ||
      program_->n_inputs() != static_cast<int>(coefficients_.size()) + n_columns + n_unknowns) {
    throw std::invalid_argument("a formula has other inputs than its program");
  }
  if (program_->outputs().size() != n_outputs) {
    throw std::invalid_argument("a formula has other outputs than its program");
  }
}

namespace {

// A count that is given as an integer; negative ones become more than any program has.
std::size_t counted(int count) { return static_cast<std::size_t>(count); }

}  // namespace

PointLoss::PointLoss(std::shared_ptr<const Program> program, std::vector<Coefficient> coefficients,
                     int n_columns, int n_unknowns, int n_components,
                     std::vector<Coefficient> differentiated)
    : PointFormula(std::move(program), std::move(coefficients), n_columns, n_unknowns,
                   1 + counted(n_components) + differentiated.size() + counted(n_unknowns)),
      n_components_(n_components),
      differentiated_(std::move(differentiated)) {
  if (n_components < 0) throw std::invalid_argument("a loss has no components");
}

namespace {

std::size_t outputs_of(const std::vector<std::vector<Coefficient>>& differentiated,
                       std::size_t n_unknowns) {
  std::size_t count = 0;
  for (const auto& of_row : differentiated) count += 1 + of_row.size() + n_unknowns;
  return count;
}

}  // namespace

PointRows::PointRows(std::shared_ptr<const Program> program, std::vector<Coefficient> coefficients,
                     int n_columns, int n_unknowns,
                     std::vector<std::vector<Coefficient>> differentiated)
    : PointFormula(std::move(program), std::move(coefficients), n_columns, n_unknowns,
                   outputs_of(differentiated, counted(n_unknowns))),
      differentiated_(std::move(differentiated)) {
  if (differentiated_.empty()) throw std::invalid_argument("least squares need a row");
  std::size_t next = n_rows();
  for (const auto& of_row : differentiated_) {
    first_derivatives_.push_back(next);
    next += of_row.size() + counted(n_unknowns);
  }
}

}  // namespace kanml
