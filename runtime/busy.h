//===- busy.h - how many threads of the process compute -------------------===//
//
// Sessions borrow workers from one pool. A core that a session's own thread
// keeps busy needs no worker beside it: with as many sessions running as there
// are cores, each does its work alone, and nobody waits for a thread that is
// kept from running.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_RUNTIME_BUSY_H
#define MAPSTO_RUNTIME_BUSY_H

namespace mapsto::runtime {

/// Counts this thread as busy, once, however many of these it holds.
class Busy {
public:
  Busy();
  ~Busy();
  Busy(const Busy &) = delete;
  Busy &operator=(const Busy &) = delete;
};

/// Cores that no busy thread needs; below 0 where more are busy than there are.
int idleCores();

/// How many threads may come to help this one, which is busy, where it is to
/// have `threads` in all: so many that no more are busy than there are cores,
/// or than were asked for.
int spareThreads(int threads);

} // namespace mapsto::runtime

#endif // MAPSTO_RUNTIME_BUSY_H
