// The runtime's own cost: sharing out a launch whose work is nothing.
#include "runtime/thread_pool.h"

#include <benchmark/benchmark.h>

using namespace mapsto::runtime;

/// Cost enough an item that the pool shares it.
static constexpr int64_t kShared = int64_t(1) << 30;

static void emptyLaunch(benchmark::State &state) {
  int threads = int(state.range(0));
  for (auto _ : state)
    parallelFor(
        threads, kShared, threads, [](void *, int, int64_t, int64_t) {},
        nullptr);
}

/// What is not worth sharing.
static void smallLaunch(benchmark::State &state) {
  for (auto _ : state)
    parallelFor(
        availableCores(), 1, availableCores(),
        [](void *, int, int64_t, int64_t) {}, nullptr);
}

int main(int argc, char **argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv))
    return 2;
  auto *empty = benchmark::RegisterBenchmark("empty", emptyLaunch);
  empty->ArgName("threads")->Arg(1)->UseRealTime();
  if (availableCores() > 1)
    empty->Arg(availableCores());
  benchmark::RegisterBenchmark("small", smallLaunch)->UseRealTime();
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
