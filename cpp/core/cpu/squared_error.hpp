// The squared error of all outputs as a term.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "kanml/terms.hpp"

namespace kanml {

// The loss sum_q (u_q - y_q)^2 of a point.
inline std::shared_ptr<const PointLoss> squared_error_of(index n_out) {
  const auto q = static_cast<std::int32_t>(n_out);
  // Registers: outputs, targets, the number 2, errors and then their derivatives, squares, the
  // loss.
  const std::int32_t two = 2 * q;
  const std::int32_t errors = two + 1;
  const std::int32_t square = errors + q;
  const std::int32_t loss = square + 1;
  std::vector<Instruction> code;
  std::vector<Coefficient> outputs;
  std::vector<std::int32_t> results{loss};
  for (std::int32_t i = 0; i < q; ++i) {
    outputs.push_back({0, 0, i});
    results.push_back(errors + i);
    code.push_back({Operation::subtract, errors + i, {i, q + i, -1}});
    code.push_back({Operation::square, i == 0 ? loss : square, {errors + i, -1, -1}});
    if (i > 0) code.push_back({Operation::add, loss, {loss, square, -1}});
    code.push_back({Operation::multiply, errors + i, {errors + i, two, -1}});
  }
  auto program = std::make_shared<Program>(2 * q, std::vector<double>{2.0}, std::move(code),
                                           std::move(results));
  return std::make_shared<PointLoss>(std::move(program), outputs, q, 0, 0, outputs);
}

template <class T>
Term<T> squared_error(index n, index n_out, std::span<const T> x, std::span<const T> target) {
  Term<T> term{squared_error_of(n_out), {{x, {}}}, {}, n, {}, {}};
  for (index q = 0; q < n_out; ++q) term.columns.push_back({target.data() + q, n_out});
  return term;
}

}  // namespace kanml
