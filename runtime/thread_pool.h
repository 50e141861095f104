//===- thread_pool.h - the workers that share a kernel's grid -------------===//
//
// One pool a process, shared by all sessions; started by the first job that is
// worth a second thread. Sessions that run side by side borrow no more workers
// than there are cores left (busy.h). The caller always works too and, when
// nothing is left to claim, waits only for chunks that others have begun: a
// busy or sleeping worker never delays it. Workers spin for a moment after a
// job, since the next kernel of a model is microseconds away, and then sleep.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_RUNTIME_THREAD_POOL_H
#define MAPSTO_RUNTIME_THREAD_POOL_H

#include <cstdint>

namespace mapsto::runtime {

/// Does items [begin, end). `lane` is below the threads asked for, and no two
/// threads have the same at once: it picks a thread's own memory.
using RangeFn = void (*)(void *context, int lane, int64_t begin, int64_t end);

/// CPU cores this process may run on; at least 1.
int availableCores();

/// A number of threads as a caller gives it: 0 means one a core.
int clampThreads(int threads);
inline constexpr int kMaxThreads = 256;

/// How many of so many threads are of use for work of `cost` arithmetic
/// operations: what is too little to share stays on the caller's thread.
int usefulThreads(int64_t cost, int threads);

/// How many chunks so many items are claimed in, and where one begins.
int64_t chunksOf(int64_t items, int threads);
int64_t chunkStart(int64_t items, int64_t chunks, int64_t chunk);

/// Runs fn over [0, n) on up to `threads` threads and returns the number that
/// took part. `costPerItem` is in arithmetic operations. May be called from any
/// thread, also from within `fn` (then it does not share).
int parallelFor(int64_t n, int64_t costPerItem, int threads, RangeFn fn,
                void *context);

/// Runs fn once on this thread, as lane 0, and once on each of up to
/// `threads` - 1 workers that come while it runs.
int gather(int threads, RangeFn fn, void *context);

} // namespace mapsto::runtime

#endif // MAPSTO_RUNTIME_THREAD_POOL_H
