#include "kanml/network.hpp"

#include "core/cpu/sheets.hpp"
#include "core/cpu/tiles.hpp"

namespace kanml {

namespace {

// Sizes computed from what is not refused here do not overflow.
constexpr index most_parameters = index{1} << 40;

index product(index rows, index columns) {
  index result = 0;
  if (__builtin_mul_overflow(rows, columns, &result) || result > most_parameters) {
    throw std::invalid_argument("a layer of " + std::to_string(rows) + " times " +
                                std::to_string(columns) + " parameters is too large");
  }
  return result;
}

}  // namespace

index n_in(const Layer& layer) {
  return std::visit(Overloaded{
                        [](const SplineLayer& l) { return static_cast<index>(l.spaces.size()); },
                        [](const LinearLayer& l) { return l.n_in; },
                        [](const ActivationLayer& l) { return l.width; },
                        [](const AffineLayer& l) { return static_cast<index>(l.scale.size()); },
                        [](const EmbeddingLayer& l) { return l.n_in; },
                    },
                    layer);
}

index n_out(const Layer& layer) {
  return std::visit(Overloaded{
                        [](const SplineLayer& l) { return l.n_out; },
                        [](const LinearLayer& l) { return l.n_out; },
                        [](const ActivationLayer& l) { return l.width; },
                        [](const AffineLayer& l) { return static_cast<index>(l.scale.size()); },
                        [](const EmbeddingLayer& l) { return static_cast<index>(l.inputs.size()); },
                    },
                    layer);
}

index n_parameters(const Layer& layer) {
  return std::visit(
      Overloaded{
          [](const SplineLayer& l) {
            index rows = 0;
            for (const auto& space : l.spaces) rows += space->dim();
            return product(rows, l.n_out);
          },
          [](const LinearLayer& l) { return product(l.n_in, l.n_out) + (l.bias ? l.n_out : 0); },
          [](const ActivationLayer&) { return index{0}; },
          [](const AffineLayer&) { return index{0}; },
          [](const EmbeddingLayer&) { return index{0}; },
      },
      layer);
}

template <class T>
Network<T>::Network(std::vector<Layer> layers)
    : program_(std::make_unique<const Program>(layers)) {}
template <class T>
Network<T>::~Network() = default;
template <class T>
Network<T>::Network(Network&&) noexcept = default;
template <class T>
Network<T>& Network<T>::operator=(Network&&) noexcept = default;

template <class T>
index Network<T>::n_in() const {
  return program_->widths.front();
}
template <class T>
index Network<T>::n_out() const {
  return program_->widths.back();
}
template <class T>
index Network<T>::n_parameters() const {
  return program_->n_parameters;
}

template <class T>
void Network<T>::evaluate(index n, std::span<const T> x, std::span<const T> parameters,
                          std::span<T> y, int threads) const {
  program_->evaluate(Curves<T>(n, x), parameters, y, threads);
}

template <class T>
void Network<T>::taylor(index n, std::span<const T> x, std::span<const T> parameters,
                        const Directions<T>& directions, std::span<T> coefficients, int threads,
                        Tape<T>* tape) const {
  program_->require_orders(directions.orders);
  if (tape != nullptr) tape->resize(0);
  program_->evaluate(Curves<T>(n, x, n_in(), directions), parameters, coefficients, threads, tape);
}

template <class T>
void Network<T>::jvp(index n, std::span<const T> x, std::span<const T> parameters,
                     std::span<const T> parameter_tangent, std::span<T> y_tangent,
                     int threads) const {
  const Program& program = *program_;
  std::vector<T> storage;
  std::vector<T> tangent_storage;
  const T* const theta = program.in_splines(parameters, storage);
  const T* const dtheta = program.in_splines(parameter_tangent, tangent_storage);
  // The inputs do not move: one direction, which is zero.
  const int order = 1;
  const std::vector<T> zero(static_cast<std::size_t>(n_in()), T(0));
  const Curves<T> curves(n, x, n_in(), {{&order, 1}, zero});
  const int team = program.team(threads, n, 2, n_tiles(n));
  Workspaces<T> spaces(team, program.widths, 2, false, program.scratch_bytes(2));
  parallel_for(team, n_tiles(n), [&](index t, int thread) {
    const Tile tile = tile_at(t, n);
    Workspace<T>& workspace = spaces[thread];
    program.bind_inputs(tile, curves, workspace.features.front());
    workspace.features.back()[1] = y_tangent.data() + tile.first * n_out();
    program.forward(tile, curves.directions, program.layers.size(), theta, dtheta, workspace);
  });
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
  program_->require_orders(directions.orders);
  const auto given = [&](const Tile& tile, Workspace<T>& workspace) {
    program_->bind_outputs(tile, n, const_cast<T*>(cotangents.data()), workspace.cotangents.back());
    return 0.0;
  };
  const Curves<T> curves(n, x, n_in(), directions);
  if (tape != nullptr && tape->size_ > 0 &&
      tape->size_ != n_tiles(n) * program_->numbers_between(curves.directions.n_planes)) {
    throw std::invalid_argument("the tape is of other samples or directions");
  }
  program_->template gradient<false>(curves, parameters, given, parameter_gradient, input_gradient,
                                     threads, tape);
}

template <class T>
double Network<T>::mean_squared_error(index n, std::span<const T> x, std::span<const T> parameters,
                                      std::span<const T> target, std::span<T> parameter_gradient,
                                      int threads) const {
  const double entries = static_cast<double>(n * n_out());
  const T factor = static_cast<T>(2.0 / entries);
  const auto squared_error = [&](const Tile& tile, const Workspace<T>& workspace) {
    const T* y = workspace.features.back()[0];
    T* cotangent = workspace.cotangents.back()[0];
    const T* wanted = target.data() + tile.first * n_out();
    double sum = 0.0;
    for (index i = 0; i < tile.samples * n_out(); ++i) {
      const T error = y[i] - wanted[i];
      sum += static_cast<double>(error) * static_cast<double>(error);
      cotangent[i] = factor * error;
    }
    return sum;
  };
  return program_->template gradient<true>(Curves<T>(n, x), parameters, squared_error,
                                           parameter_gradient, {}, threads) /
         entries;
}

template class Network<float>;
template class Network<double>;

}  // namespace kanml
