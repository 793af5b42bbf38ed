// The losses of terms: a program runs on the outputs of each tile.
#pragma once

#include <algorithm>
#include <cmath>
#include <optional>
#include <span>
#include <vector>

#include "core/cpu/pass.hpp"
#include "core/cpu/registers.hpp"
#include "core/runtime/active_kernels.hpp"
#include "kanml/terms.hpp"

namespace kanml {

// Registers hold one number for each of tile_size samples. If a network has several outputs, its
// planes (samples, n_out) are transposed, so that each output is such a column; n_out is 1 below.
template <class T>
class TermLosses {
 public:
  static constexpr bool reads_outputs = true;

  TermLosses(std::span<const Term<T>> terms, std::span<const double> factors, index n_out,
             std::span<const double> unknowns, std::span<const std::span<T>> components)
      : terms_(terms),
        factors_(factors),
        n_out_(n_out),
        unknowns_(unknowns),
        components_(components) {
    for (const Term<T>& term : terms_) {
      layouts_.push_back(layout_of(term));
      n_registers_ = std::max<index>(n_registers_, term.loss->program().n_registers());
      n_planes_ = std::max(n_planes_, layouts_.back().n_planes());
    }
  }

  void prepare(int threads, index tiles) {
    records_.assign(static_cast<std::size_t>(tiles * record_size()), 0.0);
    batches_.assign(static_cast<std::size_t>(tiles), 0);
    const index columns = n_registers_ + 2 * n_planes_ * n_out_;
    memory_.emplace(threads, static_cast<std::size_t>(columns * kernels::tile_size) * sizeof(T));
    desks_.resize(static_cast<std::size_t>(threads));
    for (int thread = 0; thread < threads; ++thread) {
      T* const memory = static_cast<T*>(memory_->of(thread));
      Desk& desk = desks_[static_cast<std::size_t>(thread)];
      desk.memory = memory;
      desk.outputs = memory + n_registers_ * kernels::tile_size;
      desk.cotangents = desk.outputs + n_planes_ * n_out_ * kernels::tile_size;
    }
  }

  void operator()(const TileOf& at, int thread, Workspace<T>* places, bool backward) {
    Desk& desk = desks_[static_cast<std::size_t>(thread)];
    if (desk.term != &terms_[at.batch]) set_up(desk, terms_[at.batch]);
    batches_[static_cast<std::size_t>(at.number)] = at.batch;
    double* const record = records_.data() + at.number * record_size();
    for (int first = 0; first < at.tile.samples; first += kernels::tile_size) {
      const int count = std::min(kernels::tile_size, at.tile.samples - first);
      const Step step{at.batch, layouts_[at.batch], at.tile.first + first, first, count};
      bind_coefficients(step, desk, places);
      bind_columns(step, desk);
      desk.registers->run(active_kernels<T>(), count);
      reduce(step, desk, record);
      if (backward) {
        write_cotangents(step, desk, places);
        sum_unknowns(step, desk, record);
      }
    }
  }

  bool has_cotangents(std::size_t batch, std::size_t place) const {
    return layouts_[batch].has_cotangents[place];
  }

  // Adds up, in the order of the tiles, what the calls have found.
  void add_up(std::span<TermSums> sums, std::span<T> unknown_gradient) const {
    std::vector<double> gradient(unknowns_.size(), 0.0);
    std::fill(sums.begin(), sums.end(), TermSums{});
    for (std::size_t t = 0; t < batches_.size(); ++t) {
      const double* const record = records_.data() + static_cast<index>(t) * record_size();
      TermSums& of_term = sums[batches_[t]];
      of_term.loss += record[0];
      of_term.largest = larger(of_term.largest, record[1]);
      for (std::size_t i = 0; i < gradient.size(); ++i) {
        gradient[i] += factors_[batches_[t]] * record[2 + i];
      }
    }
    for (std::size_t i = 0; i < unknown_gradient.size(); ++i) {
      unknown_gradient[i] = static_cast<T>(gradient[i]);
    }
  }

 private:
  // The planes of all places, one after the other.
  struct Layout {
    std::vector<index> first_planes;   // (places + 1)
    std::vector<bool> read;            // (planes): whether the program reads it
    std::vector<bool> has_cotangents;  // (places)
    index n_planes() const { return first_planes.back(); }
    index plane_of(const Coefficient& c) const {
      return first_planes[static_cast<std::size_t>(c.place)] + c.plane;
    }
  };
  // The memory of a thread.
  struct Desk {
    const Term<T>* term = nullptr;  // whose constants and unknowns are in the registers
    std::optional<Registers<T>> registers;
    T* memory;      // of the registers
    T* outputs;     // (planes, n_out, tile_size)
    T* cotangents;  // the same
  };
  // At most tile_size samples of a tile.
  struct Step {
    std::size_t batch;
    const Layout& layout;
    index sample;  // the first, among those of the batch
    int offset;    // among those of the tile
    int count;
  };

  static Layout layout_of(const Term<T>& term) {
    Layout layout;
    layout.first_planes.push_back(0);
    for (const Place<T>& place : term.places) {
      layout.first_planes.push_back(layout.n_planes() + place.directions.n_planes());
    }
    layout.read.assign(static_cast<std::size_t>(layout.n_planes()), false);
    layout.has_cotangents.assign(term.places.size(), false);
    for (const Coefficient& c : term.loss->coefficients()) {
      layout.read[static_cast<std::size_t>(layout.plane_of(c))] = true;
    }
    for (const Coefficient& c : term.loss->differentiated()) {
      layout.has_cotangents[static_cast<std::size_t>(c.place)] = true;
    }
    return layout;
  }

  index record_size() const { return 2 + static_cast<index>(unknowns_.size()); }
  static double larger(double a, double b) { return b > a || b != b ? b : a; }

  void set_up(Desk& desk, const Term<T>& term) const {
    const PointLoss& loss = *term.loss;
    desk.term = &term;
    desk.registers.emplace(loss.program(), desk.memory);
    int next = loss.program().n_inputs() - loss.n_unknowns();
    for (const double unknown : unknowns_) desk.registers->fill(next++, static_cast<T>(unknown));
  }

  // Calls f(place, plane of the place, plane of the layout).
  template <class F>
  static void for_planes(const Layout& layout, const F& f) {
    for (std::size_t place = 0; place + 1 < layout.first_planes.size(); ++place) {
      for (index plane = layout.first_planes[place]; plane < layout.first_planes[place + 1];
           ++plane) {
        f(place, static_cast<std::size_t>(plane - layout.first_planes[place]),
          static_cast<std::size_t>(plane));
      }
    }
  }
  T* column_of(T* planes, index plane, index output) const {
    return planes + (plane * n_out_ + output) * kernels::tile_size;
  }

  void bind_coefficients(const Step& step, Desk& desk, const Workspace<T>* places) const {
    const index offset = step.offset * n_out_;
    for_planes(step.layout, [&](std::size_t place, std::size_t plane, std::size_t at) {
      if (!step.layout.read[at]) return;
      active_kernels<T>().transpose(
          step.count, n_out_, places[place].features.back()[plane] + offset, n_out_,
          column_of(desk.outputs, static_cast<index>(at), 0), kernels::tile_size);
    });
    int next = 0;
    for (const Coefficient& c : desk.term->loss->coefficients()) {
      desk.registers->redirect(next++, column_of(desk.outputs, step.layout.plane_of(c), c.output));
    }
  }

  void bind_columns(const Step& step, Desk& desk) const {
    const Term<T>& term = *desk.term;
    auto next = static_cast<int>(term.loss->coefficients().size());
    for (const Column<T>& column : term.columns) {
      if (term.rows.empty() && column.stride == 1) {
        desk.registers->set(next++, column.first + step.sample, step.count);
        continue;
      }
      T* const to = desk.registers->own(next);
      for (int s = 0; s < step.count; ++s) {
        const index sample = step.sample + s;
        const index point =
            term.rows.empty() ? sample : term.rows[static_cast<std::size_t>(sample)];
        to[s] = column.first[point * column.stride];
      }
      desk.registers->redirect(next++, to);
    }
  }

  const T* output(const Desk& desk, std::size_t i) const {
    return (*desk.registers)[desk.term->loss->program().outputs()[i]];
  }

  void reduce(const Step& step, const Desk& desk, double* record) const {
    const T* const loss = output(desk, 0);
    double sum = 0.0;
    for (int s = 0; s < step.count; ++s) sum += static_cast<double>(loss[s]);
    record[0] += sum;
    const auto n_components = static_cast<std::size_t>(desk.term->loss->n_components());
    for (std::size_t c = 0; c < n_components; ++c) {
      const T* const component = output(desk, 1 + c);
      double largest = record[1];
      for (int s = 0; s < step.count; ++s) {
        largest = larger(largest, std::fabs(static_cast<double>(component[s])));
      }
      record[1] = largest;
      const std::span<T> to = components_[step.batch];
      if (to.empty()) continue;
      T* const first = to.data() + step.sample * static_cast<index>(n_components);
      for (int s = 0; s < step.count; ++s) {
        first[static_cast<std::size_t>(s) * n_components + c] = component[s];
      }
    }
  }

  void write_cotangents(const Step& step, const Desk& desk, Workspace<T>* places) const {
    const PointLoss& loss = *desk.term->loss;
    const T factor = static_cast<T>(factors_[step.batch]);
    for_planes(step.layout, [&](std::size_t /*place*/, std::size_t /*plane*/, std::size_t at) {
      std::fill_n(column_of(desk.cotangents, static_cast<index>(at), 0),
                  n_out_ * kernels::tile_size, T(0));
    });
    std::size_t next = 1 + static_cast<std::size_t>(loss.n_components());
    for (const Coefficient& c : loss.differentiated()) {
      const T* const derivative = output(desk, next++);
      T* const to = column_of(desk.cotangents, step.layout.plane_of(c), c.output);
      for (int s = 0; s < step.count; ++s) to[s] = factor * derivative[s];
    }
    for_planes(step.layout, [&](std::size_t place, std::size_t plane, std::size_t at) {
      active_kernels<T>().transpose(
          n_out_, step.count, column_of(desk.cotangents, static_cast<index>(at), 0),
          kernels::tile_size, places[place].cotangents.back()[plane] + step.offset * n_out_,
          n_out_);
    });
  }

  void sum_unknowns(const Step& step, const Desk& desk, double* record) const {
    const PointLoss& loss = *desk.term->loss;
    std::size_t next =
        1 + static_cast<std::size_t>(loss.n_components()) + loss.differentiated().size();
    for (std::size_t i = 0; i < unknowns_.size(); ++i) {
      const T* const derivative = output(desk, next++);
      double sum = 0.0;
      for (int s = 0; s < step.count; ++s) sum += static_cast<double>(derivative[s]);
      record[2 + i] += sum;
    }
  }

  std::span<const Term<T>> terms_;
  std::span<const double> factors_;
  index n_out_;
  std::span<const double> unknowns_;
  std::span<const std::span<T>> components_;
  std::vector<Layout> layouts_;
  index n_registers_ = 0;
  index n_planes_ = 0;
  std::vector<double> records_;       // (tiles, record_size): loss, largest, unknowns
  std::vector<std::size_t> batches_;  // (tiles)
  std::optional<ThreadBuffer> memory_;
  std::vector<Desk> desks_;  // (threads)
};

}  // namespace kanml
