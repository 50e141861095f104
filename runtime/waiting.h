//===- waiting.h - a clock, and how a thread waits --------------*- C++ -*-===//

#ifndef MAPSTO_RUNTIME_WAITING_H
#define MAPSTO_RUNTIME_WAITING_H

#include <cstdint>
#include <time.h>

namespace mapsto::runtime {

/// Tells the core that we only wait.
inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("isb" ::: "memory");
#endif
}

/// A clock that only goes forward.
inline int64_t nanoseconds() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return int64_t(t.tv_sec) * 1'000'000'000 + t.tv_nsec;
}

} // namespace mapsto::runtime

#endif // MAPSTO_RUNTIME_WAITING_H
