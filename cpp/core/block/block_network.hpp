// The executor that runs block programs on a device.
#pragma once

#include <algorithm>
#include <span>
#include <string>
#include <vector>

#include "block/block.hpp"
#include "block/evaluate.hpp"
#include "block/gradient.hpp"
#include "block/pull.hpp"
#include "block/tile_records.hpp"
#include "core/block/records.hpp"
#include "core/block/row_panels.hpp"
#include "core/block/stored.hpp"
#include "core/cpu/output_rows.hpp"
#include "core/cpu/squared_error.hpp"
#include "core/cpu/triangles.hpp"
#include "core/cpu/walk.hpp"
#include "kanml/device_network.hpp"

namespace kanml {

// A program that is ready to be launched, at samples in tiles.
template <class T, class Program>
struct BlockJob {
  BatchRecords<T> records;
  Program program;
};
template <class T, class Program>
BlockJob(const BatchRecords<T>&, const Program&) -> BlockJob<T, Program>;

// D is a Device with
//   limits()            how it cuts work; see core/block/host_device.hpp
//   launch(program)     runs a block program
//   Triangle<T>         folds rows; see core/block/host_triangle.hpp
template <class T, class D>
class BlockNetwork final : public DeviceNetwork<T> {
 public:
  BlockNetwork(std::shared_ptr<D> device, Layers layers)
      : device_(std::move(device)),
        walk_(Plan(std::move(layers))),
        description_(described(walk_)),
        network_(
            packed(device_, [this](Package& package) { return sent(package, description_); })) {}

  index n_in() const override { return walk_.plan.n_in(); }
  index n_out() const override { return walk_.plan.n_out(); }
  index n_parameters() const override { return walk_.plan.n_parameters(); }
  index n_parameters_from(std::size_t layer) const override {
    return walk_.plan.n_parameters_from(layer);
  }

  void taylor(index n, std::span<const T> x, std::span<const T> parameters,
              const Directions<T>& directions, std::span<T> coefficients) const override {
    const std::vector<Batch<T>> batches = one_batch(n, x, directions);
    const Stored<T> stored(device_, walk_.plan, parameters);
    with_order(batches, [&](auto order) {
      const auto [memory, job] =
          fitting(batches, [&](Package& package, const BatchRecords<T>& records) {
            const block::Evaluate<T, order> program{
                .programs = programs<order>(records, stored),
                .curves = sent(package, batches.front().places.front()),
                .y = coefficients.data(),
                .refusals = refusals(package, records),
                .blocks = device_->limits().blocks};
            return BlockJob{records, program};
          });
      device_->launch(job.program);
      require_accepted(job.records, job.program.refusals, batches);
    });
  }

  void taylor_vjp(index n, std::span<const T> x, std::span<const T> parameters,
                  const Directions<T>& directions, std::span<const T> cotangents,
                  std::span<T> parameter_gradient, std::span<T> input_gradient) const override {
    const Stored<T> stored(device_, walk_.plan, parameters);
    run_losses(one_batch(n, x, directions), stored, true, parameter_gradient, input_gradient,
               {0, 0, false}, [&](Package& /*package*/, double* /*records*/) {
                 return block::GivenCotangents<T>{cotangents.data()};
               });
  }

  void jvp(index n, std::span<const T> x, std::span<const T> parameters,
           std::span<const T> parameter_tangent, std::span<T> y_tangent) const override {
    const RowTerm<T> rows = output_rows(n, walk_.plan.n_out(), x);
    const double scale = 1.0;
    push({&rows, 1}, {&scale, 1}, parameters, {}, parameter_tangent, y_tangent);
  }

  double mean_squared_error(index n, std::span<const T> x, std::span<const T> parameters,
                            std::span<const T> target,
                            std::span<T> parameter_gradient) const override {
    const index n_out = walk_.plan.n_out();
    const Term<T> term = squared_error(n, n_out, x, target);
    const double factor = 1.0 / static_cast<double>(n * n_out);
    TermSums sums;
    const std::span<T> no_components;
    reduce({&term, 1}, {&factor, 1}, parameters, {}, {&sums, 1}, parameter_gradient,
           {&no_components, 1});
    return factor * sums.loss;
  }

  void reduce(std::span<const Term<T>> terms, std::span<const double> factors,
              std::span<const T> parameters, std::span<const double> unknowns,
              std::span<TermSums> sums, std::span<T> gradient,
              std::span<const std::span<T>> components) const override {
    const Stored<T> stored(device_, walk_.plan, parameters);
    const auto [of_network, of_unknowns] = parts(gradient);
    const int size = 2 + static_cast<int>(unknowns.size());
    const bool backward = !gradient.empty();
    const int entries = backward ? size : 2;
    const std::vector<double> found =
        run_losses(batches_of(walk_.plan, terms, unknowns.size()), stored, backward, of_network, {},
                   {size, entries, true}, [&](Package& package, double* records) {
                     const auto formulas = sent_formulas<T>(package, terms, unknowns);
                     return block::TermLosses<T>{
                         formulas, sent_losses<T>(package, terms, factors, components), records};
                   });
    std::vector<double> by_unknowns(unknowns.size());
    for (std::size_t i = 0; i < terms.size(); ++i) {
      const double* const record = found.data() + i * static_cast<std::size_t>(entries);
      sums[i] = {record[0], record[1]};
      for (std::size_t k = 0; backward && k < unknowns.size(); ++k) {
        by_unknowns[k] += factors[i] * record[2 + k];
      }
    }
    upload(by_unknowns, of_unknowns);
  }

  void rows(std::span<const RowTerm<T>> terms, std::span<const double> scales,
            std::span<const T> parameters, std::span<const double> unknowns, std::span<T> values,
            std::span<T> jacobian) const override {
    const Stored<T> stored(device_, walk_.plan, parameters);
    run_rows(terms, scales, stored, unknowns,
             [&]<int Order>(const block::RowPass<T, Order>& of_rows) {
               return block::Rows<T, Order>{.rows = of_rows,
                                            .values = values.data(),
                                            .jacobian = data_of(jacobian),
                                            .blocks = device_->limits().blocks};
             });
    if (jacobian.empty()) return;
    const std::size_t width = parameters.size() + unknowns.size();
    for (std::size_t row = 0; row < values.size(); ++row) {
      stored.pull_back(jacobian.subspan(row * width, parameters.size()));
    }
  }

  void push(std::span<const RowTerm<T>> terms, std::span<const double> scales,
            std::span<const T> parameters, std::span<const double> unknowns,
            std::span<const T> direction, std::span<T> products) const override {
    const Stored<T> stored(device_, walk_.plan, parameters);
    const Stored<T> along(stored, direction, parameters.size());
    run_rows(terms, scales, stored, unknowns,
             [&]<int Order>(const block::RowPass<T, Order>& of_rows) {
               return block::Push<T, Order>{.rows = of_rows,
                                            .direction = along.read(),
                                            .products = products.data(),
                                            .blocks = device_->limits().blocks};
             });
  }

  void pull(std::span<const RowTerm<T>> terms, std::span<const double> scales,
            std::span<const T> parameters, std::span<const double> unknowns,
            std::span<const T> cotangent, std::span<T> gradient) const override {
    const Stored<T> stored(device_, walk_.plan, parameters);
    const auto [of_network, of_unknowns] = parts(gradient);
    const auto size = static_cast<int>(unknowns.size());
    const std::vector<double> found =
        run_losses(batches_of(walk_.plan, terms, unknowns.size()), stored, true, of_network, {},
                   {size, size, false}, [&](Package& package, double* records) {
                     const auto formulas = sent_formulas<T>(package, terms, unknowns);
                     return block::PulledRows<T>{formulas, sent_rows<T>(package, terms, scales),
                                                 cotangent.data(), records};
                   });
    std::vector<double> by_unknowns(unknowns.size());
    for (std::size_t i = 0; i < found.size(); ++i) by_unknowns[i % unknowns.size()] += found[i];
    upload(by_unknowns, of_unknowns);
  }

  void triangle(std::span<const RowTerm<T>> terms, std::span<const double> scales,
                std::span<const T> parameters, std::span<const double> unknowns,
                std::size_t first_layer, std::span<double> factor) const override {
    const Stored<T> stored(device_, walk_.plan, parameters);
    const index width = walk_.plan.n_parameters() + static_cast<index>(unknowns.size());
    const index columns = n_parameters_from(first_layer) + static_cast<index>(unknowns.size()) + 1;
    const auto batches = batches_of(walk_.plan, terms, unknowns.size());
    with_order(batches, [&](auto order) {
      RowPanels panels;
      index capacity = 0;
      const auto [memory, job] =
          fitting(batches, [&](Package& package, const BatchRecords<T>& records) {
            panels = RowPanels(records, terms);
            capacity = panels.capacity(columns);
            auto of_rows = row_pass<order>(package, records, stored, terms, scales, unknowns);
            of_rows.pass.lowest = std::max(of_rows.pass.lowest, static_cast<int>(first_layer));
            return BlockJob{records,
                            block::Rows<T, order>{.rows = of_rows,
                                                  .values = package.reserve<T>(capacity),
                                                  .jacobian = package.reserve<T>(capacity * width),
                                                  .blocks = device_->limits().blocks}};
          });
      typename D::template Triangle<T> triangle(device_, columns, capacity);
      auto program = job.program;
      while (program.rows.first_tile < job.records.tiles()) {
        program.rows.end_tile = panels.end(program.rows.first_tile, capacity);
        device_->launch(program);
        const index next_row = panels.first_rows[static_cast<std::size_t>(program.rows.end_tile)];
        triangle.fold(next_row - program.rows.first_row, program.jacobian, width, program.values);
        program.rows.first_row = next_row;
        program.rows.first_tile = program.rows.end_tile;
      }
      require_accepted(job.records, program.rows.pass.refusals, batches);
      triangle.download(factor);
    });
    map_to_stored<T>(walk_.plan, stored.numbers(), first_layer, columns, factor, 0);
  }

 private:
  // The records of tiles that a loss writes; see block/tile_records.hpp.
  struct Records {
    int size;
    int entries;
    bool has_largest;
  };

  static Description<T> described(const Walk<T>& walk) {
    Description<T> description;
    for (std::size_t l = 0; l < walk.layers.size(); ++l) {
      walk.layers[l]->describe(description);
      description.layers[l].parameters = walk.plan.offsets[l];
    }
    return description;
  }

  std::vector<Batch<T>> one_batch(index n, std::span<const T> x,
                                  const Directions<T>& directions) const {
    walk_.plan.require_orders(directions.orders);
    std::vector<Batch<T>> batches(1);
    batches.front().n = n;
    batches.front().places.emplace_back(n, x, walk_.plan.n_in(), directions);
    return batches;
  }

  static T* data_of(std::span<T> array) { return array.empty() ? nullptr : array.data(); }

  // A gradient with respect to the parameters, and to the unknowns behind them.
  std::pair<std::span<T>, std::span<T>> parts(std::span<T> gradient) const {
    const auto n = static_cast<std::size_t>(walk_.plan.n_parameters());
    const auto size = gradient.empty() ? 0 : n;
    return {gradient.first(size), gradient.subspan(size)};
  }
  void upload(const std::vector<double>& numbers, std::span<T> to) const {
    if (to.empty()) return;
    const std::vector<T> rounded(numbers.begin(), numbers.end());
    device_->upload(rounded.data(), to.data(), to.size_bytes());
  }

  template <int Order>
  block::LayerPrograms<T, Order> programs(const BatchRecords<T>& records,
                                          const Stored<T>& stored) const {
    return {{network_.job, stored.read()}, records.team(), records.coefficients()};
  }

  block::Refusal<T>* refusals(Package& package, const BatchRecords<T>& records) const {
    return package.reserve<block::Refusal<T>>(network_.job.refuses ? records.tiles() : 0);
  }

  template <int Order>
  block::Pass<T, Order> pass(Package& package, const BatchRecords<T>& records,
                             const Stored<T>& stored, bool to_inputs) const {
    return {.programs = programs<Order>(records, stored),
            .batches = records.sent(package),
            .lowest = static_cast<int>(walk_.lowest(to_inputs)),
            .refusals = refusals(package, records)};
  }

  template <int Order>
  block::RowPass<T, Order> row_pass(Package& package, const BatchRecords<T>& records,
                                    const Stored<T>& stored, std::span<const RowTerm<T>> terms,
                                    std::span<const double> scales,
                                    std::span<const double> unknowns) const {
    return {.pass = pass<Order>(package, records, stored, false),
            .formulas = sent_formulas<T>(package, terms, unknowns),
            .terms = sent_rows<T>(package, terms, scales),
            .n_parameters = walk_.plan.n_parameters(),
            .first_tile = 0,
            .end_tile = records.tiles(),
            .first_row = 0};
  }

  // The program that make(rows) returns, once for all rows.
  template <class Make>
  void run_rows(std::span<const RowTerm<T>> terms, std::span<const double> scales,
                const Stored<T>& stored, std::span<const double> unknowns, const Make& make) const {
    const auto batches = batches_of(walk_.plan, terms, unknowns.size());
    with_order(batches, [&](auto order) {
      const auto [memory, job] =
          fitting(batches, [&](Package& package, const BatchRecords<T>& records) {
            return BlockJob{
                records, make(row_pass<order>(package, records, stored, terms, scales, unknowns))};
          });
      device_->launch(job.program);
      require_accepted(job.records, job.program.rows.pass.refusals, batches);
    });
  }

  // Losses and, if `backward`, their gradient. Returns the sums of records, (batches, entries).
  // `make` returns the loss that writes records.
  template <class Make>
  std::vector<double> run_losses(const std::vector<Batch<T>>& batches, const Stored<T>& stored,
                                 bool backward, std::span<T> parameter_gradient,
                                 std::span<T> input_gradient, const Records& shape,
                                 const Make& make) const {
    const index n_parameters = walk_.plan.n_parameters();
    const auto n_batches = static_cast<int>(batches.size());
    std::vector<double> found(batches.size() * static_cast<std::size_t>(shape.entries));
    with_order(batches, [&](auto order) {
      double* records_of_tiles = nullptr;
      double* sums = nullptr;
      const auto [memory, job] =
          fitting(batches, [&](Package& package, const BatchRecords<T>& records) {
            records_of_tiles = package.reserve<double>(records.tiles() * shape.size);
            sums = package.reserve<double>(index{n_batches} * shape.entries);
            const auto loss = make(package, records_of_tiles);
            const index slots = slots_for(records.tiles());
            return BlockJob{
                records, block::Gradient<T, order, std::remove_const_t<decltype(loss)>>{
                             .pass = pass<order>(package, records, stored, !input_gradient.empty()),
                             .loss = loss,
                             .backward = backward,
                             .slots = slots,
                             .n_parameters = n_parameters,
                             .gradients = package.reserve<T>(backward ? slots * n_parameters : 0),
                             .x_gradient = data_of(input_gradient),
                             .blocks = device_->limits().blocks}};
          });
      const auto& program = job.program;
      device_->launch(program);
      require_accepted(job.records, program.pass.refusals, batches);
      if (backward) {
        device_->launch(block::AddUpGradients<T>{.slots = program.slots,
                                                 .n_parameters = n_parameters,
                                                 .gradients = program.gradients,
                                                 .gradient = parameter_gradient.data(),
                                                 .blocks = device_->limits().blocks,
                                                 .threads = most_threads()});
        stored.pull_back(parameter_gradient);
      }
      if (found.empty()) return;
      device_->launch(block::AddUpRecords{.batches = program.pass.batches.batches,
                                          .n_batches = n_batches,
                                          .tiles = job.records.tiles(),
                                          .size = shape.size,
                                          .entries = shape.entries,
                                          .has_largest = shape.has_largest,
                                          .records = records_of_tiles,
                                          .sums = sums,
                                          .blocks = device_->limits().blocks,
                                          .threads = most_threads()});
      device_->download(sums, found.data(), found.size() * sizeof(double));
    });
    return found;
  }

  // As many slots as are allowed, if their gradients together take at most 32 MiB: then they stay
  // in the L2 cache of an A100 or a later GPU, where tiles add to them.
  index slots_for(index tiles) const {
    constexpr index budget_bytes = index{32} << 20;
    const index bytes = std::max<index>(1, walk_.plan.n_parameters() * index{sizeof(T)});
    return std::clamp<index>(std::min(tiles, budget_bytes / bytes), 1, device_->limits().slots);
  }

  int most_threads() const { return device_->limits().team.threads(); }

  // What build(package, records) returns, for the largest team whose tiles fit in the shared memory
  // of a block. Coefficients may have what is left of it, and a quarter at most: so another block
  // finds room on the same multiprocessor if registers allow it.
  template <class Build>
  auto fitting(const std::vector<Batch<T>>& batches, const Build& build) const {
    const std::size_t most = device_->limits().shared_bytes;
    block::Team team = device_->limits().team;
    // More groups than strips of outputs would have nothing to do on the way forwards.
    const int strips = (network_.job.widest + block::strip - 1) / block::strip;
    team.groups = std::min(strips, team.groups);
    while (true) {
      const BatchRecords<T> records(batches, team);
      Package measured;
      const std::size_t bytes = block::shared_bytes_of(build(measured, records).program);
      if (bytes <= most) {
        const std::size_t limit = std::min(most - bytes, most / 4) / 16 * 16 / sizeof(T);
        const BatchRecords<T> with_coefficients(
            batches, team,
            coefficients_at_once(description_.layers, team, static_cast<index>(limit)));
        return packed(device_, measured,
                      [&](Package& package) { return build(package, with_coefficients); });
      }
      if (team.samples == 1) {
        throw OutOfDeviceMemory("a sample takes " + std::to_string(bytes) +
                                " bytes of shared memory on its way through this network, but a "
                                "block of " +
                                device_->name() + " has " + std::to_string(most) +
                                ": narrower layers, derivatives of a lower order and float32 "
                                "take less, and processors have no such limit");
      }
      team.samples = (team.samples + 1) / 2;
    }
  }

  // Calls f with the order of batches as an integral constant.
  template <class F>
  static void with_order(const std::vector<Batch<T>>& batches, const F& f) {
    const int order = order_of<T>(batches);
    if (order == 0) return f(std::integral_constant<int, 0>{});
    point::for_order<max_taylor_order>(order, f);
  }

  // Throws OutsideDomain for the first refusal.
  void require_accepted(const BatchRecords<T>& records, const block::Refusal<T>* refusals,
                        const std::vector<Batch<T>>& batches) const {
    if (!network_.job.refuses) return;
    DeviceArray<block::RefusalOfTile<T>> memory(device_, 1);
    device_->launch(block::FirstRefusal<T>{.tiles = records.tiles(),
                                           .refusals = refusals,
                                           .found = memory.data(),
                                           .threads = most_threads()});
    block::RefusalOfTile<T> found;
    memory.download({&found, 1});
    if (found.tile == records.tiles()) return;
    const Curves<T>& curves = batches[records.batch_of(found.tile)].places.front();
    index point = found.refusal.sample;
    if (!curves.rows.empty()) {
      device_->download(curves.rows.data() + point, &point, sizeof(point));
    }
    walk_.refuse(found.refusal.value, static_cast<std::size_t>(found.refusal.layer),
                 found.refusal.input, point, curves.where);
  }

  std::shared_ptr<D> device_;
  Walk<T> walk_;
  Description<T> description_;
  Packed<block::NetworkView<T>> network_;
};

}  // namespace kanml
