#include "runtime/thread_pool.h"

#include "runtime/busy.h"
#include "runtime/waiting.h"

#include <atomic>
#include <climits>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace mapsto::runtime {

namespace {

/// Waking a sleeping worker takes 5 to 50 us: work below this many operations
/// (about 10 us of vector code) is done sooner alone.
constexpr int64_t kWorthSharing = 200'000;
/// More chunks than threads, so that a slow thread ends up with fewer of them.
constexpr int64_t kChunksPerThread = 4;
/// How long a worker looks for the next job before it sleeps.
constexpr int64_t kSpinNanoseconds = 50'000;

/// A job's place. Lives as long as the process, so that a late worker may look
/// at it at any time.
struct alignas(64) Slot {
  /// Bit 31: open for joining. Below: workers inside, who may read the rest.
  std::atomic<uint32_t> state{0};
  std::atomic<bool> taken{false};
  std::atomic<int> lanes{0};
  std::atomic<int> helpers{0};
  std::atomic<int64_t> next{0}; ///< chunk to claim
  int64_t items = 0, chunks = 0;
  int maxLanes = 0;
  bool gathers = false; ///< each lane runs once, whatever the items
  RangeFn fn = nullptr;
  void *context = nullptr;
};
constexpr uint32_t kOpen = 1u << 31;
constexpr int kSlots = 32;

struct Pool {
  Slot slots[kSlots];
  /// Counts published jobs; what idle workers sleep on.
  std::atomic<uint32_t> published{0};
  std::atomic<int> sleeping{0};
  std::atomic<int> workers{0};
  std::atomic<bool> starting{false};
};

Pool pool;
thread_local bool insideJob = false;

long futex(std::atomic<uint32_t> &word, int op, uint32_t value) {
  return syscall(SYS_futex, reinterpret_cast<uint32_t *>(&word),
                 op | FUTEX_PRIVATE_FLAG, value, nullptr, nullptr, 0);
}
void sleepWhile(std::atomic<uint32_t> &word, uint32_t value) {
  futex(word, FUTEX_WAIT, value);
}
void wake(std::atomic<uint32_t> &word, int count) {
  futex(word, FUTEX_WAKE, uint32_t(count));
}

/// Claims chunks until none is left.
void share(Slot &slot, int lane) {
  for (;;) {
    int64_t chunk = slot.next.fetch_add(1, std::memory_order_relaxed);
    if (chunk >= slot.chunks)
      break;
    slot.fn(slot.context, lane, chunkStart(slot.items, slot.chunks, chunk),
            chunkStart(slot.items, slot.chunks, chunk + 1));
  }
}

void work(Slot &slot, int lane) {
  bool outer = insideJob;
  insideJob = true;
  if (slot.gathers)
    slot.fn(slot.context, lane, 0, slot.items);
  else
    share(slot, lane);
  insideJob = outer;
}

/// Joins a job if one is open and wants another thread.
bool help(Slot &slot) {
  uint32_t state = slot.state.load(std::memory_order_relaxed);
  do {
    if (!(state & kOpen))
      return false;
  } while (!slot.state.compare_exchange_weak(
      state, state + 1, std::memory_order_acquire, std::memory_order_relaxed));
  bool worked = false;
  if (slot.next.load(std::memory_order_relaxed) < slot.chunks) {
    int lane = slot.lanes.fetch_add(1, std::memory_order_relaxed);
    if (lane < slot.maxLanes) {
      slot.helpers.fetch_add(1, std::memory_order_relaxed);
      Busy busy;
      work(slot, lane);
      worked = true;
    }
  }
  // The last to leave a closed job wakes its caller.
  if (slot.state.fetch_sub(1, std::memory_order_release) == 1)
    wake(slot.state, 1);
  return worked;
}

bool helpAny() {
  bool worked = false;
  for (Slot &slot : pool.slots)
    worked |= help(slot);
  return worked;
}

void *workerMain(void *) {
  for (;;) {
    uint32_t seen = pool.published.load(std::memory_order_acquire);
    if (helpAny())
      continue;
    int64_t end = nanoseconds() + kSpinNanoseconds;
    bool fresh = false;
    while (!fresh && nanoseconds() < end)
      for (int i = 0; i < 64 && !fresh; ++i) {
        pause();
        fresh = pool.published.load(std::memory_order_relaxed) != seen;
      }
    if (fresh)
      continue;
    // Announced before the check in the kernel: a publisher either sees us
    // sleeping or changes the word first.
    pool.sleeping.fetch_add(1, std::memory_order_seq_cst);
    sleepWhile(pool.published, seen);
    pool.sleeping.fetch_sub(1, std::memory_order_seq_cst);
  }
  return nullptr;
}

/// Grows the pool to `wanted` workers. They are never joined: a process may
/// exit while they sleep.
void startWorkers(int wanted) {
  if (pool.workers.load(std::memory_order_relaxed) >= wanted ||
      pool.starting.exchange(true, std::memory_order_acquire))
    return;
  // Signals are the host's business.
  sigset_t all, old;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &old);
  while (pool.workers.load(std::memory_order_relaxed) < wanted) {
    pthread_t thread;
    if (pthread_create(&thread, nullptr, workerMain, nullptr) != 0)
      break; // fewer threads are slower, not wrong
    pthread_detach(thread);
    pool.workers.fetch_add(1, std::memory_order_relaxed);
  }
  pthread_sigmask(SIG_SETMASK, &old, nullptr);
  pool.starting.store(false, std::memory_order_release);
}

/// A place for a job of up to `lanes` threads, null if none is free or this
/// thread is inside a job already.
Slot *takeSlot() {
  if (insideJob)
    return nullptr;
  for (Slot &slot : pool.slots)
    if (!slot.taken.load(std::memory_order_relaxed) &&
        !slot.taken.exchange(true, std::memory_order_acquire))
      return &slot;
  return nullptr;
}

/// Opens a job to the workers, does its own part of it, and waits for those who
/// came. Returns the number of threads that took part.
int runJob(Slot &slot, int lanes, int64_t items, int64_t chunks, bool gathers,
           RangeFn fn, void *context) {
  startWorkers(lanes - 1);
  slot.items = items;
  slot.chunks = chunks;
  slot.maxLanes = lanes;
  slot.gathers = gathers;
  slot.fn = fn;
  slot.context = context;
  slot.next.store(0, std::memory_order_relaxed);
  slot.lanes.store(1, std::memory_order_relaxed); // lane 0 is the caller's
  slot.helpers.store(0, std::memory_order_relaxed);
  slot.state.fetch_or(kOpen, std::memory_order_release);
  pool.published.fetch_add(1, std::memory_order_seq_cst);
  if (pool.sleeping.load(std::memory_order_seq_cst) > 0)
    wake(pool.published, lanes - 1);

  work(slot, 0);

  slot.state.fetch_and(~kOpen, std::memory_order_relaxed);
  for (int spins = 0;; ++spins) {
    uint32_t inside = slot.state.load(std::memory_order_acquire);
    if (inside == 0)
      break;
    if (spins < 2000)
      pause();
    else
      sleepWhile(slot.state, inside);
  }
  int took = 1 + slot.helpers.load(std::memory_order_relaxed);
  slot.taken.store(false, std::memory_order_release);
  return took;
}

} // namespace

int availableCores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0) {
    int cores = 0;
    for (int i = 0; i < CPU_SETSIZE; ++i)
      cores += CPU_ISSET(i, &set) != 0;
    if (cores > 0)
      return cores;
  }
  long cores = sysconf(_SC_NPROCESSORS_ONLN);
  return cores > 0 ? int(cores) : 1;
}

int clampThreads(int threads) {
  if (threads <= 0)
    threads = availableCores();
  return threads < kMaxThreads ? threads : kMaxThreads;
}

int usefulThreads(int64_t cost, int threads) {
  int64_t useful = cost / kWorthSharing + 1;
  return threads < useful ? threads : int(useful);
}

int64_t chunksOf(int64_t items, int threads) {
  int64_t chunks = threads * kChunksPerThread;
  return chunks < items ? chunks : items;
}

int64_t chunkStart(int64_t items, int64_t chunks, int64_t chunk) {
  // Chunks are alike but for one item: with 22 items on two threads, eight of
  // two or three leave none idle, where seven of three and a rest would.
  int64_t least = items / chunks, longer = items % chunks;
  return chunk * least + (chunk < longer ? chunk : longer);
}

int parallelFor(int64_t n, int64_t costPerItem, int threads, RangeFn fn,
                void *context) {
  if (n <= 0)
    return 0;
  int64_t cost;
  if (__builtin_mul_overflow(n, costPerItem > 0 ? costPerItem : 1, &cost))
    cost = INT64_MAX;
  int64_t lanes = usefulThreads(cost, threads);
  lanes = lanes < n ? lanes : n;
  Busy busy;
  if (lanes > 1) {
    int most = 1 + spareThreads(threads);
    lanes = lanes < most ? lanes : most;
  }
  Slot *slot = lanes > 1 ? takeSlot() : nullptr;
  if (!slot) {
    bool outer = insideJob;
    insideJob = true;
    fn(context, 0, 0, n);
    insideJob = outer;
    return 1;
  }
  return runJob(*slot, int(lanes), n, chunksOf(n, int(lanes)), false, fn,
                context);
}

int gather(int threads, RangeFn fn, void *context) {
  Busy busy;
  int lanes = 1 + (threads > 1 ? spareThreads(threads) : 0);
  Slot *slot = lanes > 1 ? takeSlot() : nullptr;
  if (!slot) {
    fn(context, 0, 0, 1);
    return 1;
  }
  return runJob(*slot, lanes, 1, 1, true, fn, context);
}

} // namespace mapsto::runtime
