// The coefficients of layers of splines, which all samples of a tile gather: those of some inputs
// at a time are copied to shared memory, where the banks of a warp's words mostly differ. In the
// memory of the device, each of its words lies in another line.
#pragma once

#include <type_traits>

#include "block/network.hpp"
#include "block/tile.hpp"

namespace kanml::block {

// A layer of splines, with its parameters.
template <class T>
struct SplinesView {
  const LayerRecord& layer;
  const NetworkView<T>& network;
  const T* parameters;

  KANML_DEVICE const point::SpaceView<T>& space(int p) const {
    return network.spaces[network.integers[layer.integers + 2 * p]];
  }
  // Where the coefficient rows of an input begin, (functions, n_out), and the weights of its base
  // function, (n_out).
  KANML_DEVICE index rows(int p) const {
    return network.integers[layer.integers + 2 * p + 1] * layer.n_out;
  }
  KANML_DEVICE index weights(int p) const { return layer.weights + index{p} * layer.n_out; }
  KANML_DEVICE index functions(int p) const { return space(p).intervals + layer.degree; }
};

// The numbers of an array from number `first` on.
template <class Array>
struct Behind {
  Array numbers;
  index first;

  KANML_DEVICE auto operator[](index i) const { return numbers[first + i]; }
};
template <class Array>
KANML_DEVICE auto behind(const Array& numbers, index first) {
  if constexpr (std::is_pointer_v<Array>) {
    return numbers + first;
  } else {
    return Behind<Array>{numbers, first};
  }
}

// Those of an input: the rows of neighbouring functions, `stride` apart, and the row of weights.
template <class Numbers>
struct EdgeCoefficients {
  Numbers rows;
  Numbers weights;
  int stride;
};

// Shared memory for coefficients.
template <class Array>
struct CoefficientMemory {
  Array numbers;
  index size;
};

// How a layer uses it. Rows are an odd number of words apart, so that neighbouring functions lie
// in different banks.
struct CoefficientLayout {
  int stride;
  index of_input;

  KANML_DEVICE explicit CoefficientLayout(const LayerRecord& layer)
      : stride(layer.n_out | 1),
        of_input((index{layer.functions} + (layer.has_base ? 1 : 0)) * stride) {}

  // Whole groups of inputs if possible; 0 if not even one input fits.
  KANML_DEVICE int inputs_at_once(const LayerRecord& layer, const Team& team, index size) const {
    const index fit = size / of_input;
    if (fit >= layer.n_in) return layer.n_in;
    return static_cast<int>(fit > team.groups ? fit - fit % team.groups : fit);
  }
};

// Calls f(first, end, coefficients_of) for the inputs first .. end - 1 of a layer, in turn, until
// all have had theirs; coefficients_of(p, i) returns EdgeCoefficients, from function i on. There is
// a barrier between two of them, but none behind the last.
template <class T, class Block, class Array, class F>
KANML_DEVICE void for_inputs(Block& block, const Team& team, const SplinesView<T>& splines,
                             const CoefficientMemory<Array>& memory, const F& f) {
  const LayerRecord& layer = splines.layer;
  const CoefficientLayout layout(layer);
  const int at_once = layout.inputs_at_once(layer, team, memory.size);
  const bool copied = at_once > 0;
  const int step = copied ? at_once : layer.n_in;
  for (int first = 0; first < layer.n_in; first += step) {
    const int end = first + step < layer.n_in ? first + step : layer.n_in;
    if (copied) {
      if (first > 0) block.sync();
      block.phase([&](int thread) {
        for (int p = first; p < end; ++p) {
          const int to = (p - first) * static_cast<int>(layout.of_input);
          const int count = static_cast<int>(splines.functions(p)) * layer.n_out;
          for (int i = thread; i < count; i += block.threads()) {
            memory.numbers[to + i / layer.n_out * layout.stride + i % layer.n_out] =
                splines.parameters[splines.rows(p) + i];
          }
          for (int q = thread; layer.has_base && q < layer.n_out; q += block.threads()) {
            memory.numbers[to + layer.functions * layout.stride + q] =
                splines.parameters[splines.weights(p) + q];
          }
        }
      });
    }
    const auto call = [&](const auto& numbers) {
      f(first, end, [&](int p, int function) {
        const int to = (p - first) * static_cast<int>(layout.of_input);
        const index rows = copied ? to : splines.rows(p);
        const index weights = copied ? to + layer.functions * layout.stride : splines.weights(p);
        const int stride = copied ? layout.stride : layer.n_out;
        return EdgeCoefficients{behind(numbers, rows + index{function} * stride),
                                behind(numbers, weights), stride};
      });
    };
    if constexpr (std::is_same_v<Array, T*>) {  // one function for both
      call(copied ? static_cast<const T*>(memory.numbers) : splines.parameters);
    } else if (copied) {
      call(memory.numbers);
    } else {
      call(splines.parameters);
    }
  }
}

}  // namespace kanml::block
