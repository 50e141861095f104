#include "tools/mapsto/MachineLimits.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <functional>
#include <limits>
#include <sched.h>
#include <sys/mman.h>
#include <thread>

using namespace mapsto;

namespace {

#if defined(__x86_64__)
#define MAPSTO_VECTOR_REGISTER "+v"
#else
#define MAPSTO_VECTOR_REGISTER "+w"
#endif

namespace baseline {
constexpr int vectorBytes = 16;
#include "tools/mapsto/LimitLoops.inc"
} // namespace baseline

#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))),              \
                             apply_to = function)
namespace fma256 {
constexpr int vectorBytes = 32;
#include "tools/mapsto/LimitLoops.inc"
} // namespace fma256
#pragma clang attribute pop

#pragma clang attribute push(__attribute__((target("avx512f"))),               \
                             apply_to = function)
namespace fma512 {
constexpr int vectorBytes = 64;
#include "tools/mapsto/LimitLoops.inc"
} // namespace fma512
#pragma clang attribute pop
#endif

struct Loops {
  double (*multiplyAdds)(long count);
  void (*readBuffer)(const char *buffer, size_t bytes, long times);
};

Loops loopsFor(Vectors vectors) {
#if defined(__x86_64__)
  if (vectors == Vectors::Fma512)
    return {fma512::multiplyAdds, fma512::readBuffer};
  if (vectors == Vectors::Fma256)
    return {fma256::multiplyAdds, fma256::readBuffer};
#endif
  return {baseline::multiplyAdds, baseline::readBuffer};
}

/// Memory of large pages that is really there: pages that nobody has written
/// are all the same one of zeros.
class Buffer {
public:
  explicit Buffer(size_t bytes) : size(bytes) {
    void *memory = mmap(nullptr, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
      return;
    data = static_cast<char *>(memory);
    madvise(data, size, MADV_HUGEPAGE);
    memset(data, 1, size);
  }
  Buffer(const Buffer &) = delete;
  Buffer &operator=(const Buffer &) = delete;
  ~Buffer() {
    if (data)
      munmap(data, size);
  }

  char *data = nullptr;

private:
  size_t size;
};

using Clock = std::chrono::steady_clock;

double seconds(Clock::time_point start, Clock::time_point end) {
  return std::chrono::duration<double>(end - start).count();
}

/// Keeps this thread on one of the cores that it may use, and gives it all of
/// them back: threads that begin together may otherwise share one for a while.
class OnOneCore {
public:
  explicit OnOneCore(int thread) {
    CPU_ZERO(&before);
    if (sched_getaffinity(0, sizeof before, &before))
      return;
    int skip = thread % std::max(CPU_COUNT(&before), 1);
    for (int core = 0; core < CPU_SETSIZE; ++core)
      if (CPU_ISSET(core, &before) && skip-- == 0) {
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(core, &one);
        sched_setaffinity(0, sizeof one, &one);
      }
  }
  ~OnOneCore() { sched_setaffinity(0, sizeof before, &before); }

private:
  cpu_set_t before;
};

/// Runs `work(thread)` on all threads at once, several times, and returns the
/// seconds of the fastest. Threads wait for each other awake: a sleeper would
/// come late.
double fastest(int threads, int attempts,
               const std::function<void(int)> &work) {
  std::atomic<int> arrived{0};
  const size_t count = size_t(threads);
  std::vector<std::vector<Clock::time_point>> starts(count), ends(count);
  auto run = [&](int thread) {
    OnOneCore here(thread);
    for (int attempt = 0; attempt < attempts; ++attempt) {
      arrived.fetch_add(1);
      while (arrived.load() < threads * (attempt + 1))
        std::this_thread::yield();
      starts[size_t(thread)].push_back(Clock::now());
      work(thread);
      ends[size_t(thread)].push_back(Clock::now());
    }
  };
  std::vector<std::thread> others;
  for (int thread = 1; thread < threads; ++thread)
    others.emplace_back(run, thread);
  run(0);
  for (std::thread &other : others)
    other.join();
  double best = std::numeric_limits<double>::infinity();
  for (size_t attempt = 0; attempt < size_t(attempts); ++attempt) {
    Clock::time_point start = starts[0][attempt], end = ends[0][attempt];
    for (size_t thread = 1; thread < count; ++thread) {
      start = std::min(start, starts[thread][attempt]);
      end = std::max(end, ends[thread][attempt]);
    }
    best = std::min(best, seconds(start, end));
  }
  return best;
}

/// Data caches of the first core, from the nearest; 32 KiB and 1 MiB where the
/// system does not say.
std::vector<size_t> cacheSizes() {
  std::vector<size_t> sizes;
  for (int index = 0; index < 8; ++index) {
    std::string folder = "/sys/devices/system/cpu/cpu0/cache/index" +
                         std::to_string(index) + "/";
    std::string type;
    size_t kibibytes = 0;
    std::ifstream(folder + "type") >> type;
    std::ifstream(folder + "size") >> kibibytes;
    if (kibibytes && type != "Instruction")
      sizes.push_back(kibibytes << 10);
  }
  std::sort(sizes.begin(), sizes.end());
  return sizes.empty() ? std::vector<size_t>{32 << 10, 1 << 20} : sizes;
}

/// Every core has its own of the first two levels and shares the others.
constexpr size_t kOwnLevels = 2;
/// Caches that a buffer must exceed to come from memory.
constexpr size_t kBeyond = 4;

struct Measurement {
  int threads;
  Loops loops;
  Effort effort;

  /// How often a second all threads together do what `work(thread, times)`
  /// does `times` times.
  double rate(const std::function<void(int, long)> &work) const {
    long times = 1;
    for (double spent = 0; 2e3 * spent < effort.milliseconds;) {
      Clock::time_point start = Clock::now();
      work(0, times *= 2);
      spent = seconds(start, Clock::now());
    }
    return double(times) * threads /
           fastest(threads, effort.attempts,
                   [&](int thread) { work(thread, times); });
  }

  /// Operations a second.
  double flops() const {
    constexpr long count = 1000;
    double operations = loops.multiplyAdds(count);
    return operations *
           rate([&](int, long times) { loops.multiplyAdds(count * times); });
  }

  /// Bytes a second, of buffers of so many bytes, one a thread.
  double bandwidth(size_t bytes) const {
    constexpr size_t page = 4096;
    bytes = std::max(bytes / page, size_t(1)) * page;
    Buffer buffer(bytes * size_t(threads));
    if (!buffer.data)
      return 0;
    return double(bytes) * rate([&](int thread, long times) {
             loops.readBuffer(buffer.data + bytes * size_t(thread), bytes,
                              times);
           });
  }
};

std::string rounded(double value) {
  char text[32];
  snprintf(text, sizeof text, "%.3g", value);
  return text;
}

} // namespace

Vectors mapsto::widestVectors() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f"))
    return Vectors::Fma512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    return Vectors::Fma256;
#endif
  return Vectors::Baseline;
}

Vectors mapsto::vectorsOf(const std::vector<std::string> &features) {
  auto has = [&](const char *name) {
    return std::find(features.begin(), features.end(), name) != features.end();
  };
  return has("avx512f")              ? Vectors::Fma512
         : has("avx2") && has("fma") ? Vectors::Fma256
                                     : Vectors::Baseline;
}

MachineLimits mapsto::measureLimits(int threads, Vectors vectors,
                                    Effort effort) {
  Measurement measure{threads, loopsFor(std::min(vectors, widestVectors())),
                      effort};
  MachineLimits limits{measure.flops(), {}};
  size_t nearer = 0;
  std::vector<size_t> caches = cacheSizes();
  for (size_t level = 0; level < caches.size(); ++level) {
    size_t size = caches[level];
    size_t sharers = level < kOwnLevels ? 1 : size_t(threads);
    // Well within this cache and well beyond the one before.
    size_t bytes =
        nearer ? size_t(std::sqrt(double(nearer) * double(size))) : size / 2;
    limits.levels.push_back({double(size * size_t(threads) / sharers),
                             measure.bandwidth(bytes / sharers)});
    nearer = size;
  }
  limits.levels.push_back(
      {std::numeric_limits<double>::infinity(),
       measure.bandwidth(kBeyond * nearer / size_t(threads))});
  return limits;
}

std::string MachineLimits::option() const {
  std::string text = rounded(flops);
  for (const Level &level : levels)
    text += "," +
            (std::isinf(level.bytes) ? std::string("inf")
                                     : std::to_string(size_t(level.bytes))) +
            ":" + rounded(level.bandwidth);
  return text;
}

std::string MachineLimits::text() const {
  std::string text = rounded(flops * 1e-9) + " GFLOP/s; read ";
  for (size_t i = 0; i < levels.size(); ++i)
    text += (i + 1 < levels.size() ? "L" + std::to_string(i + 1) : "memory") +
            " " + rounded(levels[i].bandwidth * 1e-9) +
            (i + 1 < levels.size() ? ", " : " GB/s");
  return text;
}
