#include "kanml/network.hpp"

#include "core/cpu/losses.hpp"
#include "core/cpu/sheets.hpp"
#include "core/cpu/tiles.hpp"
#include "core/cpu/walk.hpp"

namespace kanml {

template <class T>
struct Network<T>::Implementation {
  Walk<T> walk;

  // The one place where an executor is chosen.

  void evaluate(const Curves<T>& curves, std::span<const T> stored, std::span<T> y, int threads,
                Tape<T>* tape) const {
    std::vector<T> storage;
    const T* const parameters = walk.plan.decode(stored, storage);
    if (Sheets<T>::suit(walk, curves)) {
      Sheets<T>(walk, curves, parameters).evaluate(y, threads);
    } else {
      Tiles<T>(walk, curves, parameters).evaluate(y, threads, tape);
    }
  }

  template <class Loss>
  double gradient(const Curves<T>& curves, std::span<const T> stored, const Loss& loss,
                  std::span<T> parameter_gradient, std::span<T> input_gradient, int threads,
                  const Tape<T>* tape) const {
    std::vector<T> storage;
    const T* const parameters = walk.plan.decode(stored, storage);
    const double total =
        Sheets<T>::suit(walk, curves)
            ? Sheets<T>(walk, curves, parameters)
                  .gradient(loss, parameter_gradient, input_gradient, threads)
            : Tiles<T>(walk, curves, parameters)
                  .gradient(loss, parameter_gradient, input_gradient, threads, tape);
    walk.plan.pull_back(stored, parameter_gradient);
    return total;
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
void Network<T>::evaluate(index n, std::span<const T> x, std::span<const T> parameters,
                          std::span<T> y, int threads) const {
  implementation_->evaluate(Curves<T>(n, x), parameters, y, threads, nullptr);
}

template <class T>
void Network<T>::taylor(index n, std::span<const T> x, std::span<const T> parameters,
                        const Directions<T>& directions, std::span<T> coefficients, int threads,
                        Tape<T>* tape) const {
  implementation_->walk.plan.require_orders(directions.orders);
  if (tape != nullptr) tape->resize(0);
  implementation_->evaluate(Curves<T>(n, x, n_in(), directions), parameters, coefficients, threads,
                            tape);
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
                            int threads, const Tape<T>* tape) const {
  const Walk<T>& walk = implementation_->walk;
  walk.plan.require_orders(directions.orders);
  const Curves<T> curves(n, x, n_in(), directions);
  if (tape != nullptr && !tape->empty() && tape->size() != tape_size(walk.plan, curves)) {
    throw std::invalid_argument("the tape is of other samples or directions");
  }
  implementation_->gradient(curves, parameters, GivenCotangents<T>(walk, n, cotangents),
                            parameter_gradient, input_gradient, threads, tape);
}

template <class T>
double Network<T>::mean_squared_error(index n, std::span<const T> x, std::span<const T> parameters,
                                      std::span<const T> target, std::span<T> parameter_gradient,
                                      int threads) const {
  const double sum =
      implementation_->gradient(Curves<T>(n, x), parameters, SquaredError<T>(n, n_out(), target),
                                parameter_gradient, {}, threads, nullptr);
  return sum / static_cast<double>(n * n_out());
}

template class Network<float>;
template class Network<double>;

}  // namespace kanml
