#include "kanml/network.hpp"

#include "core/cpu/batches.hpp"
#include "core/cpu/jacobian.hpp"
#include "core/cpu/losses.hpp"
#include "core/cpu/sheets.hpp"
#include "core/cpu/squared_error.hpp"
#include "core/cpu/term_losses.hpp"
#include "core/cpu/term_rows.hpp"
#include "core/cpu/tiles.hpp"
#include "core/cpu/triangles.hpp"

namespace kanml {

template <class T>
struct Network<T>::Implementation {
  Walk<T> walk;

  // The places where an executor is chosen.

  void evaluate(const Curves<T>& curves, std::span<const T> stored, std::span<T> y,
                int threads) const {
    std::vector<T> storage;
    const T* const parameters = walk.plan.decode(stored, storage);
    if (Sheets<T>::suit(walk, curves)) {
      Sheets<T>(walk, curves, parameters).evaluate(y, threads);
    } else {
      Tiles<T>(walk, curves, parameters).evaluate(y, threads);
    }
  }

  // The losses of batches, and the gradient of their sum if it is asked for.
  template <class Loss>
  void reduce(std::vector<Batch<T>> batches, std::span<const T> stored, Loss& loss, bool gradient,
              std::span<T> parameter_gradient, std::span<T> input_gradient, int threads) const {
    std::vector<T> storage;
    const T* const parameters = walk.plan.decode(stored, storage);
    const auto run = [&](const auto& executor) {
      if (gradient) {
        executor.gradient(loss, parameter_gradient, input_gradient, threads);
        walk.plan.pull_back(stored, parameter_gradient);
      } else {
        executor.evaluate(loss, threads);
      }
    };
    Curves<T>& first = batches.front().places.front();
    if (batches.size() == 1 && batches.front().places.size() == 1 && Sheets<T>::suit(walk, first)) {
      const std::vector<T> samples = gather(first);
      run(Sheets<T>(walk, first, parameters));
    } else {
      run(Pass<T>(walk, batches, parameters));
    }
  }

  // Calls f(pass, rows) for rows one after the other, which are written to `values` unless it is
  // empty. They always go in tiles.
  template <class F>
  void take_rows(std::span<const RowTerm<T>> terms, std::span<const double> scales,
                 std::span<const T> stored, std::span<const double> unknowns, std::span<T> values,
                 const F& f, std::size_t first_layer = 0) const {
    const std::vector<Batch<T>> batches = batches_of(walk.plan, terms, unknowns.size());
    std::vector<T> storage;
    const Pass<T> pass(walk, batches, walk.plan.decode(stored, storage), first_layer);
    NumberedRows<T> numbered(terms, scales, walk.plan.n_out(), unknowns);
    TermRows<T> rows(numbered, values);
    f(pass, rows);
  }

  // Copies the samples that rows choose, since sheets need them one after the other.
  std::vector<T> gather(Curves<T>& curves) const {
    std::vector<T> samples;
    if (curves.rows.empty()) return samples;
    const auto n_in = static_cast<std::size_t>(walk.plan.n_in());
    for (const index row : curves.rows) {
      const auto from = curves.x.begin() + row * walk.plan.n_in();
      samples.insert(samples.end(), from, from + static_cast<std::ptrdiff_t>(n_in));
    }
    curves.x = samples;
    curves.gathered = true;
    return samples;
  }
};

template <class T>
Network<T>::Network(Layers layers)
    : implementation_(new Implementation{Walk<T>(Plan(std::move(layers)))}) {}
template <class T>
Network<T>::~Network() = default;
template <class T>
Network<T>::Network(Network&&) noexcept = default;
template <class T>
Network<T>& Network<T>::operator=(Network&&) noexcept = default;

template <class T>
index Network<T>::n_in() const {
  return implementation_->walk.plan.n_in();
}
template <class T>
index Network<T>::n_out() const {
  return implementation_->walk.plan.n_out();
}
template <class T>
index Network<T>::n_parameters() const {
  return implementation_->walk.plan.n_parameters();
}

template <class T>
index Network<T>::n_parameters_from(std::size_t layer) const {
  return implementation_->walk.plan.n_parameters_from(layer);
}

template <class T>
void Network<T>::evaluate(index n, std::span<const T> x, std::span<const T> parameters,
                          std::span<T> y, int threads) const {
  implementation_->evaluate(Curves<T>(n, x), parameters, y, threads);
}

template <class T>
void Network<T>::taylor(index n, std::span<const T> x, std::span<const T> parameters,
                        const Directions<T>& directions, std::span<T> coefficients,
                        int threads) const {
  implementation_->walk.plan.require_orders(directions.orders);
  implementation_->evaluate(Curves<T>(n, x, n_in(), directions), parameters, coefficients, threads);
}

template <class T>
void Network<T>::jvp(index n, std::span<const T> x, std::span<const T> parameters,
                     std::span<const T> parameter_tangent, std::span<T> y_tangent,
                     int threads) const {
  const Walk<T>& walk = implementation_->walk;
  std::vector<T> storage;
  std::vector<T> tangent_storage;
  const T* const read = walk.plan.decode(parameters, storage);
  const T* const tangent = walk.plan.push_forward(parameters, parameter_tangent, tangent_storage);
  // The inputs do not move: there is one direction, which is zero.
  const int order = 1;
  const std::vector<T> zero(static_cast<std::size_t>(n_in()), T(0));
  const Curves<T> curves(n, x, n_in(), {{&order, 1}, zero});
  Tiles<T>(walk, curves, read).jvp(tangent, y_tangent, threads);
}

template <class T>
void Network<T>::vjp(index n, std::span<const T> x, std::span<const T> parameters,
                     std::span<const T> cotangent, std::span<T> parameter_gradient,
                     std::span<T> input_gradient, int threads) const {
  taylor_vjp(n, x, parameters, {}, cotangent, parameter_gradient, input_gradient, threads);
}

template <class T>
void Network<T>::taylor_vjp(index n, std::span<const T> x, std::span<const T> parameters,
                            const Directions<T>& directions, std::span<const T> cotangents,
                            std::span<T> parameter_gradient, std::span<T> input_gradient,
                            int threads) const {
  const Walk<T>& walk = implementation_->walk;
  walk.plan.require_orders(directions.orders);
  GivenCotangents<T> loss(walk, n, cotangents);
  std::vector<Batch<T>> batches(1);
  batches.front().n = n;
  batches.front().places.emplace_back(n, x, n_in(), directions);
  implementation_->reduce(std::move(batches), parameters, loss, true, parameter_gradient,
                          input_gradient, threads);
}

template <class T>
void Network<T>::reduce(std::span<const Term<T>> terms, std::span<const double> factors,
                        std::span<const T> parameters, std::span<const double> unknowns,
                        std::span<TermSums> sums, std::span<T> gradient,
                        std::span<const std::span<T>> components, int threads) const {
  std::vector<Batch<T>> batches = batches_of(implementation_->walk.plan, terms, unknowns.size());
  TermLosses<T> losses(terms, factors, n_out(), unknowns, components);
  const auto size = gradient.empty() ? 0 : static_cast<std::size_t>(n_parameters());
  implementation_->reduce(std::move(batches), parameters, losses, !gradient.empty(),
                          gradient.first(size), {}, threads);
  losses.add_up(sums, gradient.subspan(size));
}

template <class T>
void Network<T>::rows(std::span<const RowTerm<T>> terms, std::span<const double> scales,
                      std::span<const T> parameters, std::span<const double> unknowns,
                      std::span<T> values, std::span<T> jacobian, int threads) const {
  const Walk<T>& walk = implementation_->walk;
  implementation_->take_rows(terms, scales, parameters, unknowns, values,
                             [&](const Pass<T>& pass, TermRows<T>& rows) {
                               if (jacobian.empty()) {
                                 pass.evaluate(rows, threads);
                               } else {
                                 Jacobian<T>(walk, pass, rows).write(parameters, jacobian, threads);
                               }
                             });
}

template <class T>
void Network<T>::push(std::span<const RowTerm<T>> terms, std::span<const double> scales,
                      std::span<const T> parameters, std::span<const double> unknowns,
                      std::span<const T> direction, std::span<T> products, int threads) const {
  const Walk<T>& walk = implementation_->walk;
  const auto size = static_cast<std::size_t>(n_parameters());
  std::vector<T> storage;
  const T* const read = walk.plan.push_forward(parameters, direction.first(size), storage);
  implementation_->take_rows(
      terms, scales, parameters, unknowns, {}, [&](const Pass<T>& pass, TermRows<T>& rows) {
        Jacobian<T>(walk, pass, rows).push(read, direction.subspan(size), products, threads);
      });
}

template <class T>
void Network<T>::pull(std::span<const RowTerm<T>> terms, std::span<const double> scales,
                      std::span<const T> parameters, std::span<const double> unknowns,
                      std::span<const T> cotangent, std::span<T> gradient, int threads) const {
  std::vector<Batch<T>> batches = batches_of(implementation_->walk.plan, terms, unknowns.size());
  NumberedRows<T> numbered(terms, scales, n_out(), unknowns);
  PulledRows<T> rows(numbered, cotangent);
  const auto size = static_cast<std::size_t>(n_parameters());
  implementation_->reduce(std::move(batches), parameters, rows, true, gradient.first(size), {},
                          threads);
  rows.add_up(gradient.subspan(size));
}

template <class T>
void Network<T>::triangle(std::span<const RowTerm<T>> terms, std::span<const double> scales,
                          std::span<const T> parameters, std::span<const double> unknowns,
                          std::size_t first_layer, std::span<double> factor, int threads) const {
  const Walk<T>& walk = implementation_->walk;
  const index n = n_parameters_from(first_layer) + static_cast<index>(unknowns.size()) + 1;
  implementation_->take_rows(
      terms, scales, parameters, unknowns, {},
      [&](const Pass<T>& pass, TermRows<T>& rows) {
        const Triangle triangle = Triangles<T>(pass, rows).reduce(threads);
        std::ranges::copy(triangle.entries(), factor.begin());
        map_to_stored(walk.plan, parameters, first_layer, n, factor, threads);
      },
      first_layer);
}

template <class T>
double Network<T>::mean_squared_error(index n, std::span<const T> x, std::span<const T> parameters,
                                      std::span<const T> target, std::span<T> parameter_gradient,
                                      int threads) const {
  const Term<T> term = squared_error(n, n_out(), x, target);
  const double factor = 1.0 / static_cast<double>(n * n_out());
  TermSums sums;
  const std::span<T> no_components;
  reduce({&term, 1}, {&factor, 1}, parameters, {}, {&sums, 1}, parameter_gradient,
         {&no_components, 1}, threads);
  return factor * sums.loss;
}

template class Network<float>;
template class Network<double>;

}  // namespace kanml
