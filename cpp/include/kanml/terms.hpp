// Terms of a loss, or of least squares: programs at points, whose arguments are outputs of a
// network and their Taylor coefficients.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "kanml/network.hpp"
#include "kanml/program.hpp"

namespace kanml {

// A Taylor coefficient of an output, at one of the places of a term.
struct Coefficient {
  int place;
  int plane;  // 0: the value; the orders of each direction follow in turn
  index output;
};

// What a term computes at one point, in which the points and the network do not occur.
// Inputs of the program: coefficients, columns, unknowns.
class PointFormula {
 public:
  const Program& program() const { return *program_; }
  std::span<const Coefficient> coefficients() const { return coefficients_; }
  int n_columns() const { return n_columns_; }
  int n_unknowns() const { return n_unknowns_; }

 protected:
  // Throws std::invalid_argument if these numbers are not those of the program.
  PointFormula(std::shared_ptr<const Program> program, std::vector<Coefficient> coefficients,
               int n_columns, int n_unknowns, std::size_t n_outputs);

 private:
  std::shared_ptr<const Program> program_;
  std::vector<Coefficient> coefficients_;
  int n_columns_;
  int n_unknowns_;
};

// A loss at one point. Outputs of its program: the loss; the components, of which the loss is a
// function; the derivatives of the loss with respect to the coefficients `differentiated`, then
// with respect to all unknowns.
class PointLoss : public PointFormula {
 public:
  // Throws std::invalid_argument if these numbers are not those of the program.
  PointLoss(std::shared_ptr<const Program> program, std::vector<Coefficient> coefficients,
            int n_columns, int n_unknowns, int n_components,
            std::vector<Coefficient> differentiated);

  int n_components() const { return n_components_; }
  std::span<const Coefficient> differentiated() const { return differentiated_; }

 private:
  int n_components_;
  std::vector<Coefficient> differentiated_;
};

// Rows of least squares at one point: numbers whose squares add up to a loss. Outputs of the
// program: the rows; then for each row in turn its derivatives with respect to the coefficients
// differentiated()[row], then with respect to all unknowns.
class PointRows : public PointFormula {
 public:
  // Throws std::invalid_argument if these numbers are not those of the program.
  PointRows(std::shared_ptr<const Program> program, std::vector<Coefficient> coefficients,
            int n_columns, int n_unknowns, std::vector<std::vector<Coefficient>> differentiated);

  std::size_t n_rows() const { return differentiated_.size(); }
  std::span<const Coefficient> differentiated(std::size_t row) const {
    return differentiated_[row];
  }
  // The output of the program that holds the first derivative of a row.
  std::size_t first_derivative(std::size_t row) const { return first_derivatives_[row]; }

 private:
  std::vector<std::vector<Coefficient>> differentiated_;
  std::vector<std::size_t> first_derivatives_;
};

// Points that a network is evaluated at together.
template <class T>
struct Place {
  std::span<const T> x;  // (points, n_in)
  Directions<T> directions;
};

// One number a point.
template <class T>
struct Column {
  const T* first;
  index stride = 1;
};

// A formula at the samples of a batch. All arrays stay those of the caller.
template <class T, class Formula>
struct TermOf {
  std::shared_ptr<const Formula> formula;
  std::vector<Place<T>> places;
  std::vector<Column<T>> columns;  // (points) each
  index n;                         // samples, at least one
  std::span<const index> rows;     // (n): their points, or empty for all in their order
  std::string where;               // the beginning of messages about a sample
};

// The reduction of a term over its samples.
struct TermSums {
  double loss = 0.0;
  double largest = 0.0;  // of the absolute values of the components; NaN if there is a NaN
};

}  // namespace kanml
