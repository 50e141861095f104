//===- team.h - threads that do one kernel's steps together -----*- C++ -*-===//
//
// A recurrence has little work in a step and needs all of it before the next:
// its threads run side by side and wait for each other between steps. A team is
// whoever has really come: the caller begins alone and takes in, between two
// steps, the workers that have meanwhile arrived. One that is busy or asleep is
// not waited for, and where a member is kept from running (the machine has
// other work), the caller goes on alone.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_RUNTIME_TEAM_H
#define MAPSTO_RUNTIME_TEAM_H

#include "runtime/mapsto.h"

#include <atomic>

namespace mapsto::runtime {

/// Does one member's part. `lane` is the captain's, whose memory all share;
/// `seat` says which member, and is for the kernel.
using MemberFn = void (*)(void *context, int lane, mapsto_kernel_context *seat);

/// Those who do one kernel's steps.
class Team {
public:
  Team() = default;
  Team(const Team &) = delete;
  Team &operator=(const Team &) = delete;

  /// Before anybody takes part: whose steps, and how many members at most.
  void form(MemberFn fn, void *context, int limit);
  /// The captain's part: all steps, with whoever joins. Returns how many took
  /// part.
  int lead(int lane);
  /// A helper's: from a step at which the captain takes it in on. False where
  /// its core is needed for other sessions; otherwise the work is done when it
  /// returns, or nobody is wanted any more.
  bool join();
  /// Is another member wanted?
  bool isOpen() const;
  int helpers() const { return came.load(std::memory_order_relaxed); }

private:
  struct Seat;
  static void arrive(mapsto_kernel_context *context, int64_t next);
  void beginStep(Seat &seat, int64_t next);
  void endStep(Seat &seat);

  MemberFn fn = nullptr;
  void *context = nullptr;
  int lane = 0;              ///< the captain's
  std::atomic<int> limit{0}; ///< members at most from the next step on
  /// Number of the round in the upper half, and below, who is in it: the
  /// members before `kMembers`, and whether more may come. Only the captain
  /// writes.
  std::atomic<uint64_t> round{1};
  std::atomic<int64_t> step{0};
  std::atomic<int> came{0}; ///< helpers
  int admitted = 1;         ///< members that there ever were; the captain's
  alignas(64) std::atomic<int> arrived{0};
};

/// Runs `fn` on this thread and on up to `members` - 1 workers of the pool that
/// come while it runs. Returns how many took part.
int runTeam(int members, MemberFn fn, void *context);

/// Members that a team of a session with so many threads may have: no more
/// than there are cores, as they wait for each other without sleeping.
int teamSize(int threads);

} // namespace mapsto::runtime

#endif // MAPSTO_RUNTIME_TEAM_H
