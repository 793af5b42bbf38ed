// A network as block programs read it: plain records and arrays.
#pragma once

#include <cstdint>

#include "kanml/types.hpp"
#include "point/space_view.hpp"

namespace kanml::block {

// Layers are of three kinds. What belongs to one input or output is in the arrays of the network,
// from `integers` and `numbers` on.
enum class LayerKind : std::int32_t {
  splines,   // integers: (n_in, 2), the space of each input and its first row of coefficients
  linear,    // y = x W, and a bias
  pointwise  // y_q = f(x_p). integers: (n_out, 2), p and f; numbers: (n_out, 2), see PointFunction
};

// Functions of one number x, with two fixed numbers a and b. After those that are named here come
// the activations, which have none.
enum class PointFunction : std::int32_t { affine /* a x + b */, cosine /* cos(a x) */, sine };
inline constexpr int first_activation = 3;

struct LayerRecord {
  LayerKind kind;
  std::int32_t n_in;
  std::int32_t n_out;
  index integers = 0;
  index numbers = 0;
  index parameters = 0;  // the first among those of the network
  // Of pointwise layers: whether output q is a function of input q, for all of them
  bool entrywise = false;
  // Of linear layers
  bool bias = false;
  // Of splines. The weights of the base function follow the coefficients.
  std::int32_t degree = 0;
  std::int32_t functions = 0;  // of an input, at most
  Extrapolation extrapolation = Extrapolation::linear;
  bool has_base = false;
  ActivationKind base = {};
  index weights = 0;  // of the base function, among the parameters of the layer
};

template <class T>
struct NetworkView {
  const LayerRecord* layers;
  std::int32_t n_layers;
  std::int32_t n_in;
  std::int32_t n_out;
  std::int32_t widest;    // of all vectors of features
  std::int32_t features;  // the sum of their widths
  std::int32_t degree;    // the highest of the splines, or 0
  bool refuses;           // whether a layer refuses inputs outside its domain
  const point::SpaceView<T>* spaces;
  const index* integers;
  const T* numbers;
};

}  // namespace kanml::block
