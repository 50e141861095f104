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

constexpr uint64_t kClosed = 1u << 31;
constexpr uint64_t kMembers = kClosed - 1;

} // namespace

/// What a member's kernel gets, with what is ours behind it.
struct Team::Seat {
  mapsto_kernel_context context{}; // first: a pointer to it is one to the seat
  Team *team = nullptr;
  uint32_t round = 0;

  explicit Seat(Team *team) : team(team) { context.arrive = arrive; }

  void take(uint64_t word) {
    int64_t members = int64_t(word & kMembers);
    context.others = members - 1;
    context.left = context.member >= members;
    round = uint32_t(word >> 32);
  }
};

void Team::beginStep(Seat &seat, int64_t next) {
  int others = int(seat.context.others);
  int64_t waited = waitFor(
      [&] { return arrived.load(std::memory_order_acquire) == others; });
  arrived.store(0, std::memory_order_relaxed);
  uint64_t word = (uint64_t(seat.round + 1) << 32) | uint64_t(others + 1);
  if (waited > kTooLong) {
    quietUntil.store(nanoseconds() + kQuiet, std::memory_order_relaxed);
    limit.store(1, std::memory_order_relaxed);
  }
  if (next >= 0) {
    step.store(next, std::memory_order_relaxed);
    int most = limit.load(std::memory_order_relaxed);
    int members = came.load(std::memory_order_acquire) + 1;
    members = members < most ? members : most;
    admitted = admitted < members ? members : admitted;
    word = (word & ~kMembers) | uint64_t(members);
    if (most == 1)
      word |= kClosed;
  }
  seat.take(word);
  round.store(word, std::memory_order_release);
}

void Team::endStep(Seat &seat) {
  arrived.fetch_add(1, std::memory_order_acq_rel);
  uint64_t word;
  waitFor([&] {
    word = round.load(std::memory_order_acquire);
    return uint32_t(word >> 32) != seat.round;
  });
  seat.take(word);
}

void Team::arrive(mapsto_kernel_context *context, int64_t next) {
  static_assert(offsetof(Seat, context) == 0);
  Seat &seat = *reinterpret_cast<Seat *>(context);
  if (context->member == 0)
    seat.team->beginStep(seat, next);
  else
    seat.team->endStep(seat);
}

void Team::form(MemberFn function, void *itsContext, int members) {
  fn = function;
  context = itsContext;
  limit.store(members, std::memory_order_relaxed);
}

bool Team::isOpen() const {
  return !(round.load(std::memory_order_relaxed) & kClosed) &&
         helpers() + 1 < limit.load(std::memory_order_relaxed);
}

bool Team::join() {
  if (idleCores() < 0) // other sessions began to run
    return false;
  Seat seat(this);
  seat.context.member = came.fetch_add(1, std::memory_order_release) + 1;
  uint64_t word;
  waitFor([&] {
    word = round.load(std::memory_order_acquire);
    return (word & kClosed) || int64_t(word & kMembers) > seat.context.member;
  });
  seat.take(word);
  seat.context.step = step.load(std::memory_order_relaxed);
  if (!seat.context.left)
    fn(context, lane, &seat.context);
  return true;
}

int Team::lead(int ofLane) {
  lane = ofLane;
  Seat seat(this);
  fn(context, lane, &seat.context);
  round.store((uint64_t(seat.round + 1) << 32) | kClosed | 1,
              std::memory_order_release);
  return admitted;
}

int runTeam(int members, MemberFn fn, void *context) {
  struct Job {
    Team team;
    int took = 1;
  } job;
  job.team.form(fn, context, members);
  gather(
      members,
      [](void *context, int lane, int64_t, int64_t) {
        Job &job = *static_cast<Job *>(context);
        if (lane == 0)
          job.took = job.team.lead(lane);
        else
          job.team.join();
      },
      &job);
  return job.took;
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
