// Block programs without one of their barriers.
#pragma once

#include "block/block.hpp"
#include "check.hpp"

namespace barriers {

using kanml::index;
namespace block = kanml::block;

// A block that leaves a barrier out.
class Without {
 public:
  template <class T, int N>
  using PerThread = block::HostBlock<true>::PerThread<T, N>;

  Without(block::HostBlock<true>& block, int barrier) : block_(block), barrier_(barrier) {}

  explicit(false) operator const block::HostBlock<true>&() const { return block_; }
  int number() const { return block_.number(); }
  int blocks() const { return block_.blocks(); }
  int threads() const { return block_.threads(); }
  template <class T>
  auto shared(const char* name, index count) {
    return block_.shared<T>(name, count);
  }
  void for_each_thread(const auto& f) { block_.for_each_thread(f); }
  void sync() {
    if (barriers_++ != barrier_) block_.sync();
  }
  void phase(const auto& f) {
    for_each_thread(f);
    sync();
  }
  int barriers() const { return barriers_; }

 private:
  block::HostBlock<true>& block_;
  int barrier_;
  int barriers_ = 0;
};

// Runs a program of one block without one of its barriers, and returns how many there are.
template <class Program>
int run_without(const Program& program, int barrier) {
  block::HostBlock<true> block(0, 1, program.threads, block::shared_bytes_of(program));
  Without without(block, barrier);
  program(without);
  return without.barriers();
}

// A program of one block has `expected` barriers. All of them but the last `needless` must be
// there.
template <class Program>
void check(const Program& program, int expected, int needless) {
  CHECK_EQUAL(run_without(program, -1), expected);
  for (int barrier = 0; barrier + needless < expected; ++barrier) {
    CHECK_THROWS(run_without(program, barrier), block::SharedMemoryError, "in phase");
  }
}

}  // namespace barriers
