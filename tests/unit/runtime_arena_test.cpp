#include "runtime/arena.h"

#include <gtest/gtest.h>
#include <random>

using namespace mapsto::runtime;

static void checkPlan(Array<ArenaItem> &items, const ArenaPlan &plan) {
  uint64_t end = 0;
  for (size_t i = 0; i < items.size(); ++i) {
    EXPECT_EQ(items[i].offset % kArenaAlignment, 0u);
    end = std::max(end, items[i].offset + items[i].size);
    for (size_t j = 0; j < i; ++j) {
      const ArenaItem &a = items[i], &b = items[j];
      bool together = a.first <= b.last && b.first <= a.last;
      bool overlap = a.size && b.size && a.offset < b.offset + b.size &&
                     b.offset < a.offset + a.size;
      EXPECT_FALSE(together && overlap) << i << " and " << j;
    }
  }
  EXPECT_EQ(plan.peak, end);
  EXPECT_LE(plan.lowerBound, plan.peak);
}

TEST(Arena, NothingTakesNothing) {
  Array<ArenaItem> items;
  ArenaPlan plan;
  ASSERT_TRUE(planArena(items, plan));
  EXPECT_EQ(plan.peak, 0u);
  items.push({0, 0, 5});
  ASSERT_TRUE(planArena(items, plan));
  EXPECT_EQ(plan.peak, 0u);
}

TEST(Arena, BuffersOfAChainTakeTurns) {
  Array<ArenaItem> items;
  for (uint32_t i = 0; i < 10; ++i)
    items.push({1000, i, i + 1});
  ArenaPlan plan;
  ASSERT_TRUE(planArena(items, plan));
  checkPlan(items, plan);
  EXPECT_EQ(plan.peak, 2048u);
  EXPECT_EQ(plan.lowerBound, 2048u);
}

TEST(Arena, RandomLivesNeverMeetInMemory) {
  std::mt19937 random(1);
  double worst = 1;
  for (int round = 0; round < 1000; ++round) {
    Array<ArenaItem> items;
    int n = int(random() % 40);
    for (int i = 0; i < n; ++i) {
      uint32_t first = random() % 30;
      items.push({random() % 5000, first, first + uint32_t(random() % 8)});
    }
    ArenaPlan plan;
    ASSERT_TRUE(planArena(items, plan));
    checkPlan(items, plan);
    if (plan.lowerBound)
      worst = std::max(worst, double(plan.peak) / double(plan.lowerBound));
  }
  EXPECT_LE(worst, 1.15);
}

TEST(Arena, RefusesOverflow) {
  ArenaPlan plan;
  Array<ArenaItem> items;
  items.push({INT64_MAX, 0, 0});
  EXPECT_FALSE(planArena(items, plan));
  items.clear();
  for (int i = 0; i < 4; ++i)
    items.push({uint64_t(1) << 62, 0, 0});
  EXPECT_FALSE(planArena(items, plan));
}
