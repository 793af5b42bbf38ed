// The two-loop recursion of L-BFGS (Nocedal and Wright 2006, Algorithm 7.4), whose numbers stay in
// memory of the device.
//
// A launch adds a multiple of one vector to q, and leaves the sums of the next product with q
// behind. In the launch after it every block adds these up by itself, and so knows the multiple.
// So m pairs take 2 m + 1 launches.
#pragma once

#include "block/vectors.hpp"

namespace kanml::block {

struct TwoLoopSums {
  double product;    // with q
  double curvature;  // s . y of the next pair, on the way there

  KANML_DEVICE void add(const TwoLoopSums& other) {
    product += other.product;
    curvature += other.curvature;
  }
};

// What the way back needs of the way there.
struct TwoLoopNumbers {
  double alpha;
  double curvature;
};

template <class T>
struct TwoLoopStep {
  Parts parts = {};
  T* q = nullptr;
  const T* gradient = nullptr;        // the first launch sets q to -gradient
  TwoLoopNumbers* numbers = nullptr;  // of the pair, written on the way there; null in the first
  bool back = false;
  const T* vector = nullptr;          // whose multiple is added: y on the way there, s back
  const TwoLoopSums* sums = nullptr;  // (parts.count), of the launch before
  const T* diagonal = nullptr;        // what q is multiplied with in the end, or null
  const T* next_vector = nullptr;     // s on the way there, y back; or null
  const T* next_change = nullptr;     // y of the next pair on the way there, or null
  TwoLoopSums* next_sums = nullptr;   // (parts.count), not `sums`
  int blocks = 1;
  int threads = 1;

  template <class Block>
  KANML_DEVICE auto memory(Block& block) const {
    return memory_of_sums<TwoLoopSums>(block);
  }

  template <class Block>
  KANML_DEVICE void operator()(Block& block) const {
    const auto lanes = memory(block);
    const bool at_first = numbers == nullptr;
    const double a = at_first ? 0.0 : multiple(block, lanes);
    write_sums(block, lanes, parts, next_sums, [&](TwoLoopSums& sum, index i) {
      const double next = next_vector == nullptr ? 0.0 : static_cast<double>(next_vector[i]);
      const double change = next_change == nullptr ? 0.0 : static_cast<double>(next_change[i]);
      T value = at_first ? -gradient[i] : plus_multiple(q[i], a, vector[i]);
      if (diagonal != nullptr) value *= diagonal[i];
      q[i] = value;
      sum.add({next * static_cast<double>(value), next * change});
    });
  }

 private:
  template <class Block, class Array>
  KANML_DEVICE double multiple(Block& block, const Array& lanes) const {
    const TwoLoopSums sum = sum_of_parts(block, lanes, parts, sums);
    if (back) return numbers->alpha - sum.product / numbers->curvature;
    const double alpha = sum.product / sum.curvature;
    block.for_each_thread([&](int thread) {
      if (block.number() == 0 && thread == 0) *numbers = {alpha, sum.curvature};
    });
    return -alpha;
  }
};

}  // namespace kanml::block
