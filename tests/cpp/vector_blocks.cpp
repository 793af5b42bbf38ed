// The block programs of vectors against the functions for arrays of the process, and against loops.
// Neither fuses products, so that what is computed entry by entry has the same bits.
#include <algorithm>

#include "barriers.hpp"
#include "block_vectors.hpp"
#include "check.hpp"

namespace {

using block_vectors::all_vectors;
using block_vectors::index;
using block_vectors::infinity;
using block_vectors::nan;
using block_vectors::Vectors;
namespace block = kanml::block;

// Around the numbers of lanes, of entries of a part, and of those of all parts of that size.
constexpr index sizes[] = {0, 1, 7, 255, 256, 257, 1023, 1024, 1025, 5000, 524'289};

// The largest difference, in rounding errors of the largest number.
template <class T>
double errors(const std::vector<T>& found, const std::vector<T>& expected) {
  double largest = 0.0;
  double difference = 0.0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    largest = std::max(largest, std::fabs(double{expected[i]}));
    difference = std::max(difference, std::fabs(double{found[i]} - double{expected[i]}));
  }
  return expected.empty() ? 0.0 : difference / largest / double{std::numeric_limits<T>::epsilon()};
}

template <class T>
bool same(const std::vector<T>& found, const std::vector<T>& expected) {
  return std::ranges::equal(found, expected, [](T a, T b) { return a == b || (a != a && b != b); });
}

// A positive definite diagonal, and pairs of a diagonal Hessian.
template <class T>
struct Memory {
  std::vector<T> diagonal;
  std::vector<std::vector<T>> steps;
  std::vector<std::vector<T>> changes;

  Memory(index n, std::size_t count) : diagonal(inputs::random<T>(n, 0.5, 2.0)) {
    for (std::size_t k = 0; k < count; ++k) {
      steps.push_back(inputs::random<T>(n));
      changes.push_back(steps.back());
      for (std::size_t i = 0; i < changes.back().size(); ++i) {
        changes.back()[i] *= T(1) + static_cast<T>(i % 7);
      }
    }
  }
  std::vector<kanml::CurvaturePair<T>> pairs() const {
    std::vector<kanml::CurvaturePair<T>> all;
    for (std::size_t k = 0; k < steps.size(); ++k) all.push_back({steps[k], changes[k]});
    return all;
  }
};

// A device that counts launches, and from which no number comes back.
class Counting final : public kanml::Device {
 public:
  explicit Counting(const kanml::BlockLimits& limits) : host_(limits) {}

  std::string name() const override { return host_.name(); }
  int gpu() const override { return host_.gpu(); }
  void wait() override { host_.wait(); }
  std::size_t free_bytes() const override { return host_.free_bytes(); }
  const kanml::BlockLimits& limits() const { return host_.limits(); }
  void* allocate(std::size_t bytes) override { return host_.allocate(bytes); }
  void release(void* memory) noexcept override { host_.release(memory); }
  void upload(const void* from, void* to, std::size_t bytes) override {
    host_.upload(from, to, bytes);
  }
  void download(const void*, void*, std::size_t) override { throw std::logic_error("a download"); }
  void copy(const void* from, void* to, std::size_t bytes) override { host_.copy(from, to, bytes); }
  void launch(const auto& program) {
    ++launches;
    host_.launch(program);
  }

  std::size_t launches = 0;

 private:
  kanml::HostDevice<false> host_;
};

template <class T>
void check_sums() {
  for (const index n : sizes) {
    const auto x = inputs::random<T>(n);
    const auto y = inputs::random<T>(n);
    long double sum = 0.0L;
    long double size = 0.0L;
    for (std::size_t i = 0; i < x.size(); ++i) {
      sum += static_cast<long double>(x[i]) * y[i];
      size += std::fabs(static_cast<long double>(x[i]) * y[i]);
    }
    for (const auto& by : all_vectors<T>()) {
      // At most 525 additions lie between an entry and the sum: 5 of a lane, 8 of the tree, and 512
      // of the parts. Each has half an epsilon.
      CHECK_NEAR(by.dot(x, y) - static_cast<double>(sum), 0.0,
                 263.0 * std::numeric_limits<double>::epsilon() * static_cast<double>(size));
      CHECK_EQUAL(by.max_abs(x), kanml::max_abs<T>(x));
    }
  }
}

template <class T>
void check_entries() {
  for (const index n : sizes) {
    const auto x = inputs::random<T>(n);
    const auto y = inputs::random<T>(n);
    const auto z = inputs::random<T>(n, 0.5, 2.0);
    std::vector<T> sum(x.size());
    kanml::axpy<T>(0.3, x, y, sum);
    std::vector<T> multiple;
    std::vector<T> with_product;
    std::vector<T> quotient;
    for (std::size_t i = 0; i < x.size(); ++i) {
      multiple.push_back(static_cast<T>(0.3) * x[i]);
      with_product.push_back(x[i] + y[i] * z[i]);
      quotient.push_back(x[i] / z[i]);
    }
    for (const auto& by : all_vectors<T>()) {
      std::vector<T> out(x.size());
      by.axpy(0.3, x, y, out);
      CHECK(out == sum);
      out = x;
      by.axpy(0.3, out, y, out);
      CHECK(out == sum);
      out = y;
      by.axpy(0.3, x, out, out);
      CHECK(out == sum);
      by.scaled(0.3, x, out);
      CHECK(out == multiple);
      by.plus_product(x, y, z, out);
      CHECK(out == with_product);
      by.quotient(x, z, out);
      CHECK(out == quotient);
      by.fill(0.3, out);
      CHECK(out == std::vector<T>(x.size(), static_cast<T>(0.3)));
    }
  }
}

template <class T>
void check_adam() {
  for (const index n : sizes) {
    const auto gradient = inputs::random<T>(n);
    const auto first = inputs::random<T>(n);
    const auto second = inputs::random<T>(n, 0.0, 1.0);
    const kanml::AdamCoefficients coefficients{0.01, 0.9, 0.999, 1e-8, 3};
    auto expected_first = first;
    auto expected_second = second;
    std::vector<T> expected(first.size());
    kanml::adam_direction<T>(coefficients, gradient, expected_first, expected_second, expected);
    for (const auto& by : all_vectors<T>()) {
      std::vector<T> new_first(first.size());
      std::vector<T> new_second(first.size());
      std::vector<T> direction(first.size());
      by.adam_direction(coefficients, gradient, first, second, new_first, new_second, direction);
      CHECK(new_first == expected_first);
      CHECK(new_second == expected_second);
      CHECK(direction == expected);
    }
  }
}

template <class T>
double worst_of_two_loop() {
  double worst = 0.0;
  for (const index n : sizes) {
    for (const std::size_t count : {0U, 1U, 2U, 5U}) {
      if (n == 0 && count > 0) continue;
      const Memory<T> memory(n, count);
      const auto gradient = inputs::random<T>(n);
      std::vector<T> expected(gradient.size());
      kanml::two_loop<T>(memory.pairs(), memory.diagonal, gradient, expected);
      for (const auto& by : all_vectors<T>()) {
        std::vector<T> direction(gradient.size());
        by.two_loop(memory.pairs(), memory.diagonal, gradient, direction);
        worst = std::max(worst, errors(direction, expected));
        auto in_place = gradient;
        by.two_loop(memory.pairs(), memory.diagonal, in_place, in_place);
        CHECK(in_place == direction);
      }
    }
  }
  return worst;
}

// The formula of update_diagonal, of a pair whose entries all count.
template <class T>
std::vector<T> updated_diagonal(const std::vector<T>& step, const std::vector<T>& change,
                                const std::vector<T>& diagonal) {
  using Long = long double;
  Long curvature = 0.0L;
  Long inverse_product = 0.0L;
  Long direct_product = 0.0L;
  for (std::size_t i = 0; i < step.size(); ++i) {
    curvature += Long{step[i]} * change[i];
    inverse_product += Long{change[i]} * diagonal[i] * change[i];
    direct_product += Long{step[i]} / diagonal[i] * step[i];
  }
  const Long r = inverse_product / curvature;
  std::vector<T> updated;
  for (std::size_t i = 0; i < step.size(); ++i) {
    const Long b = Long{1} / diagonal[i];
    const Long bs = b * step[i];
    const Long entry = r * (b - bs * bs / direct_product) + change[i] * (change[i] / curvature);
    updated.push_back(static_cast<T>(1 / entry));
  }
  return updated;
}

template <class T>
double worst_of_diagonals() {
  double worst = 0.0;
  for (const index n : sizes) {
    if (n < 2) continue;
    const Memory<T> memory(n, 1);
    const auto expected = updated_diagonal(memory.steps[0], memory.changes[0], memory.diagonal);
    for (const auto& by : all_vectors<T>()) {
      std::vector<T> updated(expected.size());
      by.update_diagonal(memory.steps[0], memory.changes[0], memory.diagonal, updated);
      worst = std::max(worst, errors(updated, expected));
      auto in_place = memory.diagonal;
      by.update_diagonal(memory.steps[0], memory.changes[0], in_place, in_place);
      CHECK(in_place == updated);
    }
  }
  return worst;
}

// The results of all sums, whose bits could depend on how work is cut.
template <class T>
struct Sums {
  double dot;
  std::vector<T> two_loop;
  std::vector<T> diagonal;

  bool operator==(const Sums&) const = default;
};

template <class T>
void check_bits() {
  for (const index n : {700, 5000, 600'001}) {
    const Memory<T> memory(n, 3);
    const auto x = inputs::random<T>(n);
    const auto sums = [&](const Vectors<T>& by) {
      const auto size = static_cast<std::size_t>(n);
      Sums<T> all{by.dot(x, memory.steps[0]), std::vector<T>(size), std::vector<T>(size)};
      by.two_loop(memory.pairs(), memory.diagonal, x, all.two_loop);
      by.update_diagonal(memory.steps[0], memory.changes[0], memory.diagonal, all.diagonal);
      return all;
    };
    const auto expected = sums(block_vectors::vectors<T>({64, 4}, 132, false));
    block_vectors::for_cuts<T>(n < 10'000,
                               [&](const Vectors<T>& by) { CHECK(sums(by) == expected); });
  }
}

template <class T>
void check_special() {
  for (const auto& by : all_vectors<T>()) {
    for (const index n : {1, 300, 3000}) {
      for (const index at : {index{0}, n / 2, n - 1}) {
        for (const T special : {nan<T>, infinity<T>, -infinity<T>}) {
          auto x = inputs::random<T>(n);
          x[static_cast<std::size_t>(at)] = special;
          const auto y = inputs::random<T>(n, 0.5, 2.0);
          const double largest = by.max_abs(x);
          CHECK(special != special ? largest != largest : largest == infinity<double>);
          const double product = by.dot(x, y);
          CHECK(special != special ? product != product : product == double{special});
          std::vector<T> out(x.size());
          std::vector<T> expected(x.size());
          by.axpy(-0.5, x, y, out);
          kanml::axpy<T>(-0.5, x, y, expected);
          CHECK(same(out, expected));
          const Memory<T> memory(n, 1);
          by.two_loop({}, memory.diagonal, x, out);
          kanml::two_loop<T>({}, memory.diagonal, x, expected);
          CHECK(same(out, expected));
        }
      }
    }
  }
}

TEST(parts_are_neighbours_and_few) {
  for (const index n : {1, 1023, 1024, 1025, 5000, 524'288, 524'289, 10'000'000}) {
    const block::Parts parts = block::parts_of(n);
    CHECK(parts.count <= 512);
    CHECK_EQUAL(parts.first(0), 0);
    CHECK_EQUAL(parts.end(parts.count - 1), n);
    for (index part = 0; part < parts.count; ++part) {
      CHECK(parts.first(part) < parts.end(part));
      if (part > 0) CHECK_EQUAL(parts.first(part), parts.end(part - 1));
    }
  }
}

TEST(sums_are_those_of_extended_precision) {
  check_sums<float>();
  check_sums<double>();
}

TEST(entries_have_the_bits_of_arrays_in_place_too) {
  check_entries<float>();
  check_entries<double>();
}

TEST(adam_has_the_bits_of_arrays) {
  check_adam<float>();
  check_adam<double>();
}

// Sums are in another order: no difference was larger than 3 rounding errors of the largest entry.
TEST(the_two_loop_recursion_is_that_of_arrays) {
  CHECK_NEAR(worst_of_two_loop<float>(), 0.0, 8.0);
  CHECK_NEAR(worst_of_two_loop<double>(), 0.0, 8.0);
}

TEST(the_two_loop_recursion_has_the_secant_property) {
  const index n = 2500;
  const Memory<double> memory(n, 4);
  for (const auto& by : all_vectors<double>()) {
    for (std::size_t k = 1; k <= 4; ++k) {
      std::vector<double> direction(static_cast<std::size_t>(n));
      const auto pairs = memory.pairs();
      by.two_loop(std::span(pairs).first(k), memory.diagonal, memory.changes[k - 1], direction);
      for (std::size_t i = 0; i < direction.size(); ++i) {
        CHECK_NEAR(direction[i], -memory.steps[k - 1][i], 1e-13);
      }
    }
  }
}

TEST(the_two_loop_recursion_brings_no_number_back) {
  const index n = 2500;
  const auto gradient = inputs::random(n);
  for (const std::size_t count : {0U, 1U, 5U}) {
    const Memory<double> memory(n, count);
    const auto device = std::make_shared<Counting>(kanml::BlockLimits{{16, 2}, 3, 1, 100'000});
    std::vector<double> direction(gradient.size());
    kanml::BlockVectors<double, Counting>(device).two_loop(memory.pairs(), memory.diagonal,
                                                           gradient, direction);
    CHECK_EQUAL(device->launches, 2 * count + 1);
  }
}

// No difference was larger than 3 rounding errors of the largest entry.
TEST(updated_diagonals_are_those_of_extended_precision) {
  CHECK_NEAR(worst_of_diagonals<float>(), 0.0, 8.0);
  CHECK_NEAR(worst_of_diagonals<double>(), 0.0, 8.0);
}

// A step of a single entry, for which the formula gives zero up to rounding; and changes for which
// it gives a last entry beyond the largest float, and below the least. These two are kept.
TEST(entries_of_updated_diagonals_stay_positive_and_finite) {
  struct Case {
    std::vector<float> step;
    std::vector<float> change;
    std::vector<float> diagonal;
    bool kept;
  };
  for (const Case& at : {Case{{0, 2, 0}, {0, 3, 0}, {1, 1, 1}, false},
                         Case{{1e-3F, 1e-3F}, {1e-3F, 0}, {1e-30F, 3e38F}, true},
                         Case{{1, 0}, {1, 1e24F}, {1, 1}, true}}) {
    auto expected = at.diagonal;
    kanml::update_diagonal<float>(at.step, at.change, expected);
    for (const auto& by : all_vectors<float>()) {
      std::vector<float> updated(at.diagonal.size());
      by.update_diagonal(at.step, at.change, at.diagonal, updated);
      for (std::size_t i = 0; i < updated.size(); ++i) {
        CHECK(updated[i] > 0.0F && std::isfinite(updated[i]));
        CHECK_NEAR(updated[i] / expected[i], 1.0, 1e-6);
      }
      CHECK_EQUAL(updated.back() == at.diagonal.back(), at.kept);
    }
  }
}

TEST(bits_of_sums_do_not_depend_on_how_work_is_cut) {
  check_bits<float>();
  check_bits<double>();
}

TEST(entries_that_are_no_numbers_are_kept) {
  check_special<float>();
  check_special<double>();
}

// A sum takes one barrier for the lanes, eight for the tree and one for the result. After the last
// result nothing follows.
TEST(programs_of_sums_need_all_barriers) {
  const index n = 3000;
  const block::Parts parts = block::parts_of(n);
  const auto x = inputs::random(n);
  const auto y = inputs::random(n);
  CHECK_EQUAL(parts.count, 3);
  std::vector<block::Total<double>> products(3);
  barriers::check(
      block::PartSums<block::Dot<double>>{parts, {x.data(), y.data()}, products.data(), 1, 21}, 30,
      1);

  const std::vector<block::PairProducts> of_pair(3, {1.0, 1.0, 1.0});
  std::vector<double> updated(x.size());
  barriers::check(block::UpdateDiagonal<double>{.parts = parts,
                                                .sums = of_pair.data(),
                                                .pair = {x.data(), y.data(), x.data()},
                                                .updated = updated.data(),
                                                .blocks = 1,
                                                .threads = 21},
                  10, 1);

  const std::vector<block::TwoLoopSums> sums(3, {1.0, 1.0});
  std::vector<block::TwoLoopSums> next_sums(3);
  block::TwoLoopNumbers numbers{};
  barriers::check(block::TwoLoopStep<double>{.parts = parts,
                                             .q = updated.data(),
                                             .numbers = &numbers,
                                             .vector = x.data(),
                                             .sums = sums.data(),
                                             .next_vector = y.data(),
                                             .next_sums = next_sums.data(),
                                             .blocks = 1,
                                             .threads = 21},
                  40, 1);
}

}  // namespace
