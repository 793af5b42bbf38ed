#include "machine.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

namespace bench {

namespace {

#if defined(__AVX512F__)
constexpr std::size_t vector_bytes = 64;
#elif defined(__AVX__)
constexpr std::size_t vector_bytes = 32;
#else
constexpr std::size_t vector_bytes = 16;
#endif

// Independent chains: enough to hide latencies, few enough for 16 registers with two to spare.
constexpr std::size_t chains = 12;

template <class T>
constexpr std::size_t lanes = vector_bytes / sizeof(T);

template <class T>
struct Vectors {
  typedef T Vector __attribute__((vector_size(vector_bytes)));
  Vector v[chains];
};

// f(0), ..., f(chains - 1), written out so that the chains live in registers.
template <class F>
void for_chains(const F& f) {
  [&]<std::size_t... c>(std::index_sequence<c...>) {
    (f(std::integral_constant<std::size_t, c>{}), ...);
  }(std::make_index_sequence<chains>{});
}

template <class T>
T sum_of(const Vectors<T>& x) {
  T sum = T(0);
  for (const auto& vector : x.v) {
    for (std::size_t lane = 0; lane < lanes<T>; ++lane) sum += vector[lane];
  }
  return sum;
}

// x <- x / 2 + 1 in every lane, until it stands at its fixed point 2.
template <class T>
void multiply_add(std::int64_t steps) {
  // Behind volatile the compiler neither knows the end nor sees that all chains are alike.
  volatile T hidden[] = {T(0), T(0.5), T(1)};
  Vectors<T> x{};
  for_chains([&](auto c) { x.v[c] += hidden[0]; });
  const T half = hidden[1];
  const T one = hidden[2];
  for (std::int64_t step = 0; step < steps; ++step) {
    for_chains([&](auto c) { x.v[c] = x.v[c] * half + one; });
  }
  if (sum_of(x) != T(2 * chains * lanes<T>)) {
    throw std::runtime_error("the multiply-add loop gave a wrong result");
  }
}

// Sums a buffer of ones, over and over.
void load(const std::vector<Vectors<double>>& buffer, std::int64_t passes) {
  Vectors<double> sums{};
  for (std::int64_t pass = 0; pass < passes; ++pass) {
    for (const auto& block : buffer) {
      for_chains([&](auto c) { sums.v[c] += block.v[c]; });
    }
  }
  const std::size_t numbers = chains * lanes<double> * buffer.size();
  if (sum_of(sums) != static_cast<double>(numbers) * static_cast<double>(passes)) {
    throw std::runtime_error("the load loop gave a wrong result");
  }
}

template <class Work>
double best_seconds(const Work& work, std::int64_t amount) {
  using clock = std::chrono::steady_clock;
  double best = std::numeric_limits<double>::infinity();
  for (int run = 0; run < 7; ++run) {
    const auto start = clock::now();
    work(amount);
    best = std::min(best, std::chrono::duration<double>(clock::now() - start).count());
  }
  return best;
}

// Units of work a second. Twice the work must take about twice the time; a busy machine gets
// several tries to show it.
template <class Work>
double rate(const Work& work, std::int64_t amount) {
  for (int attempt = 0; attempt < 10; ++attempt) {
    const double once = best_seconds(work, amount);
    const double twice = best_seconds(work, 2 * amount);
    if (twice > 1.5 * once && twice < 3 * once) return 2 * static_cast<double>(amount) / twice;
  }
  throw std::runtime_error("a measuring loop does not take longer for more work");
}

template <class T>
double flops() {
  return rate(multiply_add<T>, 500'000) * 2 * chains * lanes<T>;
}

double loads(std::size_t bytes) {
  Vectors<double> ones{};
  for (auto& vector : ones.v) vector += 1.0;
  const std::vector<Vectors<double>> buffer(bytes / sizeof ones, ones);
  const auto passes = static_cast<std::int64_t>(std::max<std::size_t>(1, (64U << 20) / bytes));
  const auto work = [&](std::int64_t amount) { load(buffer, amount); };
  return rate(work, passes) * static_cast<double>(buffer.size() * sizeof ones);
}

}  // namespace

Machine measure_machine() {
  return {.float_flops = flops<float>(),
          .double_flops = flops<double>(),
          .l1_loads = loads(16U << 10),
          .l2_loads = loads(256U << 10),
          .memory_loads = loads(256U << 20)};
}

}  // namespace bench
