#include "runtime/team.h"
#include "runtime/thread_pool.h"

#include <atomic>
#include <chrono>
#include <gtest/gtest.h>
#include <thread>
#include <vector>

using namespace mapsto::runtime;

namespace {

/// A recurrence by hand: at each step every cell becomes the sum of its two
/// neighbours and the step; members share the cells, which lie there twice.
struct Ring {
  static constexpr int64_t kCells = 64;
  int64_t steps;
  std::vector<int64_t> cells[2];
  std::atomic<int> inStep{0};
  std::atomic<bool> overlap{false}; ///< a step began before the last was done
  std::atomic<int> most{0};         ///< members in a step
  std::atomic<int> helped{0};       ///< steps of other members than the caller
  std::chrono::milliseconds delay{0}; ///< of each of these

  explicit Ring(int64_t steps) : steps(steps) {
    for (auto &c : cells)
      c.assign(kCells, 0);
  }

  static void run(void *context, mapsto_kernel_context *seat) {
    Ring &ring = *static_cast<Ring *>(context);
    auto arrive = [&](int64_t next) {
      if (seat->arrive)
        seat->arrive(seat, next);
    };
    if (seat->member == 0) {
      for (int64_t i = 0; i < kCells; ++i)
        ring.cells[0][size_t(i)] = i;
      arrive(0);
    }
    for (int64_t t = seat->step; t < ring.steps; ++t) {
      if (seat->left)
        continue;
      int64_t members = seat->others + 1;
      if (ring.most < members)
        ring.most = int(members);
      if (seat->member != 0) {
        ++ring.helped;
        if (ring.delay.count() > 0)
          std::this_thread::sleep_for(ring.delay);
      }
      auto &from = ring.cells[t % 2], &to = ring.cells[(t + 1) % 2];
      for (int64_t i = kCells * seat->member / members;
           i < kCells * (seat->member + 1) / members; ++i)
        to[size_t(i)] = (from[size_t((i + 1) % kCells)] +
                         from[size_t((i + kCells - 1) % kCells)] + t) %
                        1'000'003;
      // In the midst of a step nobody comes or goes.
      arrive(-1);
      if (seat->left || seat->others + 1 != members)
        ring.overlap = true;
      arrive(t + 1);
    }
  }

  std::vector<int64_t> result() const { return cells[steps % 2]; }
};

std::vector<int64_t> alone(int64_t steps) {
  Ring ring(steps);
  mapsto_kernel_context context{};
  Ring::run(&ring, &context);
  return ring.result();
}

TEST(Team, StepsAreThoseOfOneThread) {
  for (int64_t steps : {0, 1, 2, 7, 1000}) {
    std::vector<int64_t> expected = alone(steps);
    for (int members : {1, 2, 3, 4, 7})
      for (int round = 0; round < 20; ++round) {
        Ring ring(steps);
        int took = runTeam(members, Ring::run, &ring);
        EXPECT_EQ(ring.result(), expected) << members << " " << steps;
        EXPECT_FALSE(ring.overlap);
        EXPECT_GE(took, 1);
        EXPECT_LE(took, members);
        EXPECT_LE(ring.most, took);
      }
  }
}

TEST(Team, WorkersJoinWhereThereAreCores) {
  if (availableCores() < 2)
    GTEST_SKIP() << "one core";
  // Long enough for a sleeping worker to come.
  int most = 0;
  for (int round = 0; round < 50 && most < 2; ++round) {
    Ring ring(20'000);
    most = runTeam(2, Ring::run, &ring);
  }
  EXPECT_EQ(most, 2);
}

TEST(Team, AMemberThatIsKeptFromRunningIsLeftOut) {
  std::vector<int64_t> expected = alone(300);
  Ring ring(300);
  ring.delay = std::chrono::milliseconds(3);
  runTeam(4, Ring::run, &ring);
  EXPECT_EQ(ring.result(), expected);
  EXPECT_LE(ring.helped, 3);
}

TEST(Team, NestedAndManyAtOnce) {
  std::vector<int64_t> expected = alone(200);
  std::vector<std::thread> callers;
  std::atomic<int> good{0};
  for (int t = 0; t < 12; ++t)
    callers.emplace_back([&] {
      bool all = true;
      for (int round = 0; round < 20; ++round) {
        Ring ring(200);
        runTeam(3, Ring::run, &ring);
        all &= ring.result() == expected;
        // Inside another job it runs alone.
        struct Nested {
          const std::vector<int64_t> &expected;
          std::atomic<int> wrong{0};
          static void range(void *context, int, int64_t begin, int64_t end) {
            Nested &nested = *static_cast<Nested *>(context);
            for (int64_t i = begin; i < end; ++i) {
              Ring ring(200);
              if (runTeam(3, Ring::run, &ring) != 1 ||
                  ring.result() != nested.expected)
                ++nested.wrong;
            }
          }
        } nested{expected};
        parallelFor(4, 1'000'000, 2, Nested::range, &nested);
        all &= nested.wrong == 0;
      }
      good += all;
    });
  for (std::thread &caller : callers)
    caller.join();
  EXPECT_EQ(good, 12);
}

} // namespace
