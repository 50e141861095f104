#include "runtime/busy.h"

#include "runtime/thread_pool.h"

#include <atomic>

namespace mapsto::runtime {

static std::atomic<int> busy{0};
/// Asked once: what a process may run on rarely changes.
static std::atomic<int> cores{0};
static thread_local int depth = 0;

Busy::Busy() {
  if (depth++ == 0)
    busy.fetch_add(1, std::memory_order_relaxed);
}

Busy::~Busy() {
  if (--depth == 0)
    busy.fetch_sub(1, std::memory_order_relaxed);
}

int spareThreads(int threads) {
  int known = cores.load(std::memory_order_relaxed);
  if (known == 0)
    cores.store(known = availableCores(), std::memory_order_relaxed);
  int most = threads > known ? threads : known;
  int spare = most - busy.load(std::memory_order_relaxed);
  return spare < threads - 1 ? (spare > 0 ? spare : 0) : threads - 1;
}

} // namespace mapsto::runtime
