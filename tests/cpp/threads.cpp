#include "kanml/threads.hpp"

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "check.hpp"
#include "core/runtime/parallel.hpp"

using kanml::index;

namespace {

const std::vector<index> tasks_of_phase{5, 0, 1, 100, 7};

index tasks_of(index phase) { return tasks_of_phase[static_cast<std::size_t>(phase)]; }

}  // namespace

TEST(every_task_runs_once_after_the_phases_before_it) {
  for (int threads = 1; threads <= 4; ++threads) {
    std::vector<std::vector<int>> runs;
    for (const index tasks : tasks_of_phase) runs.emplace_back(static_cast<std::size_t>(tasks), 0);
    std::vector<std::atomic<index>> done(tasks_of_phase.size());
    std::atomic<bool> in_order{true};
    std::atomic<bool> known_thread{true};
    kanml::parallel_phases(
        threads, static_cast<index>(tasks_of_phase.size()), tasks_of,
        [&](index phase, index task, int thread) {
          for (index before = 0; before < phase; ++before) {
            if (done[static_cast<std::size_t>(before)] != tasks_of(before)) in_order = false;
          }
          if (thread < 0 || thread >= threads) known_thread = false;
          ++runs[static_cast<std::size_t>(phase)][static_cast<std::size_t>(task)];
          ++done[static_cast<std::size_t>(phase)];
        });
    CHECK(in_order);
    CHECK(known_thread);
    for (const auto& phase : runs) {
      for (const int count : phase) CHECK_EQUAL(count, 1);
    }
  }
}

TEST(the_exception_of_the_lowest_task_comes_out) {
  for (int threads = 1; threads <= 4; ++threads) {
    std::atomic<bool> later_phase{false};
    const auto run = [&] {
      kanml::parallel_phases(
          threads, 3, [](index) { return index{100}; },
          [&](index phase, index task, int) {
            if (phase == 2) later_phase = true;
            if (phase == 1 && task % 10 == 3)
              throw std::runtime_error("task " + std::to_string(task) + ".");
          });
    };
    for (int repetition = 0; repetition < 50; ++repetition) {
      CHECK_THROWS(run(), std::runtime_error, "task 3.");
    }
    CHECK(!later_phase);
  }
}

// One of two tasks throws a while after the other, which had both begun.
TEST(the_lowest_task_wins_whichever_throws_first) {
  using namespace std::chrono_literals;
  for (const index late : {0, 1}) {
    std::atomic<int> begun{0};
    const auto run = [&] {
      kanml::parallel_for(2, 2, [&](index task, int) {
        ++begun;
        for (int i = 0; i < 100 && begun < 2; ++i) std::this_thread::sleep_for(1ms);
        if (task == late) std::this_thread::sleep_for(5ms);
        throw std::runtime_error("task " + std::to_string(task) + ".");
      });
    };
    CHECK_THROWS(run(), std::runtime_error, "task 0.");
  }
}

TEST(a_loop_runs_every_task_once) {
  for (int threads = 1; threads <= 4; ++threads) {
    std::vector<int> runs(1000, 0);
    kanml::parallel_for(threads, 1000,
                        [&](index task, int) { ++runs[static_cast<std::size_t>(task)]; });
    for (const int count : runs) CHECK_EQUAL(count, 1);
  }
}

TEST(a_team_is_what_is_asked_for_but_no_larger_than_its_tasks) {
  const int before = kanml::get_num_threads();
  CHECK(before >= 1);
  kanml::set_num_threads(3);
  CHECK_EQUAL(kanml::get_num_threads(), 3);
  CHECK_EQUAL(kanml::team_size(0, 100), 3);
  CHECK_EQUAL(kanml::team_size(2, 100), 2);
  CHECK_EQUAL(kanml::team_size(0, 2), 2);
  CHECK_EQUAL(kanml::team_size(0, 0), 1);
  kanml::set_num_threads(before);
}

TEST(there_are_no_teams_inside_of_a_team) {
  std::atomic<int> largest{0};
  kanml::parallel_for(2, 10, [&](index, int) {
    if (const int size = kanml::team_size(4, 100); size > largest) largest = size;
  });
  CHECK_EQUAL(largest.load(), 1);
}
