#include "check.hpp"

#include <cstdio>
#include <exception>
#include <vector>

namespace {

struct Registered {
  const char* name;
  void (*run)();
};

std::vector<Registered>& tests() {
  static std::vector<Registered> registered;
  return registered;
}

}  // namespace

check::Test::Test(const char* name, void (*run)()) { tests().push_back({name, run}); }

int main() {
  int failed = 0;
  const auto report = [&](const char* name, const char* message) {
    std::fprintf(stderr, "FAILED %s\n  %s\n", name, message);
    ++failed;
  };
  for (const auto& [name, run] : tests()) {
    try {
      run();
    } catch (const check::Failure& failure) {
      report(name, failure.message.c_str());
    } catch (const std::exception& error) {
      report(name, error.what());
    }
  }
  std::printf("%zu tests, %d failed\n", tests().size(), failed);
  return failed == 0 ? 0 : 1;
}
