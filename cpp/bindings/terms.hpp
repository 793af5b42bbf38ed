// Terms of a loss, or of least squares, with the arrays that they read.
#pragma once

#include <pybind11/stl.h>

#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "arrays.hpp"
#include "kanml/terms.hpp"

namespace kanml::bindings {

// An immutable term, which keeps its arrays alive.
template <class T, class Formula>
class BoundTerm {
 public:
  using PlaceArrays = std::tuple<Array<T>, std::vector<int>, Array<T>>;  // x, orders, vectors

  // Strided columns are taken as they are.
  BoundTerm(std::shared_ptr<Formula> formula, index n, std::optional<Array<index>> rows,
            std::vector<PlaceArrays> places, std::vector<py::array_t<T>> columns, std::string where)
      : rows_(std::move(rows)), places_(std::move(places)), columns_(std::move(columns)) {
    if (places_.empty()) throw py::value_error("a term needs a place");
    const index points = points_of(std::get<0>(places_.front()));
    term_.formula = std::move(formula);
    term_.n = n;
    term_.where = std::move(where);
    if (rows_) {
      term_.rows = input(*rows_, "rows", n);
      for (const index row : term_.rows) {
        if (row < 0 || row >= points) throw py::value_error("a row is not that of a point");
      }
    } else if (n != points) {
      throw py::value_error("without rows there must be as many samples as points");
    }
    if (n < 1) throw py::value_error("a term needs a sample");
    for (const auto& [x, orders, vectors] : places_) {
      if (points_of(x) != points) throw py::value_error("places have different numbers of points");
      const bool one_a_point = vectors.ndim() == 3;
      const auto count = static_cast<index>(orders.size());
      const index size = count * (one_a_point ? points : 1) * x.shape(1);
      term_.places.push_back(
          {input(x, "x", x.size()), {orders, input(vectors, "vectors", size), one_a_point}});
    }
    for (const auto& column : columns_) {
      if (column.ndim() != 1 || column.shape(0) != points ||
          column.strides(0) % static_cast<index>(sizeof(T)) != 0) {
        throw py::value_error("a column must hold one number for each point");
      }
      term_.columns.push_back({column.data(), column.strides(0) / static_cast<index>(sizeof(T))});
    }
  }

  const TermOf<T, Formula>& term() const { return term_; }

  const std::optional<Array<index>>& rows() const { return rows_; }
  const std::vector<PlaceArrays>& places() const { return places_; }
  const std::vector<py::array_t<T>>& columns() const { return columns_; }

  void require_inputs(index n_in) const {
    for (const auto& [x, orders, vectors] : places_) {
      if (x.shape(1) != n_in) {
        throw py::value_error("x must have the shape (N, " + std::to_string(n_in) + ")");
      }
    }
  }

 private:
  static index points_of(const Array<T>& x) {
    if (x.ndim() != 2) throw py::value_error("x must have the shape (N, n_in)");
    return x.shape(0);
  }

  std::optional<Array<index>> rows_;
  std::vector<PlaceArrays> places_;
  std::vector<py::array_t<T>> columns_;
  TermOf<T, Formula> term_;
};

// The terms of a list, checked for a network with n_in inputs.
template <class T, class Formula>
std::vector<TermOf<T, Formula>> terms_of(const std::vector<const BoundTerm<T, Formula>*>& bound,
                                         index n_in) {
  std::vector<TermOf<T, Formula>> terms;
  for (const auto* const term : bound) {
    if (term == nullptr) throw py::type_error("a term must not be None");
    term->require_inputs(n_in);
    terms.push_back(term->term());
  }
  return terms;
}

}  // namespace kanml::bindings
