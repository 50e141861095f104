#include "runtime/team.h"

#include "runtime/busy.h"
#include "runtime/thread_pool.h"
#include "runtime/waiting.h"

#include <atomic>
#include <cstddef>
#include <sched.h>

namespace mapsto::runtime {

namespace {

/// Looks at a word before the core is offered to others: about 20 us, several
/// times a step's usual length.
constexpr int kSpins = 1000;
/// A member that lets the others wait for so long is not running: the others
/// do not wait for it again, and no team forms for a while.
constexpr int64_t kTooLong = 1'000'000;
constexpr int64_t kQuiet = 20'000'000;

std::atomic<int64_t> quietUntil{0};

/// Waits until `done`; returns for how long if that was long, else 0.
template <typename Done> int64_t waitFor(Done done) {
  for (int i = 0; i < kSpins; ++i) {
    if (done())
      return 0;
    pause();
  }
  int64_t start = nanoseconds();
  while (!done())
    sched_yield();
  return nanoseconds() - start;
}

struct Team {
  MemberFn fn;
  void *context;
  int limit; ///< members at most from the next step on
  /// Number of the round in the upper half, and below, who is in it: the
  /// members before `mask`, and whether more may come. Only the caller writes.
  std::atomic<uint64_t> round{1};
  std::atomic<int64_t> step{0};
  std::atomic<int> came{0}; ///< workers
  int admitted = 1;         ///< members that there ever were; the caller's
  alignas(64) std::atomic<int> arrived{0};
};
constexpr uint64_t kClosed = 1u << 31;
constexpr uint64_t kMembers = kClosed - 1;

/// What a member's kernel gets, with what is ours behind it.
struct Seat {
  mapsto_kernel_context context{}; // first: a pointer to it is one to the seat
  Team *team = nullptr;
  uint32_t round = 0;

  void take(uint64_t word) {
    int64_t members = int64_t(word & kMembers);
    context.others = members - 1;
    context.left = context.member >= members;
    round = uint32_t(word >> 32);
  }
};
static_assert(offsetof(Seat, context) == 0);

void lead(Seat &seat, int64_t next) {
  Team &team = *seat.team;
  int others = int(seat.context.others);
  int64_t waited = waitFor(
      [&] { return team.arrived.load(std::memory_order_acquire) == others; });
  team.arrived.store(0, std::memory_order_relaxed);
  uint64_t word = (uint64_t(seat.round + 1) << 32) | uint64_t(others + 1);
  if (waited > kTooLong) {
    quietUntil.store(nanoseconds() + kQuiet, std::memory_order_relaxed);
    team.limit = 1;
  }
  if (next >= 0) {
    team.step.store(next, std::memory_order_relaxed);
    int members = team.came.load(std::memory_order_acquire) + 1;
    members = members < team.limit ? members : team.limit;
    team.admitted = team.admitted < members ? members : team.admitted;
    word = (word & ~kMembers) | uint64_t(members);
    if (team.limit == 1)
      word |= kClosed;
  }
  seat.take(word);
  team.round.store(word, std::memory_order_release);
}

void follow(Seat &seat) {
  Team &team = *seat.team;
  team.arrived.fetch_add(1, std::memory_order_acq_rel);
  uint64_t word;
  waitFor([&] {
    word = team.round.load(std::memory_order_acquire);
    return uint32_t(word >> 32) != seat.round;
  });
  seat.take(word);
}

void arrive(mapsto_kernel_context *context, int64_t next) {
  Seat &seat = *reinterpret_cast<Seat *>(context);
  if (context->member == 0)
    lead(seat, next);
  else
    follow(seat);
}

/// A worker's time in a team: it waits for a step to begin with, if the caller
/// takes it in.
void join(Team &team) {
  if (idleCores() < 0) // other sessions began to run
    return;
  Seat seat;
  seat.team = &team;
  seat.context.arrive = arrive;
  seat.context.member = team.came.fetch_add(1, std::memory_order_release) + 1;
  uint64_t word;
  waitFor([&] {
    word = team.round.load(std::memory_order_acquire);
    return (word & kClosed) || int64_t(word & kMembers) > seat.context.member;
  });
  seat.take(word);
  seat.context.step = team.step.load(std::memory_order_relaxed);
  if (!seat.context.left)
    team.fn(team.context, &seat.context);
}

/// The caller's.
void captain(Team &team) {
  Seat seat;
  seat.team = &team;
  seat.context.arrive = arrive;
  team.fn(team.context, &seat.context);
  team.round.store((uint64_t(seat.round + 1) << 32) | kClosed | 1,
                   std::memory_order_release);
}

} // namespace

int runTeam(int members, MemberFn fn, void *context) {
  Team team{fn, context, members};
  gather(
      members,
      [](void *context, int lane, int64_t, int64_t) {
        Team &team = *static_cast<Team *>(context);
        lane == 0 ? captain(team) : join(team);
      },
      &team);
  return team.admitted;
}

int teamSize(int threads) {
  if (threads <= 1 ||
      nanoseconds() < quietUntil.load(std::memory_order_relaxed))
    return 1;
  int cores = 1 + idleCores(); // this thread is busy
  int size = threads < cores ? threads : cores;
  size = size > 1 ? size : 1;
  return size < MAPSTO_MAX_TEAM ? size : MAPSTO_MAX_TEAM;
}

} // namespace mapsto::runtime
