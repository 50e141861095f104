#include "runtime/side_by_side.h"

#include <atomic>
#include <chrono>
#include <gtest/gtest.h>
#include <list>
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

  static void run(void *context, int, mapsto_kernel_context *seat) {
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
  Ring::run(&ring, 0, &context);
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

//===----------------------------------------------------------------------===//
// Side by side
//===----------------------------------------------------------------------===//

/// A grid whose items are done once each, some time apart from each other.
struct Grid {
  std::vector<int> done;
  explicit Grid(int64_t items) : done(size_t(items)) {}
  static void range(void *context, int, int64_t begin, int64_t end) {
    Grid &grid = *static_cast<Grid *>(context);
    for (int64_t i = begin; i < end; ++i)
      ++grid.done[size_t(i)];
  }
};

struct Alone {
  static void range(void *context, int lane, int64_t, int64_t) {
    mapsto_kernel_context seat{};
    Ring::run(context, lane, &seat);
  }
};

TEST(SideBySide, EveryItemAndStepIsDoneOnce) {
  // Recurrences of unlike length with and without a team, grids of none, one
  // and many items, in all numbers.
  for (int threads : {1, 2, 3, 4, 7})
    for (int64_t steps : {0, 1, 7, 1009})
      for (int count = 1; count <= kMostShares; ++count) {
        std::list<Ring> rings;
        std::list<Grid> grids;
        Share shares[kMostShares];
        for (int i = 0; i < count; ++i) {
          Share &share = shares[i];
          share.costPerItem = i;
          if (i % 3 == 2) {
            grids.emplace_back(std::vector<int64_t>{0, 1, 61}[size_t(i / 3)]);
            share.range = Grid::range;
            share.context = &grids.back();
            share.items = int64_t(grids.back().done.size());
            continue;
          }
          rings.emplace_back(steps * (i + 1));
          share.range = Alone::range;
          share.member = Ring::run;
          share.context = &rings.back();
          share.items = 1;
          share.teamLimit = i % 3 ? 1 : threads;
        }
        runSideBySide(shares, count, threads);
        for (Ring &ring : rings) {
          EXPECT_EQ(ring.result(), alone(ring.steps));
          EXPECT_FALSE(ring.overlap);
          EXPECT_LE(ring.most, threads);
        }
        for (Grid &grid : grids)
          EXPECT_EQ(grid.done, std::vector<int>(grid.done.size(), 1));
        for (int i = 0; i < count; ++i) {
          EXPECT_LE(shares[i].threads, threads);
          EXPECT_EQ(shares[i].threads > 0, shares[i].items > 0);
          EXPECT_LE(shares[i].start, shares[i].end);
        }
      }
}

TEST(SideBySide, ThreadsTakeOneLaunchEach) {
  if (availableCores() < 2)
    GTEST_SKIP() << "one core";
  bool apart = false;
  for (int round = 0; round < 50 && !apart; ++round) {
    Ring first(20'000), second(20'000);
    Share shares[2];
    for (int i = 0; i < 2; ++i) {
      shares[i].range = Alone::range;
      shares[i].context = i ? &second : &first;
      shares[i].items = shares[i].costPerItem = 1;
    }
    runSideBySide(shares, 2, 2);
    apart = shares[0].start < shares[1].end && shares[1].start < shares[0].end;
  }
  EXPECT_TRUE(apart);
}

TEST(SideBySide, WhoHasNothingLeftJoinsATeam) {
  if (availableCores() < 2)
    GTEST_SKIP() << "one core";
  bool joined = false;
  for (int round = 0; round < 50 && !joined; ++round) {
    Ring longer(20'000), shorter(10);
    Share shares[2];
    for (int i = 0; i < 2; ++i) {
      shares[i].range = Alone::range;
      shares[i].member = Ring::run;
      shares[i].context = i ? &shorter : &longer;
      shares[i].items = 1;
      shares[i].costPerItem = i ? 1 : 1000;
      shares[i].teamLimit = 2;
    }
    runSideBySide(shares, 2, 2);
    EXPECT_EQ(longer.result(), alone(20'000));
    EXPECT_EQ(shorter.result(), alone(10));
    joined = shares[0].threads == 2;
  }
  EXPECT_TRUE(joined);
}

} // namespace
