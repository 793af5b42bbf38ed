#include "network_case.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <type_traits>
#include <utility>

namespace bench {

using kanml::Layer;
using kanml::Layers;
using kanml::LinearLayer;
using kanml::SplineLayer;

std::vector<double> breakpoints(index n, bool graded) {
  std::vector<double> t;
  for (index i = 0; i <= n; ++i) {
    const double s = static_cast<double>(i) / static_cast<double>(n);
    t.push_back(-1.0 + 2.0 * (graded ? s * (0.4 + 0.6 * s) : s));
  }
  return t;
}

namespace {

std::shared_ptr<const Layer> spline_layer(index n_in, index n_out, index intervals, int degree) {
  const auto space = std::make_shared<const kanml::SplineSpace>(breakpoints(intervals), degree);
  return std::make_shared<const SplineLayer>(
      std::vector<std::shared_ptr<const kanml::SplineSpace>>(static_cast<std::size_t>(n_in), space),
      n_out);
}

}  // namespace

Layers regression_layers(index intervals, int degree) {
  return {std::make_shared<const LinearLayer>(2, 5, true), spline_layer(5, 1, intervals, degree)};
}

Layers spline_layers(const std::vector<index>& widths, index intervals, int degree) {
  Layers layers;
  for (std::size_t l = 0; l + 1 < widths.size(); ++l) {
    layers.push_back(spline_layer(widths[l], widths[l + 1], intervals, degree));
  }
  return layers;
}

namespace {

// Hidden values are to reach many intervals and stay inside the domain. Coefficients are those of a
// smooth function for each connection, whose slope does not grow with the number of intervals: a
// rounded hidden value then changes the outputs on fine levels no more than on coarse ones, and
// tolerances may be tight. Linear weights have about one size, so that every hidden unit of the
// narrow regression network spreads.
double coefficient_at(const SplineLayer& layer, index i, index position) {
  const index dim = layer.spaces().front()->dim();
  const index row = i / layer.n_out();
  const index connection = position - i + row / dim * layer.n_out() + i % layer.n_out();
  const double t = 2.0 * static_cast<double>(row % dim) / static_cast<double>(dim - 1) - 1.0;
  const double phase = 3.1 * noise(Stream::parameters, connection);
  const double frequency = 3.0 + noise(Stream::other, connection);
  return std::cos(phase + frequency * t) / static_cast<double>(layer.spaces().size());
}

double parameter_at(const Layer& layer, index i, index position) {
  const auto* splines = dynamic_cast<const SplineLayer*>(&layer);
  if (splines != nullptr) return 0.999 * coefficient_at(*splines, i, position);
  const double random = noise(Stream::parameters, position);
  const double width = static_cast<double>(layer.n_in());
  const auto& linear = dynamic_cast<const LinearLayer&>(layer);
  const bool is_bias = i >= linear.n_in() * linear.n_out();
  return is_bias ? 0.1 * random : (random < 0 ? -0.8 : 0.8) / width + 0.05 / width * random;
}

template <class T>
std::vector<T> make_parameters(const Layers& layers) {
  std::vector<T> parameters;
  for (const auto& layer : layers) {
    for (index i = 0; i < layer->n_parameters(); ++i) {
      const auto position = static_cast<index>(parameters.size());
      parameters.push_back(static_cast<T>(parameter_at(*layer, i, position)));
    }
  }
  return parameters;
}

}  // namespace

template <class T>
NetworkCase<T>::NetworkCase(Layers layers_in, index batch_in)
    : layers(std::move(layers_in)),
      network(layers),
      batch(batch_in),
      x(noise_vector<T>(Stream::points, batch * network.n_in(), 0.999)),
      parameters(make_parameters<T>(layers)),
      cotangent(noise_vector<T>(Stream::cotangent, batch * network.n_out())) {}

template <class T>
const Expected& NetworkCase<T>::expected(const std::string& name) const {
  static std::map<std::string, Expected> known;
  const auto found = known.find(name);
  return found != known.end() ? found->second
                              : known.emplace(name, compute_expected()).first->second;
}

template <class T>
double NetworkCase<T>::tolerance() const {
  index intervals = 0;
  for (const auto& layer : layers) {
    const auto* splines = dynamic_cast<const SplineLayer*>(layer.get());
    if (splines != nullptr) intervals = std::max(intervals, splines->spaces().front()->intervals());
  }
  const double of_intervals = std::is_same_v<T, float> ? 0.5 : 16.0;
  return std::numeric_limits<T>::epsilon() * (64.0 + of_intervals * static_cast<double>(intervals));
}

template <class T>
void NetworkCase<T>::check_sum(Check& check, const std::string& what, Stream signs,
                               const std::vector<T>& values, long double expected_sum,
                               double multiple) const {
  const std::span<const T> view(values);
  check.close(what, signed_sum(signs, view), static_cast<double>(expected_sum), norm(view),
              multiple * tolerance());
}

template <class T>
void NetworkCase<T>::check_loss(Check& check, double loss, long double expected_loss) const {
  const auto expected = static_cast<double>(expected_loss);
  check.close("loss", loss, expected, expected, tolerance());
}

template <class T>
std::vector<Jet> NetworkCase<T>::parameter_jets() const {
  std::vector<Jet> jets;
  for (const T value : parameters) {
    const auto i = static_cast<index>(jets.size());
    jets.push_back({static_cast<double>(value), random_sign(Stream::parameter_signs, i), 0.0});
  }
  return jets;
}

template <class T>
std::vector<Jet> NetworkCase<T>::input_jets(std::size_t sample) const {
  const auto width = static_cast<std::size_t>(network.n_in());
  std::vector<Jet> jets(width);
  for (std::size_t p = 0; p < width; ++p) {
    const std::size_t i = sample * width + p;
    jets[p] = {static_cast<double>(x[i]), 0.0,
               random_sign(Stream::point_signs, static_cast<index>(i))};
  }
  return jets;
}

template <class T>
Expected NetworkCase<T>::compute_expected() const {
  const ReferenceNetwork reference(layers);
  const std::vector<Jet> weights = parameter_jets();
  const auto width_out = static_cast<std::size_t>(network.n_out());
  const double entries = static_cast<double>(cotangent.size());
  Expected sums{};
  for (std::size_t s = 0; s < static_cast<std::size_t>(batch); ++s) {
    const std::vector<Jet> y = reference(input_jets(s), weights);
    for (std::size_t q = 0; q < width_out; ++q) {
      const std::size_t i = s * width_out + q;
      const double c = static_cast<double>(cotangent[i]);
      const double error = y[q].value - c;
      sums.outputs += random_sign(Stream::output_signs, static_cast<index>(i)) * y[q].value;
      sums.parameter_gradient += c * y[q].by_parameters;
      sums.input_gradient += c * y[q].by_inputs;
      sums.loss += error * error / entries;
      sums.loss_gradient += 2.0 * error / entries * y[q].by_parameters;
    }
  }
  return sums;
}

double multiply_adds(const Layers& layers, index batch) {
  index a_sample = 0;
  for (const auto& layer : layers) {
    const auto* splines = dynamic_cast<const SplineLayer*>(layer.get());
    const index per_edge = splines == nullptr ? 1 : splines->spaces().front()->degree() + 1;
    a_sample += per_edge * layer->n_in() * layer->n_out();
  }
  return static_cast<double>(a_sample) * static_cast<double>(batch);
}

Layers without_first(const Layers& layers) { return {layers.begin() + 1, layers.end()}; }

Layers without_last(const Layers& layers) { return {layers.begin(), layers.end() - 1}; }

template class NetworkCase<float>;
template class NetworkCase<double>;

}  // namespace bench
