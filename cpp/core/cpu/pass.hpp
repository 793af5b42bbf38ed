// The executor for losses with their gradients, and for rows: a tile of samples goes through all
// layers, its loss gives the cotangents of the outputs, and these go back through the layers, while
// all of it is in cache. Gradients are summed over slots.
#pragma once

#include "core/cpu/slots.hpp"
#include "core/cpu/tile_path.hpp"

namespace kanml {

// A tile among those of all batches.
struct TileOf {
  index number;       // in the order of evaluation
  std::size_t batch;  // its number
  Tile tile;
};

template <class T>
class Pass {
 public:
  // Parameters are given as kernels read them. Derivatives are those with respect to the parameters
  // of layers from `lowest` on.
  Pass(const Walk<T>& walk, std::span<const Batch<T>> batches, const T* parameters,
       std::size_t lowest = 0)
      : walk_(walk),
        batches_(batches),
        n_parameters_(walk.plan.n_parameters() - walk.plan.offsets[lowest]) {
    for (const Batch<T>& batch : batches_) {
      first_tiles_.push_back(tiles_);
      first_paths_.push_back(paths_.size());
      tiles_ += n_tiles(batch.n);
      index planes = 0;
      for (const Curves<T>& curves : batch.places) {
        paths_.emplace_back(walk, curves, parameters, lowest);
        n_planes_ = std::max(n_planes_, curves.directions.n_planes);
        planes += curves.directions.n_planes;
      }
      n_places_ = std::max(n_places_, static_cast<int>(batch.places.size()));
      work_ += batch.n * planes;
    }
  }

  index n_parameters() const { return n_parameters_; }
  index tiles() const { return tiles_; }
  TileOf tile_of(index t) const {
    std::size_t batch = batches_.size() - 1;
    while (first_tiles_[batch] > t) --batch;
    return {t, batch, tile_at(t - first_tiles_[batch], batches_[batch].n)};
  }

  // The number of threads for the tasks of an evaluation, with `effort` as its work in terms of
  // that of the network.
  int team(int requested, index tasks, index effort = 1) const {
    return walk_.team(requested, work_ * effort, tasks);
  }

  // The losses alone; see losses.hpp.
  template <class Loss>
  void evaluate(Loss& loss, int requested) const {
    const int threads = team(requested, tiles_);
    loss.prepare(threads, tiles_);
    Workspaces<T> workspaces(threads * n_places_, walk_.plan.widths, n_planes_, false,
                             walk_.scratch_bytes(n_planes_));
    parallel_for(threads, tiles_, [&](index t, int thread) {
      forward(loss, tile_of(t), thread, &workspaces[thread * n_places_], false);
    });
  }

  // What a team needs to take tiles there and back, for one kind of loss.
  template <class Loss>
  class Memory {
   public:
    Memory(const Pass& pass, int threads)
        : workspaces_(threads * pass.n_places_, pass.walk_.plan.widths, pass.n_planes_, true,
                      pass.walk_.scratch_bytes(pass.n_planes_)),
          kept_(threads * pass.n_places_, pass.kept_bytes(pass.forwards<Loss>())) {}

   private:
    friend Pass;
    Workspaces<T> workspaces_;  // (threads, places)
    ThreadBuffer kept_;         // the same
  };

  // The losses and the gradient of their sum. The gradient with respect to the inputs is computed
  // for a single batch at one place, unless it is empty.
  template <class Loss>
  void gradient(Loss& loss, std::span<T> parameter_gradient, std::span<T> input_gradient,
                int requested) const {
    const Slots<T> slots(tiles_, parameter_gradient);
    const int threads = team(requested, slots.count());
    loss.prepare(threads, tiles_);
    Memory<Loss> memory(*this, threads);

    const auto run_slot = [&](index slot, int thread) {
      const kernels::Sink<T> sink = slots.cleared(slot);
      for (index t = slots.first_tile(slot); t < slots.first_tile(slot + 1); ++t) {
        const TileOf at = tile_of(t);
        Workspace<T>* const places = there(loss, at, thread, memory);
        if (!input_gradient.empty()) {
          places[0].cotangents.front()[0] =
              input_gradient.data() + at.tile.first * walk_.plan.n_in();
        }
        back(at, places, sink, !input_gradient.empty(),
             [&](std::size_t place) { return loss.has_cotangents(at.batch, place); });
      }
    };
    parallel_phases(
        threads, 2, [&](index phase) { return phase == 0 ? slots.count() : slots.tasks(); },
        [&](index phase, index task, int thread) {
          if (phase == 0) {
            run_slot(task, thread);
          } else {
            slots.add_up(task);
          }
        });
  }

  // The rows of a tile; see term_rows.hpp. Calls f(tile, row, add) for those of one number at all
  // samples; add(sink) brings the cotangents of parameters to a sink, once.
  template <class Rows, class F>
  void rows_of_tile(Rows& rows, index t, int thread, Memory<Rows>& memory, const F& f) const {
    const TileOf at = tile_of(t);
    Workspace<T>* const places = there(rows, at, thread, memory);
    for (std::size_t row = 0; row < rows.of_sample(at.batch); ++row) {
      f(at, row, [&](const kernels::Sink<T>& sink) {
        rows.write_cotangents(thread, row, places);
        back(at, places, sink, false,
             [&](std::size_t place) { return rows.has_cotangents(at.batch, row, place); });
      });
    }
  }

 private:
  template <class Loss>
  std::size_t forwards() const {
    return walk_.layers.size() - (Loss::reads_outputs ? 0 : 1);
  }

  // Takes a tile through the layers at all places of its batch, and computes its loss.
  template <class Loss>
  void forward(Loss& loss, const TileOf& at, int thread, Workspace<T>* workspaces,
               bool backward) const {
    const Batch<T>& batch = batches_[at.batch];
    for (std::size_t p = 0; p < batch.places.size(); ++p) {
      walk_.bind_inputs(at.tile, batch.places[p], workspaces[p]);
      paths_of(at.batch)[p].forward(at.tile, forwards<Loss>(), nullptr, workspaces[p]);
    }
    loss(at, thread, workspaces, backward);
  }

  // The same, with the workspaces of the places as they are needed on the way back.
  template <class Loss>
  Workspace<T>* there(Loss& loss, const TileOf& at, int thread, Memory<Loss>& memory) const {
    Workspace<T>* const places = &memory.workspaces_[thread * n_places_];
    for (std::size_t p = 0; p < batches_[at.batch].places.size(); ++p) {
      paths_of(at.batch)[p].bind_kept(
          forwards<Loss>(), memory.kept_.of(thread * n_places_ + static_cast<int>(p)), places[p]);
    }
    forward(loss, at, thread, places, true);
    return places;
  }
  template <class HasCotangents>
  void back(const TileOf& at, Workspace<T>* places, const kernels::Sink<T>& sink, bool to_inputs,
            const HasCotangents& has_cotangents) const {
    for (std::size_t p = 0; p < batches_[at.batch].places.size(); ++p) {
      if (has_cotangents(p)) paths_of(at.batch)[p].backward(at.tile, places[p], sink, to_inputs);
    }
  }

  const TilePath<T>* paths_of(std::size_t batch) const { return &paths_[first_paths_[batch]]; }

  std::size_t kept_bytes(std::size_t count) const {
    std::size_t bytes = 0;
    for (const TilePath<T>& path : paths_) bytes = std::max(bytes, path.kept_bytes(count));
    return bytes;
  }

  const Walk<T>& walk_;
  std::span<const Batch<T>> batches_;
  index n_parameters_;
  std::vector<TilePath<T>> paths_;  // of the places of all batches
  std::vector<std::size_t> first_paths_;
  std::vector<index> first_tiles_;
  index tiles_ = 0;
  index work_ = 0;
  int n_planes_ = 1;
  int n_places_ = 1;
};

}  // namespace kanml
