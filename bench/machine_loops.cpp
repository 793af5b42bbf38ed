// Nothing of the standard library is called here: the linker would keep one of the copies that
// the instruction sets made of it, for all of them.
#include "machine_loops.hpp"

namespace bench::KANML_BENCH_TARGET {

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
struct Of {
  typedef T Vector __attribute__((vector_size(vector_bytes)));
};

static_assert(numbers_a_block % (chains * lanes<double>) == 0);

template <class T>
T sum_of(const typename Of<T>::Vector (&x)[chains]) {
  T sum = T(0);
  for (const auto& vector : x) {
    for (std::size_t lane = 0; lane < lanes<T>; ++lane) sum += vector[lane];
  }
  return sum;
}

template <class T>
T multiply_add(std::int64_t steps) {
  // Behind volatile the compiler neither knows the end nor sees that all chains are alike.
  volatile T hidden[] = {T(0), T(0.5), T(1)};
  typename Of<T>::Vector x[chains] = {};
#pragma GCC unroll 12
  for (auto& chain : x) chain += hidden[0];
  const T half = hidden[1];
  const T one = hidden[2];
  for (std::int64_t step = 0; step < steps; ++step) {
#pragma GCC unroll 12
    for (std::size_t c = 0; c < chains; ++c) x[c] = x[c] * half + one;
  }
  return sum_of<T>(x);
}

double sum(const double* numbers, std::size_t n, std::int64_t passes) {
  using Vector = Of<double>::Vector;
  Vector sums[chains] = {};
  for (std::int64_t pass = 0; pass < passes; ++pass) {
    for (std::size_t i = 0; i < n; i += chains * lanes<double>) {
#pragma GCC unroll 12
      for (std::size_t c = 0; c < chains; ++c) {
        sums[c] += *reinterpret_cast<const Vector*>(numbers + i + c * lanes<double>);
      }
    }
  }
  return sum_of<double>(sums);
}

}  // namespace

extern const MachineLoops machine_loops;
constinit const MachineLoops machine_loops = {
    .float_multiply_add = {multiply_add<float>, chains* lanes<float>},
    .double_multiply_add = {multiply_add<double>, chains* lanes<double>},
    .sum = sum,
};

}  // namespace bench::KANML_BENCH_TARGET
