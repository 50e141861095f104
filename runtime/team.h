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

namespace mapsto::runtime {

/// Does one member's part. `seat` says which, and is for the kernel.
using MemberFn = void (*)(void *context, mapsto_kernel_context *seat);

/// Runs `fn` on this thread and on up to `members` - 1 workers of the pool that
/// come while it runs. Returns how many took part.
int runTeam(int members, MemberFn fn, void *context);

/// Members that a team of a session with so many threads may have: no more
/// than there are cores, as they wait for each other without sleeping.
int teamSize(int threads);

} // namespace mapsto::runtime

#endif // MAPSTO_RUNTIME_TEAM_H
