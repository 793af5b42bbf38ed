#include "core/runtime/forks.hpp"

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>

#include <atomic>
#include <fstream>
#include <sstream>
#include <string>

namespace kanml {

namespace {

// Whether the fork came before this library was loaded. Linux reports it in the ninth field of this
// file, which other systems do not have; the second, the name of the program, may contain anything.
bool forked_before() {
  constexpr unsigned long fork_without_exec = 0x40;  // PF_FORKNOEXEC
  std::string text;
  std::getline(std::ifstream("/proc/self/stat"), text, '\0');
  std::istringstream fields(text.substr(text.rfind(')') + 1));
  std::string skipped;
  for (int field = 3; field < 9; ++field) fields >> skipped;
  unsigned long flags = 0;
  fields >> flags;
  return (flags & fork_without_exec) != 0;
}

// Not os.register_at_fork of Python, which misses the forks of C libraries.
std::atomic<bool> forked{forked_before()};
[[maybe_unused]] const int watch = pthread_atfork(nullptr, nullptr, [] { forked.store(true); });

}  // namespace

bool in_forked_process() { return forked.load(); }

}  // namespace kanml
#else
namespace kanml {

bool in_forked_process() { return false; }

}  // namespace kanml
#endif
