// What block programs do, counted while they run: sums and products, and bytes of shared memory.
// The expected numbers are those of formulas in bench/gpu_roof.py; tests/test_gpu_roof.py compares.
#include <array>
#include <vector>

#include "block/block.hpp"
#include "block/gradient.hpp"
#include "block/rows.hpp"
#include "check.hpp"

using kanml::index;
namespace block = kanml::block;

namespace {

struct Counts {
  index operations = 0;
  index read = 0;  // bytes of shared memory
  index written = 0;
} counts;

// A number of type float that counts its sums, differences and products. Divisions are of
// constants.
struct Counted {
  float value = 0.0F;

  Counted() = default;
  explicit(false) Counted(float v) : value(v) {}
  explicit Counted(double v) : value(static_cast<float>(v)) {}
  explicit Counted(int v) : value(static_cast<float>(v)) {}
  explicit operator std::int32_t() const { return static_cast<std::int32_t>(value); }
  explicit(false) operator float() const { return value; }

  friend Counted operator+(Counted a, Counted b) { return counted(a.value + b.value); }
  friend Counted operator-(Counted a, Counted b) { return counted(a.value - b.value); }
  friend Counted operator*(Counted a, Counted b) { return counted(a.value * b.value); }
  friend Counted operator/(Counted a, Counted b) { return a.value / b.value; }
  friend Counted operator-(Counted a) { return -a.value; }
  friend Counted operator*(Counted a, float b) { return a * Counted(b); }
  friend Counted operator+(Counted a, int b) { return a.value + static_cast<float>(b); }
  // Not of type bool: both sides of & are calls here.
  friend int operator<(Counted a, Counted b) { return a.value < b.value ? 1 : 0; }
  friend int operator>(Counted a, Counted b) { return b < a; }
  Counted& operator+=(Counted b) { return *this = *this + b; }
  Counted& operator-=(Counted b) { return *this = *this - b; }
  Counted& operator*=(Counted b) { return *this = *this * b; }
  Counted& operator/=(Counted b) { return *this = *this / b; }

 private:
  static Counted counted(float result) {
    ++counts.operations;
    return result;
  }
};

// A block that counts the bytes of shared memory that are read and written.
class CountingBlock : public block::HostBlock<false> {
 public:
  template <class T>
  struct Array {
    struct Word {
      T& number;

      explicit(false) operator T() const {
        counts.read += index{sizeof(T)};
        return number;
      }
      const Word& operator=(T value) const {
        counts.written += index{sizeof(T)};
        number = value;
        return *this;
      }
      const Word& operator=(const Word& other) const { return *this = static_cast<T>(other); }
      const Word& operator+=(T term) const { return *this = static_cast<T>(*this) + term; }
      friend T operator*(const Word& a, const Word& b) { return T(a) * T(b); }
    };

    T* numbers;

    Word operator[](index i) const { return {numbers[i]}; }
  };

  using HostBlock::HostBlock;
  template <class T>
  Array<T> shared(const char* name, index count) {
    return {HostBlock::shared<T>(name, count)};
  }
};

// A tile has 15 samples, so that bisections of them take equally many steps whatever they find.
constexpr block::Team team{15, 2};
constexpr int tiles = 2;
constexpr index n = index{15} * tiles;
constexpr int degree = 3;
constexpr int intervals = 3;
constexpr index n_in = 2;
constexpr index room = 36;  // for the coefficients of two inputs of each layer

// Two layers of splines, [2, 5, 3]. In each tile there are equally many samples in all intervals,
// and none near a knot; outputs of the first layer are its first input, so that this holds for
// both.
template <class T>
struct Problem {
  std::vector<block::LayerRecord> layers;
  std::vector<kanml::point::SpaceView<T>> spaces;
  std::vector<index> integers;
  std::vector<int> orders;
  std::vector<int> planes;
  std::vector<T> x, vectors, parameters, gradient, rows, values, x_gradient, given;
  std::vector<block::CurvesView<T>> places;
  block::BatchRecord batch{n, 0, 0, 1};
  std::vector<block::Refusal<T>> refusals;
  index n_parameters = 0;
  int n_planes = 1;

  explicit Problem(std::vector<int> with_orders) : orders(std::move(with_orders)), refusals(tiles) {
    spaces.push_back(
        {.knots = nullptr,
         .remainders = nullptr,
         .reciprocals = nullptr,
         .n_knots = intervals + 2 * degree + 1,
         .intervals = intervals,
         .lower = T(-1),
         .upper = T(1),
         .frequency = T(1.5F),
         .uniform = true,
         .uniform_knots = {T(-1), T(0), T(2.0F / 3.0F), T(0), T(1.5F), T(intervals - 1)},
         .bucket_first = nullptr,
         .bucket_last = nullptr,
         .bisections = 0});
    add_layer(2, 5);
    add_layer(5, 3);
    for (const int order : orders) {
      planes.push_back(n_planes);
      n_planes += order;
    }
    for (index s = 0; s < n; ++s) {
      const float at = static_cast<float>(2 * (s % 15) + 1) / 15.0F - 1.0F;
      x.insert(x.end(), {T(at), T(-at)});
    }
    vectors.assign(orders.size() * n_in, T(1));
    parameters.resize(static_cast<std::size_t>(n_parameters));
    for (int i = 0; i < 5 * (intervals + degree); ++i) {  // Greville's abscissae
      parameters[static_cast<std::size_t>(i)] = T(static_cast<float>(i / 5 - 1) / 1.5F - 1.0F);
    }
    gradient.resize(parameters.size());
    rows.resize(parameters.size() * static_cast<std::size_t>(n));
    values.resize(static_cast<std::size_t>(n));
    x_gradient.resize(x.size());
    given.assign(static_cast<std::size_t>(3 * n * n_planes), T(1));
    places.push_back({.n = n,
                      .x = x.data(),
                      .points = n,
                      .rows = nullptr,
                      .n_directions = static_cast<int>(orders.size()),
                      .orders = orders.data(),
                      .planes = planes.data(),
                      .n_planes = n_planes,
                      .vectors = vectors.data(),
                      .one_a_point = false});
  }

  void add_layer(int n_inputs, int n_outputs) {
    layers.push_back({.kind = block::LayerKind::splines,
                      .n_in = n_inputs,
                      .n_out = n_outputs,
                      .integers = static_cast<index>(integers.size()),
                      .parameters = n_parameters,
                      .degree = degree,
                      .functions = intervals + degree,
                      .extrapolation = kanml::Extrapolation::clamp});
    for (int p = 0; p < n_inputs; ++p) {
      integers.insert(integers.end(), {0, index{p} * (intervals + degree)});
    }
    n_parameters += index{n_inputs} * n_outputs * (intervals + degree);
  }

  template <int Order>
  block::Pass<T, Order> pass() {
    return {.programs = {.layers = {.network = {.layers = layers.data(),
                                                .n_layers = 2,
                                                .n_in = 2,
                                                .n_out = 3,
                                                .widest = 5,
                                                .features = 10,
                                                .degree = degree,
                                                .refuses = false,
                                                .spaces = spaces.data(),
                                                .integers = integers.data(),
                                                .numbers = nullptr},
                                    .parameters = parameters.data()},
                         .team = team,
                         .coefficients = room},
            .batches = {&batch, 1, tiles, places.data(), n_planes},
            .lowest = 0,
            .refusals = refusals.data()};
  }
};

// The program a b + c of three coefficients of the outputs, with a constant that nobody reads.
template <class T>
struct Formula {
  std::vector<kanml::Coefficient> coefficients{{0, 0, 0}, {0, 1, 1}, {0, 2, 2}};
  std::vector<T> constants{T(7)};
  std::vector<kanml::Instruction> instructions{{kanml::Operation::multiply, 4, {0, 1, -1}},
                                               {kanml::Operation::add, 5, {4, 2, -1}}};
  std::vector<std::int32_t> outputs;
  static constexpr int n_registers = 6;

  explicit Formula(std::vector<std::int32_t> given) : outputs(std::move(given)) {}

  block::FormulaRecord<T> record() const {
    return {.program = {.instructions = instructions.data(),
                        .n_instructions = 2,
                        .constants = constants.data(),
                        .n_constants = 1,
                        .n_inputs = 3,
                        .outputs = outputs.data()},
            .coefficients = coefficients.data(),
            .n_coefficients = 3,
            .columns = nullptr,
            .n_columns = 0};
  }
};

// Of a program of one block. Those on plain numbers also run with checks, since one that breaks the
// rules of shared memory would not be worth counting.
template <class T, class Program>
std::array<index, 4> counts_of(const Program& program) {
  if constexpr (std::is_same_v<T, float>) block::run_on_host<true>(program);
  counts = {};
  const std::size_t bytes = block::shared_bytes_of(program);
  CountingBlock one(0, 1, program.threads, bytes);
  program(one);
  return {counts.operations, counts.read, counts.written, static_cast<index>(bytes)};
}

template <int Order>
std::array<index, 4> of_given_cotangents(const std::vector<int>& orders) {
  Problem<Counted> problem(orders);
  return counts_of<Counted>(block::Gradient<Counted, Order, block::GivenCotangents<Counted>>{
      .pass = problem.template pass<Order>(),
      .loss = {problem.given.data()},
      .backward = true,
      .slots = 1,
      .n_parameters = problem.n_parameters,
      .gradients = problem.gradient.data(),
      .x_gradient = problem.x_gradient.data(),
      .blocks = 1});
}

std::array<index, 4> of_loss() {
  Problem<float> problem({1, 2});
  const Formula<float> formula({5, 4, 1, 0, 3});
  const block::LossRecord<float> term{.formula = formula.record(),
                                      .n_components = 1,
                                      .differentiated = {formula.coefficients.data(), 3, 2},
                                      .factor = 1.0F,
                                      .components = nullptr};
  std::array<double, 2 * tiles> records{};
  return counts_of<float>(block::Gradient<float, 2, block::TermLosses<float>>{
      .pass = problem.pass<2>(),
      .loss = {.formulas = {nullptr, 0, formula.n_registers},
               .terms = &term,
               .records = records.data()},
      .backward = true,
      .slots = 1,
      .n_parameters = problem.n_parameters,
      .gradients = problem.gradient.data(),
      .x_gradient = nullptr,
      .blocks = 1});
}

std::array<index, 4> of_rows() {
  Problem<float> problem({1, 2});
  const Formula<float> formula({5, 1, 0, 3});
  const block::Differentiated differentiated{formula.coefficients.data(), 3, 1};
  const block::RowsRecord<float> term{.formula = formula.record(),
                                      .n_rows = 1,
                                      .differentiated = &differentiated,
                                      .scale = 1.0F,
                                      .first = 0};
  return counts_of<float>(
      block::Rows<float, 2>{.rows = {.pass = problem.pass<2>(),
                                     .formulas = {nullptr, 0, formula.n_registers},
                                     .terms = &term,
                                     .n_parameters = problem.n_parameters,
                                     .first_tile = 0,
                                     .end_tile = tiles,
                                     .first_row = 0},
                            .values = problem.values.data(),
                            .jacobian = problem.rows.data(),
                            .blocks = 1});
}

void require(const char* name, const std::array<index, 4>& found,
             const std::array<index, 4>& expected) {
  const std::array<const char*, 4> what{"operations", "read", "written", "bytes"};
  for (std::size_t i = 0; i < 4; ++i) {
    if (found[i] == expected[i]) continue;
    check::fail(__FILE__, __LINE__, name, ", ", what[i], ": ", found[i], ", expected ",
                expected[i]);
  }
}

}  // namespace

// Operations, bytes of shared memory that are read and written, and the bytes of a block.
#ifndef __aarch64__  // where point/rounding.hpp holds numbers in registers, which takes no classes
TEST(counts_of_gradients) {
  require("values", of_given_cotangents<0>({}), {81880, 94672, 18840, 3664});
  require("derivatives", of_given_cotangents<2>({1, 2}), {163930, 190552, 53400, 11408});
}
#endif

// Operations of numbers of type float are not counted.
TEST(counts_of_terms) {
  require("loss", of_loss(), {0, 179840, 52048, 12144});
  require("rows", of_rows(), {0, 79800, 27000, 11776});
}
