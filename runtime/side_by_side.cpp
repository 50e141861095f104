#include "runtime/side_by_side.h"

#include "runtime/waiting.h"

namespace mapsto::runtime {

namespace {

struct Job {
  Share *shares;
  int count;

  /// The launch that has the most work left to claim, of equals the nearest
  /// after `from`; null when all is claimed.
  Share *mostLeft(int from) const {
    Share *most = nullptr;
    double mostWork = -1;
    for (int i = 0; i < count; ++i) {
      Share &share = shares[(from + i) % count];
      int64_t left = share.chunks - share.next.load(std::memory_order_relaxed);
      if (left <= 0)
        continue;
      double work = double(left) / double(share.chunks) * double(share.items) *
                    double(share.costPerItem);
      if (work > mostWork) {
        most = &share;
        mostWork = work;
      }
    }
    return most;
  }

  /// Of the teams that want another member, the smallest.
  Team *smallestTeam() const {
    Team *least = nullptr;
    for (int i = 0; i < count; ++i) {
      Team &team = shares[i].team;
      if (shares[i].teamLimit > 1 && team.isOpen() &&
          (!least || team.helpers() < least->helpers()))
        least = &team;
    }
    return least;
  }

  static void run(void *context, int lane, int64_t, int64_t) {
    const Job &job = *static_cast<Job *>(context);
    while (Share *share = job.mostLeft(lane % job.count))
      work(*share, lane);
    while (Team *team = job.smallestTeam())
      if (!team->join())
        return;
  }

  /// Claims from a launch until nothing of it is left.
  static void work(Share &share, int lane) {
    int took = 0;
    for (;;) {
      int64_t chunk = share.next.fetch_add(1, std::memory_order_relaxed);
      if (chunk >= share.chunks)
        break;
      int64_t none = 0;
      share.start.compare_exchange_strong(none, nanoseconds(),
                                          std::memory_order_relaxed);
      took = 1;
      if (share.teamLimit > 1)
        took = share.team.lead(lane);
      else
        share.range(share.context, lane,
                    chunkStart(share.items, share.chunks, chunk),
                    chunkStart(share.items, share.chunks, chunk + 1));
    }
    if (!took)
      return;
    share.threads.fetch_add(took, std::memory_order_relaxed);
    int64_t now = nanoseconds(),
            end = share.end.load(std::memory_order_relaxed);
    while (end < now && !share.end.compare_exchange_weak(
                            end, now, std::memory_order_relaxed)) {
    }
  }
};

} // namespace

void runSideBySide(Share *shares, int count, int threads) {
  for (int i = 0; i < count; ++i) {
    Share &share = shares[i];
    if (share.teamLimit > 1)
      share.team.form(share.member, share.context, share.teamLimit);
    share.chunks = share.teamLimit > 1 ? 1 : chunksOf(share.items, threads);
  }
  Job job{shares, count};
  gather(threads, Job::run, &job);
}

} // namespace mapsto::runtime
