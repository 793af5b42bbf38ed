// The batches of terms, which have to fit a network.
#pragma once

#include <span>
#include <stdexcept>
#include <vector>

#include "core/cpu/curves.hpp"
#include "core/network/plan.hpp"
#include "kanml/terms.hpp"

namespace kanml {

inline void for_differentiated(const PointLoss& loss, const auto& f) { f(loss.differentiated()); }
inline void for_differentiated(const PointRows& rows, const auto& f) {
  for (std::size_t row = 0; row < rows.n_rows(); ++row) f(rows.differentiated(row));
}

// Throws std::invalid_argument if a term asks for what the network does not have.
template <class T, class Formula>
void require_fit(const Plan& plan, const TermOf<T, Formula>& term, std::size_t n_unknowns) {
  const auto require = [](bool holds, const char* message) {
    if (!holds) throw std::invalid_argument(message);
  };
  const Formula& formula = *term.formula;
  require(term.n > 0 && !term.places.empty(), "a term needs a sample and a place");
  require(term.columns.size() == static_cast<std::size_t>(formula.n_columns()),
          "a term has another number of columns than its formula");
  require(n_unknowns == static_cast<std::size_t>(formula.n_unknowns()),
          "a term has another number of unknowns than its formula");
  for (const Place<T>& place : term.places) plan.require_orders(place.directions.orders);
  const auto require_coefficients = [&](std::span<const Coefficient> coefficients) {
    for (const Coefficient& c : coefficients) {
      require(c.place >= 0 && c.place < static_cast<int>(term.places.size()) && c.output >= 0 &&
                  c.output < plan.n_out() && c.plane >= 0 &&
                  c.plane < term.places[static_cast<std::size_t>(c.place)].directions.n_planes(),
              "a term reads a Taylor coefficient that does not exist");
    }
  };
  require_coefficients(formula.coefficients());
  for_differentiated(formula, require_coefficients);
}

template <class T, class Formula>
std::vector<Batch<T>> batches_of(const Plan& plan, std::span<const TermOf<T, Formula>> terms,
                                 std::size_t n_unknowns) {
  std::vector<Batch<T>> batches;
  for (const auto& term : terms) {
    require_fit(plan, term, n_unknowns);
    Batch<T>& batch = batches.emplace_back(Batch<T>{term.n, {}});
    for (const Place<T>& place : term.places) {
      batch.places.emplace_back(term.n, place.x, plan.n_in(), place.directions, term.rows);
      batch.places.back().where = term.where;
    }
  }
  return batches;
}

}  // namespace kanml
