// kanml_bench [options of Google Benchmark] | --levels
#include <benchmark/benchmark.h>

#include <cstdio>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

#include "kanml/instruction_set.hpp"
#include "kanml/threads.hpp"
#include "levels.hpp"
#include "machine.hpp"
#include "verify.hpp"

namespace {

std::string billions(double rate) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", rate * 1e-9);
  return text;
}

std::string available_sets() {
  std::string names;
  for (const auto name : kanml::instruction_sets()) {
    names.append(names.empty() ? "" : ", ").append(name);
  }
  return names;
}

void describe_run() {
  const bench::Machine machine = bench::measure_machine();
  const auto say = benchmark::AddCustomContext;
  say("instruction set", std::string(kanml::instruction_set()) + " of " + available_sets());
  say("peak, one thread", billions(machine.float_flops) + " GFLOP/s float, " +
                              billions(machine.double_flops) + " double");
  say("loads, one thread", billions(machine.l1_loads) + " GB/s from L1, " +
                               billions(machine.l2_loads) + " from L2, " +
                               billions(machine.memory_loads) + " from memory");
  say("threads by default", std::to_string(kanml::get_num_threads()));
  say("compiler", KANML_BENCH_COMPILER);
  say("flags", KANML_BENCH_FLAGS);
}

int run(int argc, char** argv) {
  if (argc == 2 && std::string_view(argv[1]) == "--levels") {
    std::printf("instruction set: %s\n", std::string(kanml::instruction_set()).c_str());
    return bench::compare_levels() ? 0 : 1;
  }
  // A default that keeps the whole run to some minutes; arguments that follow override it.
  std::string min_time = "--benchmark_min_time=0.1";
  std::vector<char*> arguments(argv, argv + argc);
  arguments.insert(arguments.begin() + 1, min_time.data());
  int count = static_cast<int>(arguments.size());
  arguments.push_back(nullptr);
  benchmark::Initialize(&count, arguments.data());
  if (benchmark::ReportUnrecognizedArguments(count, arguments.data())) return 1;
  describe_run();
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  if (bench::failures() == 0) return 0;
  std::fprintf(stderr, "%d benchmark runs gave a wrong result\n", bench::failures());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "kanml_bench: %s\n", error.what());
    return 1;
  }
}
