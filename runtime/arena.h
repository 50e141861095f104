//===- arena.h - where intermediate values lie ----------------------------===//
//
// Buffers whose lives do not meet share memory. Finding the smallest arena is
// NP-hard; placing the largest first, each into the smallest gap that holds it,
// comes within a few per cent of the bound on real models (Pisarchyk and Lee,
// "Efficient Memory Management for Deep Neural Net Inference", 2020, sec. 5).
// Where that misses the bound, other orders are tried and the best plan kept.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_RUNTIME_ARENA_H
#define MAPSTO_RUNTIME_ARENA_H

#include "runtime/base.h"

namespace mapsto::runtime {

/// Of the host's memory: a cache line, and the widest vector.
inline constexpr uint64_t kArenaAlignment = 64;

struct ArenaItem {
  uint64_t size;        ///< bytes; rounded up to the alignment
  uint32_t first, last; ///< life, inclusive
  uint64_t offset = 0;  ///< the plan's answer
};

struct ArenaPlan {
  uint64_t peak = 0;       ///< bytes the arena takes
  uint64_t lowerBound = 0; ///< most bytes alive at one moment
};

/// Gives every item an offset that is a multiple of `alignment`, a power of 2.
/// False when the sizes overflow.
bool planArena(Array<ArenaItem> &items, ArenaPlan &plan,
               uint64_t alignment = kArenaAlignment);

} // namespace mapsto::runtime

#endif // MAPSTO_RUNTIME_ARENA_H
