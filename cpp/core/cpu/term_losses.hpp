// The losses of terms: what their programs give is reduced over the samples.
#pragma once

#include <cmath>
#include <span>

#include "core/cpu/loss_records.hpp"
#include "core/cpu/term_programs.hpp"

namespace kanml {

template <class T>
class TermLosses {
 public:
  static constexpr bool reads_outputs = true;

  TermLosses(std::span<const Term<T>> terms, std::span<const double> factors, index n_out,
             std::span<const double> unknowns, std::span<const std::span<T>> components)
      : terms_(terms),
        factors_(factors),
        n_unknowns_(unknowns.size()),
        components_(components),
        programs_(terms, n_out, unknowns),
        records_(unknowns.size()) {}

  void prepare(int threads, index tiles) {
    records_.clear(tiles);
    programs_.prepare(threads);
  }

  void operator()(const TileOf& at, int thread, Workspace<T>* places, bool backward) {
    double* const record = records_.of_tile(at.number, at.batch);
    programs_.run(at, thread, places, [&](const Desk& desk) {
      reduce(desk, record);
      if (!backward) return;
      const PointLoss& loss = *terms_[at.batch].formula;
      const T factor = static_cast<T>(factors_[at.batch]);
      programs_.clear_cotangents(desk);
      programs_.add_cotangents(desk, loss.differentiated(), first_derivative(loss),
                               [&](int /*sample*/) { return factor; });
      programs_.send_back(desk, places);
      sum_unknowns(desk, record);
    });
  }

  bool has_cotangents(std::size_t batch, std::size_t place) const {
    return any_at(terms_[batch].formula->differentiated(), place);
  }

  // Adds up, in the order of the tiles, what the calls have found.
  void add_up(std::span<TermSums> sums, std::span<T> unknown_gradient) const {
    records_.add_up(factors_, sums, unknown_gradient);
  }

 private:
  using Desk = typename TermPrograms<T, PointLoss>::Desk;

  static std::size_t first_derivative(const PointLoss& loss) {
    return 1 + static_cast<std::size_t>(loss.n_components());
  }

  void reduce(const Desk& desk, double* record) const {
    const T* const loss = desk[0];
    double sum = 0.0;
    for (int s = 0; s < desk.count; ++s) sum += static_cast<double>(loss[s]);
    record[0] += sum;
    const auto n_components = static_cast<std::size_t>(terms_[desk.term].formula->n_components());
    for (std::size_t c = 0; c < n_components; ++c) {
      const T* const component = desk[1 + c];
      double largest = record[1];
      for (int s = 0; s < desk.count; ++s) {
        largest = LossRecords::larger(largest, std::fabs(static_cast<double>(component[s])));
      }
      record[1] = largest;
      const std::span<T> to = components_[desk.term];
      if (to.empty()) continue;
      T* const first = to.data() + desk.sample * static_cast<index>(n_components);
      for (int s = 0; s < desk.count; ++s) {
        first[static_cast<std::size_t>(s) * n_components + c] = component[s];
      }
    }
  }

  void sum_unknowns(const Desk& desk, double* record) const {
    const PointLoss& loss = *terms_[desk.term].formula;
    const std::size_t first = first_derivative(loss) + loss.differentiated().size();
    for (std::size_t i = 0; i < n_unknowns_; ++i) {
      const T* const derivative = desk[first + i];
      double sum = 0.0;
      for (int s = 0; s < desk.count; ++s) sum += static_cast<double>(derivative[s]);
      record[2 + i] += sum;
    }
  }

  std::span<const Term<T>> terms_;
  std::span<const double> factors_;
  std::size_t n_unknowns_;
  std::span<const std::span<T>> components_;
  TermPrograms<T, PointLoss> programs_;
  LossRecords records_;
};

}  // namespace kanml
