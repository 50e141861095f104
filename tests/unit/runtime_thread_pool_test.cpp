#include "runtime/thread_pool.h"

#include <atomic>
#include <gtest/gtest.h>
#include <thread>
#include <vector>

using namespace mapsto::runtime;

namespace {

constexpr int64_t kCostly = 1'000'000;

struct Counts {
  std::vector<std::atomic<int>> items;
  std::atomic<int> lanes[kMaxThreads] = {};
  std::atomic<bool> clash{false};
  explicit Counts(int64_t n) : items(size_t(n)) {}

  static void range(void *context, int lane, int64_t begin, int64_t end) {
    Counts &c = *static_cast<Counts *>(context);
    if (c.lanes[lane].fetch_add(1) != 0)
      c.clash = true;
    for (int64_t i = begin; i < end; ++i)
      c.items[size_t(i)].fetch_add(1);
    c.lanes[lane].fetch_sub(1);
  }
  bool eachOnce() const {
    for (const auto &item : items)
      if (item != 1)
        return false;
    return true;
  }
};

TEST(ThreadPool, DoesEveryItemOnce) {
  for (int threads : {1, 2, 3, 8})
    for (int64_t n : {1, 2, 3, 7, 64, 1000, 100'003}) {
      Counts counts(n);
      int took = parallelFor(n, kCostly, threads, Counts::range, &counts);
      EXPECT_TRUE(counts.eachOnce()) << threads << " " << n;
      EXPECT_FALSE(counts.clash);
      EXPECT_GE(took, 1);
      EXPECT_LE(took, threads);
    }
}

TEST(ThreadPool, LittleWorkStaysHere) {
  struct Here {
    std::thread::id caller = std::this_thread::get_id();
    int calls = 0;
    bool elsewhere = false;
    static void range(void *context, int, int64_t, int64_t) {
      Here &here = *static_cast<Here *>(context);
      ++here.calls;
      here.elsewhere |= std::this_thread::get_id() != here.caller;
    }
  } here;
  EXPECT_EQ(parallelFor(100, 10, 8, Here::range, &here), 1);
  EXPECT_EQ(parallelFor(1, kCostly * 1000, 8, Here::range, &here), 1);
  EXPECT_EQ(here.calls, 2);
  EXPECT_FALSE(here.elsewhere);
  EXPECT_EQ(parallelFor(0, kCostly, 8, Here::range, &here), 0);
  EXPECT_EQ(here.calls, 2);
}

TEST(ThreadPool, HugeGridsDoNotOverflow) {
  struct Sum {
    std::atomic<int64_t> items{0};
    static void range(void *context, int, int64_t begin, int64_t end) {
      static_cast<Sum *>(context)->items += end - begin;
    }
  } sum;
  parallelFor(INT64_MAX / 4, INT64_MAX, 4, Sum::range, &sum);
  EXPECT_EQ(sum.items, INT64_MAX / 4);
}

TEST(ThreadPool, NestedJobsRunInPlace) {
  struct Outer {
    std::atomic<int64_t> items{0};
    static void inner(void *context, int lane, int64_t begin, int64_t end) {
      static_cast<Outer *>(context)->items += end - begin;
    }
    static void range(void *context, int, int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        parallelFor(10, kCostly, 4, inner, context);
    }
  } outer;
  parallelFor(100, kCostly, 4, Outer::range, &outer);
  EXPECT_EQ(outer.items, 1000);
}

TEST(ThreadPool, ManyCallersAtOnce) {
  std::vector<std::thread> callers;
  std::atomic<int> good{0};
  for (int t = 0; t < 40; ++t) // more than there are places for jobs
    callers.emplace_back([&] {
      bool all = true;
      for (int round = 0; round < 50; ++round) {
        Counts counts(200);
        parallelFor(200, kCostly, 3, Counts::range, &counts);
        all &= counts.eachOnce() && !counts.clash;
      }
      good += all;
    });
  for (std::thread &caller : callers)
    caller.join();
  EXPECT_EQ(good, 40);
}

} // namespace
