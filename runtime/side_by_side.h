//===- side_by_side.h - launches that do not need each other ----*- C++ -*-===//
//
// Two recurrences that do not read each other's results, as a layer's two
// directions, run at once: a thread stays with one as long as that has items to
// claim, goes on with the one that has the most left, and where only steps are
// left that others do already joins them (team.h). So threads wait for each
// other as late as they can, and none is idle, however unlike the launches are.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_RUNTIME_SIDE_BY_SIDE_H
#define MAPSTO_RUNTIME_SIDE_BY_SIDE_H

#include "runtime/team.h"
#include "runtime/thread_pool.h"

namespace mapsto::runtime {

/// One of the launches.
struct Share {
  RangeFn range = nullptr;
  MemberFn member = nullptr; ///< for a team, which does one item
  void *context = nullptr;
  int64_t items = 0, costPerItem = 0;
  int teamLimit = 1; ///< 1: no team

  // What became of it.
  std::atomic<int> threads{0};
  std::atomic<int64_t> start{0}, end{0};

  // While it runs.
  int64_t chunks = 0;
  std::atomic<int64_t> next{0}; ///< chunk to claim
  Team team;
};

/// Launches that run at once; what would be more waits for another turn.
inline constexpr int kMostShares = 8;

/// Does all of them on up to `threads` threads.
void runSideBySide(Share *shares, int count, int threads);

} // namespace mapsto::runtime

#endif // MAPSTO_RUNTIME_SIDE_BY_SIDE_H
