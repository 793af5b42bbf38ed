// The outputs of a network as a term of least squares.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "kanml/terms.hpp"

namespace kanml {

// A row of each output, whose derivative with respect to it is 1.
inline std::shared_ptr<const PointRows> output_rows_of(index n_out) {
  const auto q = static_cast<std::int32_t>(n_out);
  std::vector<Coefficient> outputs;
  std::vector<std::vector<Coefficient>> of_rows;
  std::vector<std::int32_t> results;
  for (std::int32_t i = 0; i < q; ++i) {
    outputs.push_back({0, 0, i});
    of_rows.push_back({outputs.back()});
    results.push_back(i);
  }
  results.insert(results.end(), static_cast<std::size_t>(q), q);  // the constant behind the inputs
  auto program = std::make_shared<Program>(q, std::vector<double>{1.0}, std::vector<Instruction>{},
                                           std::move(results));
  return std::make_shared<PointRows>(std::move(program), std::move(outputs), 0, 0,
                                     std::move(of_rows));
}

template <class T>
RowTerm<T> output_rows(index n, index n_out, std::span<const T> x) {
  return {output_rows_of(n_out), {{x, {}}}, {}, n, {}, {}};
}

}  // namespace kanml
