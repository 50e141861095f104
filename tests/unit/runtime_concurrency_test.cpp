// Sessions in several threads, each sharing its kernels among several. The
// kernels are this file's own, so that the thread sanitizer sees what they
// read and write: it is for these tests that the tsan preset is.
#include "runtime_session_support.h"

#include "runtime/busy.h"
#include "runtime/thread_pool.h"

#include <atomic>
#include <chrono>
#include <gtest/gtest.h>
#include <numeric>
#include <thread>

using namespace mapsto;
using runtime::BufferKind;
using test::Model;

namespace {

constexpr int64_t kModulus = 1'000'003, kStop = 17;

/// next[i] = value[i] + 2 * value[i + 1]: reads what another thread wrote in
/// the step before. Its sums go through the scratch memory.
void neighbours(void *const *buffers, const int64_t *symbols, void *scratch,
                int64_t begin, int64_t end, mapsto_kernel_context *context) {
  const int64_t *value = static_cast<const int64_t *>(buffers[0]);
  int64_t *next = static_cast<int64_t *>(buffers[1]);
  int64_t *sum = static_cast<int64_t *>(scratch);
  int64_t n = symbols[0];
  for (int64_t i = begin; i < end; ++i) {
    if (value[i] < 0 && !context->error_code) {
      context->error_code = 1;
      context->error_value = value[i];
      context->error_bound = 1 - value[i];
    }
    *sum = value[i];
    *sum += 2 * value[(i + 1) % n];
    next[i] = *sum % kModulus;
  }
}

/// stop = value[0] % kStop == 0
void mayStop(void *const *buffers, const int64_t *, void *, int64_t, int64_t,
             mapsto_kernel_context *) {
  *static_cast<char *>(buffers[1]) =
      *static_cast<const int64_t *>(buffers[0]) % kStop == 0;
}
constexpr mapsto_kernel_fn kKernels[] = {neighbours, mayStop};

/// y = x; repeat R { y = neighbours(y); stop if y[0] % kStop == 0 }
ManifestModel neighboursModel() {
  ManifestModel m;
  m.name = "neighbours";
  m.symbols = {{"N"}, {"R"}};
  uint32_t n = m.expr(ManifestExpr::symbol(0, "N"));
  uint32_t rounds = m.expr(ManifestExpr::symbol(1, "R"));
  uint32_t eight = m.expr(8), one = m.expr(1), costly = m.expr(1'000'000);
  uint32_t bytes =
      m.expr(ManifestExpr::constant(8) * ManifestExpr::symbol(0, "N"));
  enum { X, Y, Iterations, Next, Stop };
  m.inputs = {{"x", "", MAPSTO_I64, {n}, X}};
  m.outputs = {{"y", "", MAPSTO_I64, {n}, Y},
               {"iterations", "", MAPSTO_I64, {}, Iterations}};
  m.buffers = {{"x", "i64[N]", BufferKind::Input, 0, 0, bytes},
               {"y", "i64[N]", BufferKind::Output, 0, 0, bytes},
               {"iterations", "i64[]", BufferKind::Output, 1, 0, eight},
               {"next", "i64[N]", BufferKind::Arena, 0, 0, bytes},
               {"stop", "bool[]", BufferKind::Arena, 0, 0, one}};
  for (const char *name : {"neighbours", "mayStop"}) {
    ManifestKernel k;
    k.symbol = name;
    k.argumentCount = k.resultCount = 1;
    k.grid = k.flops = k.bytes = one;
    k.cost = costly; // worth sharing at any size
    m.kernels.push_back(k);
  }
  m.kernels[0].grid = n;
  m.kernels[0].scratch = eight;
  auto loop =
      ManifestStep::loop(rounds, {ManifestStep::launch(0, {Y, Next}),
                                  ManifestStep::launch(1, {Next, Stop})});
  loop.counter = Iterations;
  loop.stop = Stop;
  loop.carries = {{Next, Y}};
  m.steps = {ManifestStep::copy(X, Y), loop};
  computeLifetimes(m);
  return m;
}

struct Expected {
  std::vector<int64_t> y;
  int64_t iterations = 0;
};

Expected expect(std::vector<int64_t> value, int64_t rounds) {
  Expected result;
  bool stop = false;
  for (; result.iterations < rounds && !stop; ++result.iterations) {
    std::vector<int64_t> next(value.size());
    for (size_t i = 0; i < value.size(); ++i)
      next[i] = (value[i] + 2 * value[(i + 1) % value.size()]) % kModulus;
    value = next;
    stop = value[0] % kStop == 0;
  }
  result.y = value;
  return result;
}

std::vector<int64_t> makeInput(int64_t n, int64_t seed) {
  std::vector<int64_t> x(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i)
    x[size_t(i)] = (i * 7919 + seed * 104729) % kModulus;
  return x;
}

/// One run of a session; whether it gave what it must.
bool runs(mapsto_session *session, int64_t n, int64_t rounds, int64_t seed) {
  std::vector<int64_t> x = makeInput(n, seed);
  Expected want = expect(x, rounds);
  mapsto_tensor y, iterations;
  if (mapsto_session_bind_input(session, 0, MAPSTO_I64, &n, 1, x.data()) ||
      mapsto_session_set_dim(session, "R", rounds) ||
      mapsto_session_run(session) || mapsto_session_output(session, 0, &y) ||
      mapsto_session_output(session, 1, &iterations))
    return false;
  const int64_t *got = static_cast<const int64_t *>(y.data);
  return std::vector<int64_t>(got, got + n) == want.y &&
         *static_cast<const int64_t *>(iterations.data) == want.iterations;
}

TEST(Concurrency, SessionsRunBesideEachOther) {
  Model m(neighboursModel(), kKernels);
  ASSERT_NE(m.artifact, nullptr) << mapsto_last_error();
  auto holds = [](mapsto_session *session, int caller) {
    bool all = true;
    for (int run = 0; run < 40; ++run) {
      mapsto_session_set_threads(session, 1 + (caller + run) % 4);
      // Sizes change and come back; loops end early at some.
      all &= runs(session, 1 + run * 37 % 200, run % 9, caller + run / 2);
    }
    return all;
  };
  EXPECT_EQ(test::sessionsThatHold(m.artifact, 4, holds), 4);
}

TEST(Concurrency, ASessionGoesFromThreadToThread) {
  Model m(neighboursModel(), kKernels);
  mapsto_session_set_threads(m.session, 3);
  for (int turn = 0; turn < 20; ++turn) {
    bool good = false;
    std::thread([&] { good = runs(m.session, 50, 5, turn); }).join();
    EXPECT_TRUE(good) << turn;
  }
}

TEST(Concurrency, OneOfSeveralFailuresIsTold) {
  Model m(neighboursModel(), kKernels);
  mapsto_session_set_threads(m.session, 4);
  for (int turn = 0; turn < 20; ++turn) {
    std::vector<int64_t> x(64);
    for (int64_t i = 0; i < 64; ++i)
      x[size_t(i)] = -1 - i;
    m.bind(0, MAPSTO_I64, {64}, x.data());
    mapsto_session_set_dim(m.session, "R", 3);
    ASSERT_EQ(mapsto_session_run(m.session), MAPSTO_RUN_FAILED);
    long long value, bound;
    std::string error = m.error();
    size_t numbers = error.find("index ");
    ASSERT_NE(numbers, std::string::npos) << error;
    ASSERT_EQ(sscanf(error.c_str() + numbers,
                     "index %lld is out of range: it must be at least 0 and "
                     "below %lld",
                     &value, &bound),
              2)
        << error;
    EXPECT_EQ(bound, 1 - value);               // both of the same failure
    EXPECT_TRUE(runs(m.session, 20, 3, turn)); // and go on
  }
}

TEST(Concurrency, TheLastSessionClosesTheArtifact) {
  for (int turn = 0; turn < 20; ++turn) {
    Model m(neighboursModel(), kKernels);
    std::vector<mapsto_session *> sessions(4);
    for (mapsto_session *&session : sessions)
      ASSERT_EQ(mapsto_session_create(m.artifact, &session), MAPSTO_OK);
    std::vector<std::thread> callers;
    std::atomic<int> good{0};
    for (mapsto_session *session : sessions)
      callers.emplace_back([&good, session, turn] {
        good += runs(session, 16, 2, turn);
        mapsto_session_free(session);
      });
    mapsto_artifact_close(m.artifact);
    m.artifact = nullptr;
    for (std::thread &caller : callers)
      caller.join();
    EXPECT_EQ(good, 4);
  }
}

/// a = x; repeat R { b, c, d = neighbours(a) side by side; a = b }
ManifestModel besideModel() {
  ManifestModel m = neighboursModel();
  m.name = "beside";
  enum { X, Y, Iterations, Next, Stop, C, D };
  m.buffers.push_back(m.buffers[Next]);
  m.buffers.push_back(m.buffers[Next]);
  std::vector<ManifestStep> &body = m.steps[1].body;
  body = {ManifestStep::launch(0, {Y, C}), ManifestStep::launch(0, {Y, D}),
          ManifestStep::launch(0, {Y, Next}),
          ManifestStep::launch(1, {Next, Stop})};
  body[1].beside = body[2].beside = true;
  computeLifetimes(m);
  return m;
}

TEST(Concurrency, LaunchesRunSideBySide) {
  Model m(besideModel(), kKernels);
  ASSERT_NE(m.artifact, nullptr) << mapsto_last_error();
  std::vector<mapsto_step_time> steps;
  test::collectSteps(m.session, steps);
  for (int threads : {1, 2, 3, 4})
    for (int64_t n : {1, 2, 61, 200})
      for (int64_t rounds : {0, 1, 7}) {
        mapsto_session_set_threads(m.session, threads);
        steps.clear();
        EXPECT_TRUE(runs(m.session, n, rounds, n)) << threads << " " << n;
        // Every launch is told of, in the schedule's order.
        EXPECT_EQ(steps.size() % 4, 0u);
        for (size_t i = 0; i < steps.size(); ++i) {
          EXPECT_EQ(steps[i].kernel, i % 4 == 3);
          EXPECT_LE(steps[i].start_ns, steps[i].end_ns);
          EXPECT_GE(steps[i].threads, 1);
          EXPECT_LE(steps[i].threads, threads);
        }
      }
}

TEST(Concurrency, OneOfSeveralFailuresSideBySideIsTold) {
  Model m(besideModel(), kKernels);
  for (int threads : {1, 4}) {
    mapsto_session_set_threads(m.session, threads);
    std::vector<int64_t> x(64, -5);
    m.bind(0, MAPSTO_I64, {64}, x.data());
    mapsto_session_set_dim(m.session, "R", 3);
    ASSERT_EQ(mapsto_session_run(m.session), MAPSTO_RUN_FAILED);
    EXPECT_NE(m.error().find("index -5 is out of range"), std::string::npos);
    EXPECT_TRUE(runs(m.session, 20, 3, 1)); // and goes on
  }
}

TEST(Concurrency, ACostBelowNothingCountsAsNothing) {
  ManifestModel damaged = besideModel();
  for (ManifestKernel &kernel : damaged.kernels)
    kernel.cost = damaged.expr(INT64_MIN / 5);
  Model m(damaged, kKernels);
  ASSERT_NE(m.artifact, nullptr) << mapsto_last_error();
  std::vector<mapsto_step_time> steps;
  test::collectSteps(m.session, steps);
  mapsto_session_set_threads(m.session, 4);
  EXPECT_TRUE(runs(m.session, 200, 7, 200));
  for (const mapsto_step_time &step : steps)
    EXPECT_EQ(step.threads, 1);
}

//===----------------------------------------------------------------------===//
// What the threads of a launch share
//===----------------------------------------------------------------------===//

/// total = sum of x: each item leaves its number, and the last adds them up. A
/// negative number is reported, and all items are done nevertheless.
void total(void *const *buffers, const int64_t *symbols, void *, int64_t begin,
           int64_t end, mapsto_kernel_context *context) {
  const int64_t *x = static_cast<const int64_t *>(buffers[0]);
  int64_t *counters = static_cast<int64_t *>(context->shared);
  int64_t *left = counters + MAPSTO_SHARED_COUNTERS;
  for (int64_t i = begin; i < end; ++i) {
    if (x[i] < 0)
      context->error_code = context->error_bound = 1;
    left[i] = x[i];
    if (__atomic_add_fetch(counters, 1, __ATOMIC_ACQ_REL) < symbols[0])
      continue;
    int64_t sum = 0;
    for (int64_t k = 0; k < symbols[0]; ++k)
      sum += left[k];
    *static_cast<int64_t *>(buffers[1]) = sum;
  }
}
constexpr mapsto_kernel_fn kTotal[] = {total};

ManifestModel totalModel() {
  ManifestModel m;
  m.name = "total";
  m.symbols = {{"N"}};
  ManifestExpr symbol = ManifestExpr::symbol(0, "N");
  uint32_t n = m.expr(symbol), one = m.expr(1);
  enum { X, Total };
  m.inputs = {{"x", "", MAPSTO_I64, {n}, X}};
  m.outputs = {{"total", "", MAPSTO_I64, {}, Total}};
  ManifestExpr bytes = ManifestExpr::constant(8) * symbol;
  m.buffers = {
      {"x", "i64[N]", BufferKind::Input, 0, 0, m.expr(bytes)},
      {"total", "i64[]", BufferKind::Output, 0, 0, m.expr(8)},
  };
  ManifestKernel k;
  k.symbol = "total";
  k.argumentCount = k.resultCount = 1;
  k.flops = k.bytes = one;
  k.grid = n;
  k.cost = m.expr(1'000'000);
  k.shared = m.expr(
      bytes + ManifestExpr::constant(MAPSTO_SHARED_COUNTERS * sizeof(int64_t)));
  m.kernels = {k};
  m.steps = {ManifestStep::launch(0, {X, Total})};
  computeLifetimes(m);
  return m;
}

TEST(Concurrency, TheLastItemFindsWhatTheOthersLeft) {
  Model m(totalModel(), kTotal);
  ASSERT_NE(m.artifact, nullptr) << mapsto_last_error();
  for (int turn = 0; turn < 100; ++turn) {
    int64_t n = 1 + turn * 37 % 64;
    std::vector<int64_t> x = makeInput(n, turn);
    bool fails = turn % 5 == 3; // the next run begins at 0 again
    if (fails)
      x[size_t(n / 2)] = -1;
    mapsto_session_set_threads(m.session, 1 + turn % 4);
    m.bind(0, MAPSTO_I64, {n}, x.data());
    ASSERT_EQ(mapsto_session_run(m.session),
              fails ? MAPSTO_RUN_FAILED : MAPSTO_OK);
    mapsto_tensor y;
    if (fails)
      continue;
    ASSERT_EQ(mapsto_session_output(m.session, 0, &y), MAPSTO_OK);
    EXPECT_EQ(*static_cast<const int64_t *>(y.data),
              std::accumulate(x.begin(), x.end(), int64_t(0)));
  }
  mapsto_memory memory;
  ASSERT_EQ(mapsto_session_memory(m.session, &memory), MAPSTO_OK);
  EXPECT_GE(memory.shared_bytes, MAPSTO_SHARED_COUNTERS * sizeof(int64_t) + 8);
}

//===----------------------------------------------------------------------===//
// The pool's own life
//===----------------------------------------------------------------------===//

struct Squares {
  std::vector<int64_t> items = std::vector<int64_t>(100);
  static void range(void *context, int, int64_t begin, int64_t end) {
    Squares &s = *static_cast<Squares *>(context);
    for (int64_t i = begin; i < end; ++i)
      s.items[size_t(i)] = i * i;
  }
  bool isDone() const {
    for (size_t i = 0; i < items.size(); ++i)
      if (items[i] != int64_t(i * i))
        return false;
    return true;
  }
};

TEST(Concurrency, WorkersWakeFromSleepAndFromSpinning) {
  for (int pause : {0, 10, 60, 1000, 60, 0, 5000})
    for (int turn = 0; turn < 10; ++turn) {
      Squares squares;
      runtime::parallelFor(100, 1'000'000, 3, Squares::range, &squares);
      EXPECT_TRUE(squares.isDone());
      std::this_thread::sleep_for(std::chrono::microseconds(pause));
    }
}

TEST(Concurrency, ThePoolGrowsWhileItWorks) {
  std::atomic<int> good{0};
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 4; ++caller)
    callers.emplace_back([&, caller] {
      bool all = true;
      for (int threads = 2; threads < 12; ++threads) {
        Squares squares;
        runtime::parallelFor(100, 1'000'000, threads + caller, Squares::range,
                             &squares);
        all &= squares.isDone();
      }
      good += all;
    });
  for (std::thread &caller : callers)
    caller.join();
  EXPECT_EQ(good, 4);
}

TEST(Concurrency, BusyThreadsAreCountedOnce) {
  runtime::Busy here, again;
  EXPECT_EQ(runtime::spareThreads(1), 0);
  // As many as were asked for, if there were no cores.
  int many = runtime::availableCores() + 3;
  EXPECT_EQ(runtime::spareThreads(many), many - 1);
  std::thread([&] {
    runtime::Busy there;
    EXPECT_EQ(runtime::spareThreads(many), many - 2);
  }).join();
  EXPECT_EQ(runtime::spareThreads(many), many - 1);
}

TEST(Concurrency, CallersThatFillTheCoresBorrowNoWorkers) {
  int callers = std::max(2, runtime::availableCores());
  std::atomic<int> inside{0}, done{0}, alone{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < callers; ++i)
    threads.emplace_back([&] {
      runtime::Busy busy; // as inside a session's run
      for (++inside; inside < callers;)
        std::this_thread::yield();
      Squares squares;
      alone += runtime::parallelFor(100, 1'000'000, callers, Squares::range,
                                    &squares) == 1 &&
               squares.isDone();
      for (++done; done < callers;)
        std::this_thread::yield();
    });
  for (std::thread &thread : threads)
    thread.join();
  EXPECT_EQ(alone, callers);
}

/// A process may end at any moment, whatever its workers do.
TEST(ConcurrencyDeathTest, AProcessEndsWhileWorkersWork) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  for (bool inside : {false, true})
    EXPECT_EXIT(
        {
          Squares squares;
          runtime::parallelFor(100, 1'000'000, 4, Squares::range, &squares);
          if (inside)
            runtime::parallelFor(
                100, 1'000'000, 4,
                [](void *, int lane, int64_t, int64_t) {
                  if (lane == 0)
                    exit(3);
                  std::this_thread::sleep_for(std::chrono::milliseconds(1));
                },
                nullptr);
          exit(3);
        },
        testing::ExitedWithCode(3), "");
}

} // namespace
