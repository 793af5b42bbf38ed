// The gradient of a layer of splines with respect to its coefficients and weights.
#pragma once

#include "block/spline.hpp"

namespace kanml::block {

// Shared memory for some inputs of a tile, one for each group.
template <class Array, class Integers>
struct EdgeMemory {
  static constexpr int outputs_at_once = 8;

  Array numbers;
  Integers first;   // (groups, samples): the first function that is nonzero at each sample
  Integers order;   // (groups, samples): the samples, sorted by it
  Integers sorted;  // (groups, samples): first[order]
  int of_input;     // numbers of an input and sample
  int degree;
  Team team;

  // Numbers of an input and sample: the derivatives of the basis and of the base function, and the
  // cotangents of derivatives of some outputs.
  KANML_DEVICE static int count(int order, int degree) {
    return (order + 1) * (degree + 2 + outputs_at_once);
  }

  KANML_DEVICE decltype(auto) basis(int group, int r, int j, int s) const {
    return at(group, r * (degree + 2) + j, s);
  }
  KANML_DEVICE decltype(auto) base(int group, int r, int s) const {
    return at(group, r * (degree + 2) + degree + 1, s);
  }
  // e_r of the output q among those at once.
  KANML_DEVICE decltype(auto) cotangent(int group, int order, int r, int q, int s) const {
    return at(group, (order + 1) * (degree + 2) + r * outputs_at_once + q, s);
  }
  KANML_DEVICE int place(int group, int s) const { return group * team.samples + s; }

 private:
  KANML_DEVICE decltype(auto) at(int group, int i, int s) const {
    return numbers[index{group * of_input + i} * stride_of(team) + s];
  }
};

template <class T, class Block>
KANML_DEVICE auto edge_memory(Block& block, const Team& team, int order, int degree) {
  using Array = decltype(block.template shared<T>("", 0));
  using Integers = decltype(block.template shared<std::int32_t>("", 0));
  const int samples = team.threads();
  const int of_input = EdgeMemory<Array, Integers>::count(order, degree);
  const index size = index{team.groups} * of_input * stride_of(team);
  return EdgeMemory<Array, Integers>{
      .numbers = block.template shared<T>("edges", size),
      .first = block.template shared<std::int32_t>("first functions", samples),
      .order = block.template shared<std::int32_t>("sorted samples", samples),
      .sorted = block.template shared<std::int32_t>("sorted first functions", samples),
      .of_input = of_input,
      .degree = degree,
      .team = team};
}

// Adds to neighbouring coefficients, of an input, a function and the outputs from i on, what the
// samples contribute at which the function is nonzero, in their sorted order.
template <int Degree, int Order, int Width, class T, class Edges>
KANML_DEVICE void add_coefficients(const Tile& tile, const Edges& edges, int group, int function,
                                   int i, T* coefficients) {
  int begin = 0;  // the first of them, by bisection
  for (int end = tile.count; begin < end;) {
    const int middle = (begin + end) / 2;
    const bool before = edges.sorted[edges.place(group, middle)] < function - Degree;
    begin = before ? middle + 1 : begin;
    end = before ? end : middle;
  }
  T sums[Width] = {};
  int at = begin;
  for (; at < tile.count; ++at) {
    const int j = function - edges.sorted[edges.place(group, at)];
    if (j < 0) break;
    const int s = edges.order[edges.place(group, at)];
    for (int r = 0; r <= Order; ++r) {
      const T weight = edges.basis(group, r, j, s);
      for (int w = 0; w < Width; ++w)
        sums[w] += weight * edges.cotangent(group, Order, r, i + w, s);
    }
  }
  for (int w = 0; at > begin && w < Width; ++w) coefficients[w] += sums[w];
}

// Adds  cc_j[q] += sum_s sum_r b_j^(r) e_r[q]  over the samples of a tile.
//
// Groups take inputs. The samples of a tile are sorted by the interval in which their input lies:
// so those at which a function is nonzero are neighbours. A thread owns coefficients of
// neighbouring outputs.
template <int Degree, int Order, class T, class Block, class Array, class Integers>
KANML_DEVICE void add_spline_gradient(Block& block, const Team& team, const SplinesView<T>& splines,
                                      const CurvesView<T>& curves, const Tile& tile,
                                      const Planes<Array>& in, const Planes<Array>& cy,
                                      const EdgeMemory<Array, Integers>& edges, T* gradient) {
  constexpr int at_once = EdgeMemory<Array, Integers>::outputs_at_once;
  const LayerRecord& layer = splines.layer;
  const int n_out = layer.n_out;
  for (int p0 = 0; p0 < layer.n_in; p0 += team.groups) {
    phase_of_samples(block, team, tile, [&](int s, int group) {
      const int p = p0 + group;
      if (p >= layer.n_in) return;
      const EdgesAt<T, Degree, (Order < 1 ? 1 : Order)> found(splines, p, in(0, p, s));
      for (int r = 0; r <= Order; ++r) {
        for (int j = 0; j <= Degree; ++j)
          edges.basis(group, r, j, s) = found.basis.derivatives[r][j];
        edges.base(group, r, s) = found.base[r];
      }
      edges.first[edges.place(group, s)] = found.basis.first;
    });

    for (int q0 = 0; q0 < n_out; q0 += at_once) {
      const int n_q = n_out - q0 < at_once ? n_out - q0 : at_once;
      phase_of_samples(block, team, tile, [&](int s, int group) {
        const int p = p0 + group;
        if (p >= layer.n_in) return;
        if (q0 == 0) {
          // Counting sort: the place of a sample is the number of those before it.
          const std::int32_t first = edges.first[edges.place(group, s)];
          int place = 0;
          for (int i = 0; i < tile.count; ++i) {
            const std::int32_t other = edges.first[edges.place(group, i)];
            place += other < first || (other == first && i < s) ? 1 : 0;
          }
          edges.order[edges.place(group, place)] = s;
          edges.sorted[edges.place(group, place)] = first;
        }
        for (int i = 0; i < n_q; ++i) {
          T e[Order + 1];
          cotangents_of_derivatives<Order>(curves, in, p, cy, q0 + i, s, e);
          for (int r = 0; r <= Order; ++r) edges.cotangent(group, Order, r, i, s) = e[r];
        }
      });

      const int n_groups = layer.n_in - p0 < team.groups ? layer.n_in - p0 : team.groups;
      block.phase([&](int thread) {
        int most_functions = 0;  // of an input
        for (int group = 0; group < n_groups; ++group) {
          const auto functions = static_cast<int>(splines.functions(p0 + group));
          most_functions = functions > most_functions ? functions : most_functions;
        }
        const int whole = n_q / strip;  // strips of outputs; the rest come one by one
        const int n_strips = whole + n_q % strip;
        const int items = n_groups * most_functions * n_strips;
        for (int item = thread; item < items; item += block.threads()) {
          const int of_outputs = item % n_strips;
          const int function = item / n_strips % most_functions;
          const int group = item / n_strips / most_functions;
          if (function >= splines.functions(p0 + group)) continue;
          T* const row = gradient + splines.rows(p0 + group) + index{function} * n_out + q0;
          if (of_outputs < whole) {
            const int i = of_outputs * strip;
            add_coefficients<Degree, Order, strip>(tile, edges, group, function, i, row + i);
          } else {
            const int i = whole * strip + of_outputs - whole;
            add_coefficients<Degree, Order, 1>(tile, edges, group, function, i, row + i);
          }
        }
        for (int item = thread; layer.has_base && item < n_groups * n_q; item += block.threads()) {
          const int i = item % n_q;
          const int group = item / n_q;
          T sum = T(0);
          for (int s = 0; s < tile.count; ++s) {
            for (int r = 0; r <= Order; ++r) {
              sum += edges.base(group, r, s) * edges.cotangent(group, Order, r, i, s);
            }
          }
          gradient[splines.weights(p0 + group) + q0 + i] += sum;
        }
      });
    }
  }
}

// The same at one sample: calls add(parameter, derivative). A thread owns what belongs to the
// inputs of its group.
template <int Degree, int Order, class T, class Array, class Add>
KANML_DEVICE void add_spline_row(const Team& team, const SplinesView<T>& splines,
                                 const CurvesView<T>& curves, int s, int group,
                                 const Planes<Array>& in, const Planes<Array>& cy, const Add& add) {
  const int n_out = splines.layer.n_out;
  for (int p = group; p < splines.layer.n_in; p += team.groups) {
    const EdgesAt<T, Degree, (Order < 1 ? 1 : Order)> edges(splines, p, in(0, p, s));
    const index rows = splines.rows(p) + edges.basis.first * index{n_out};
    const index weights = splines.weights(p);
    for (int q = 0; q < n_out; ++q) {
      T e[Order + 1];
      cotangents_of_derivatives<Order>(curves, in, p, cy, q, s, e);
      for (int j = 0; j <= Degree; ++j) {
        T sum = T(0);
        for (int r = 0; r <= Order; ++r) sum += edges.basis.derivatives[r][j] * e[r];
        add(rows + j * n_out + q, sum);
      }
      for (int r = 0; edges.has_base && r <= Order; ++r) add(weights + q, edges.base[r] * e[r]);
    }
  }
}

}  // namespace kanml::block
