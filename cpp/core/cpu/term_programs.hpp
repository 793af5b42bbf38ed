// The programs of terms on the outputs of each tile: what losses and rows have in common.
#pragma once

#include <algorithm>
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
template <class T, class Formula>
class TermPrograms {
 public:
  using Terms = std::span<const TermOf<T, Formula>>;

  // What a thread has before it: at most tile_size samples of a tile.
  struct Desk {
    std::size_t term;  // its number
    index sample;      // the first, among those of the term
    int offset;        // the same, among those of the tile
    int count;

    const TermOf<T, Formula>* set_up_for =
        nullptr;  // whose constants and unknowns are in registers
    std::optional<Registers<T>> registers;
    T* memory;      // of the registers
    T* outputs;     // (planes, n_out, tile_size)
    T* cotangents;  // the same

    // An output of the program.
    const T* operator[](std::size_t output) const {
      return (*registers)[set_up_for->formula->program().outputs()[output]];
    }
  };

  TermPrograms(Terms terms, index n_out, std::span<const double> unknowns)
      : terms_(terms), n_out_(n_out), unknowns_(unknowns) {
    for (const auto& term : terms_) {
      layouts_.push_back(layout_of(term));
      n_registers_ = std::max<index>(n_registers_, term.formula->program().n_registers());
      n_planes_ = std::max(n_planes_, layouts_.back().n_planes());
    }
  }

  void prepare(int threads) {
    const index columns = n_registers_ + 2 * n_planes_ * n_out_;
    memory_.emplace(threads, static_cast<std::size_t>(columns * kernels::tile_size) * sizeof(T));
    desks_.clear();
    desks_.resize(static_cast<std::size_t>(threads));
    for (int thread = 0; thread < threads; ++thread) {
      T* const memory = static_cast<T*>(memory_->of(thread));
      Desk& desk = desks_[static_cast<std::size_t>(thread)];
      desk.memory = memory;
      desk.outputs = memory + n_registers_ * kernels::tile_size;
      desk.cotangents = desk.outputs + n_planes_ * n_out_ * kernels::tile_size;
    }
  }

  // Runs the program of a tile's term, and calls f(desk) whenever its outputs are on the desk.
  // Those of a tile of at most tile_size samples stay there until the next one.
  template <class F>
  void run(const TileOf& at, int thread, const Workspace<T>* places, const F& f) {
    Desk& desk = desks_[static_cast<std::size_t>(thread)];
    if (desk.set_up_for != &terms_[at.batch]) set_up(desk, terms_[at.batch]);
    desk.term = at.batch;
    for (int first = 0; first < at.tile.samples; first += kernels::tile_size) {
      desk.sample = at.tile.first + first;
      desk.offset = first;
      desk.count = std::min(kernels::tile_size, at.tile.samples - first);
      bind_coefficients(desk, places);
      bind_columns(desk);
      desk.registers->run(active_kernels<T>(), desk.count);
      f(desk);
    }
  }
  const Desk& desk(int thread) const { return desks_[static_cast<std::size_t>(thread)]; }

  // The cotangents of the outputs of the network: all zero, then sums of products of weight(sample)
  // and derivatives, which are outputs of the program from `first` on; then on the way back.
  void clear_cotangents(const Desk& desk) const {
    std::fill_n(desk.cotangents, layout(desk).n_planes() * n_out_ * kernels::tile_size, T(0));
  }
  template <class Weight>
  void add_cotangents(const Desk& desk, std::span<const Coefficient> coefficients,
                      std::size_t first, const Weight& weight) const {
    for (const Coefficient& c : coefficients) {
      const T* const derivative = desk[first++];
      T* const to = column_of(desk.cotangents, layout(desk).plane_of(c), c.output);
      for (int s = 0; s < desk.count; ++s) to[s] += weight(s) * derivative[s];
    }
  }
  void send_back(const Desk& desk, Workspace<T>* places) const {
    for_planes(layout(desk), [&](std::size_t place, std::size_t plane, index at) {
      active_kernels<T>().transpose(
          n_out_, desk.count, column_of(desk.cotangents, at, 0), kernels::tile_size,
          places[place].cotangents.back()[plane] + desk.offset * n_out_, n_out_);
    });
  }

 private:
  // The planes of all places, one after the other.
  struct Layout {
    std::vector<index> first_planes;  // (places + 1)
    std::vector<bool> read;           // (planes): whether the program reads it
    index n_planes() const { return first_planes.back(); }
    index plane_of(const Coefficient& c) const {
      return first_planes[static_cast<std::size_t>(c.place)] + c.plane;
    }
  };

  static Layout layout_of(const TermOf<T, Formula>& term) {
    Layout layout;
    layout.first_planes.push_back(0);
    for (const Place<T>& place : term.places) {
      layout.first_planes.push_back(layout.n_planes() + place.directions.n_planes());
    }
    layout.read.assign(static_cast<std::size_t>(layout.n_planes()), false);
    for (const Coefficient& c : term.formula->coefficients()) {
      layout.read[static_cast<std::size_t>(layout.plane_of(c))] = true;
    }
    return layout;
  }
  const Layout& layout(const Desk& desk) const { return layouts_[desk.term]; }

  void set_up(Desk& desk, const TermOf<T, Formula>& term) const {
    const Formula& formula = *term.formula;
    desk.set_up_for = &term;
    desk.registers.emplace(formula.program(), desk.memory);
    int next = formula.program().n_inputs() - formula.n_unknowns();
    for (const double unknown : unknowns_) desk.registers->fill(next++, static_cast<T>(unknown));
  }

  // Calls f(place, plane of the place, plane of the layout).
  template <class F>
  static void for_planes(const Layout& layout, const F& f) {
    for (std::size_t place = 0; place + 1 < layout.first_planes.size(); ++place) {
      const index first = layout.first_planes[place];
      for (index plane = first; plane < layout.first_planes[place + 1]; ++plane) {
        f(place, static_cast<std::size_t>(plane - first), plane);
      }
    }
  }
  T* column_of(T* planes, index plane, index output) const {
    return planes + (plane * n_out_ + output) * kernels::tile_size;
  }

  void bind_coefficients(Desk& desk, const Workspace<T>* places) const {
    for_planes(layout(desk), [&](std::size_t place, std::size_t plane, index at) {
      if (!layout(desk).read[static_cast<std::size_t>(at)]) return;
      active_kernels<T>().transpose(desk.count, n_out_,
                                    places[place].features.back()[plane] + desk.offset * n_out_,
                                    n_out_, column_of(desk.outputs, at, 0), kernels::tile_size);
    });
    int next = 0;
    for (const Coefficient& c : desk.set_up_for->formula->coefficients()) {
      desk.registers->redirect(next++, column_of(desk.outputs, layout(desk).plane_of(c), c.output));
    }
  }

  void bind_columns(Desk& desk) const {
    const TermOf<T, Formula>& term = *desk.set_up_for;
    auto next = static_cast<int>(term.formula->coefficients().size());
    for (const Column<T>& column : term.columns) {
      if (term.rows.empty() && column.stride == 1) {
        desk.registers->set(next++, column.first + desk.sample, desk.count);
        continue;
      }
      T* const to = desk.registers->own(next);
      for (int s = 0; s < desk.count; ++s) {
        const index sample = desk.sample + s;
        const index point =
            term.rows.empty() ? sample : term.rows[static_cast<std::size_t>(sample)];
        to[s] = column.first[point * column.stride];
      }
      desk.registers->redirect(next++, to);
    }
  }

  Terms terms_;
  index n_out_;
  std::span<const double> unknowns_;
  std::vector<Layout> layouts_;
  index n_registers_ = 0;
  index n_planes_ = 0;
  std::optional<ThreadBuffer> memory_;
  std::vector<Desk> desks_;  // (threads)
};

// Whether some of the coefficients are those of a place.
inline bool any_at(std::span<const Coefficient> coefficients, std::size_t place) {
  return std::ranges::any_of(coefficients, [&](const Coefficient& c) {
    return static_cast<std::size_t>(c.place) == place;
  });
}

}  // namespace kanml
