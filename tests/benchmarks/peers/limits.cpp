//===- limits.cpp - what this machine can do at most ----------------------===//
//
// usage: limits THREADS BYTES...: multiply-adds in registers, then reading
// buffers of so many bytes a thread. Prints one figure a line, in 1e9 FLOP/s
// and 1e9 bytes/s of all threads together.
//
//===----------------------------------------------------------------------===//
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <thread>
#include <vector>

namespace {

#if defined(__AVX512F__)
constexpr int vectorBytes = 64;
#else
constexpr int vectorBytes = 32;
#endif
typedef float Vector __attribute__((vector_size(vectorBytes)));
constexpr int lanes = vectorBytes / sizeof(float);
// Chains enough to hide the latency of two multiply-adds a cycle.
constexpr int chains = 12;
constexpr int attempts = 7;

// Shortest of several runs of `work` on so many threads at once, in seconds.
double fastest(int threads, const std::function<void(int)> &work) {
  double best = 1e30;
  for (int attempt = 0; attempt < attempts; ++attempt) {
    auto start = std::chrono::steady_clock::now();
    std::vector<std::thread> others;
    for (int thread = 1; thread < threads; ++thread)
      others.emplace_back(work, thread);
    work(0);
    for (std::thread &other : others)
      other.join();
    std::chrono::duration<double> time =
        std::chrono::steady_clock::now() - start;
    best = time.count() < best ? time.count() : best;
  }
  return best;
}

void multiplyAdds(long count) {
  Vector sums[chains] = {};
  Vector x = {}, y = {};
  for (long i = 0; i < count; ++i) {
#pragma unroll
    for (Vector &sum : sums) {
      sum = sum * x + y;
      asm volatile("" : "+v"(sum)); // or the loop would be folded away
    }
  }
}

void read(const std::vector<Vector> &buffer, long times) {
  constexpr size_t unrolled = 8;
  Vector sums[unrolled] = {};
  for (long time = 0; time < times; ++time)
    for (size_t i = 0; i + unrolled <= buffer.size(); i += unrolled)
#pragma unroll
      for (size_t k = 0; k < unrolled; ++k) {
        sums[k] += buffer[i + k];
        asm volatile("" : "+v"(sums[k]));
      }
}

} // namespace

int main(int argc, char **argv) {
  int threads = argc > 1 ? std::atoi(argv[1]) : 1;
  constexpr long count = 4000000;
  double time = fastest(threads, [](int) { multiplyAdds(count); });
  std::printf("%.2f\n", 2e-9 * lanes * chains * count * threads / time);
  for (int i = 2; i < argc; ++i) {
    size_t bytes = std::strtoull(argv[i], nullptr, 10);
    constexpr size_t volume = size_t(1) << 29;
    long times = bytes < volume ? static_cast<long>(volume / bytes) : 1;
    std::vector<std::vector<Vector>> buffers(
        static_cast<size_t>(threads), std::vector<Vector>(bytes / vectorBytes));
    time = fastest(threads, [&](int thread) {
      read(buffers[static_cast<size_t>(thread)], times);
    });
    std::printf("%.2f\n", 1e-9 * static_cast<double>(bytes) *
                              static_cast<double>(times) * threads / time);
  }
}
