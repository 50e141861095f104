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

static int knownCores() {
  int known = cores.load(std::memory_order_relaxed);
  if (known == 0)
    cores.store(known = availableCores(), std::memory_order_relaxed);
  return known;
}

int idleCores() { return knownCores() - busy.load(std::memory_order_relaxed); }

int spareThreads(int threads) {
  int beyond = threads - knownCores();
  int spare = idleCores() + (beyond > 0 ? beyond : 0);
  return spare < threads - 1 ? (spare > 0 ? spare : 0) : threads - 1;
}

} // namespace mapsto::runtime
