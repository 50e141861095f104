//===- session.h - what one run of a model changes ------------------------===//
//
// session.cpp   what the caller binds and reads
// shapes.cpp    from bindings to the sizes of everything: settle()
// executor.cpp  from sizes to a run: execute()
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_RUNTIME_SESSION_H
#define MAPSTO_RUNTIME_SESSION_H

#include "runtime/arena.h"
#include "runtime/artifact.h"
#include "runtime/dtype.h"

namespace mapsto::runtime {

struct InputBinding {
  bool bound = false;
  mapsto_dtype dtype = MAPSTO_F32;
  Shape shape;
  const void *data = nullptr;
};

struct OutputBinding {
  void *data = nullptr; ///< the caller's; null: `owned`
  uint64_t capacity = 0;
  Memory owned;
  Shape shape; ///< settled
  int64_t bytes = 0;
};

struct StateValue {
  bool live = false; ///< has a shape and contents
  Shape shape;
  int64_t bytes = 0;
  Memory memory;
  /// Where its contents are up to date. (The CPU's runs know the host alone.)
  bool onHost = true, onDevice = false;
};

/// A kernel's expressions at the settled sizes.
struct KernelSizes {
  int64_t grid, cost, flops, bytes, scratch, shared;
  int64_t waits; ///< of a team that runs it; 0: none may
};

/// Looks at the buffers of a device before and after each launch of a run: for
/// whoever checks kernels. Each launch is a submission of its own then.
struct LaunchWatch {
  void (*before)(void *user, uint32_t step);
  void (*after)(void *user, uint32_t step);
  void *user;
};

/// Where a symbol got its value.
struct SymbolSource {
  enum Kind { Unbound, Pinned, Input, State, Default } kind = Unbound;
  uint32_t index = 0;
  int axis = 0;
};

} // namespace mapsto::runtime

struct mapsto_session {
  mapsto_artifact *artifact = nullptr;
  int threads = 1;
  const mapsto_backend *backend = nullptr;               ///< null: the CPU
  void *run = nullptr;                                   ///< the backend's
  uint64_t alignment = mapsto::runtime::kArenaAlignment; ///< of the arena
  mapsto_step_callback onStep = nullptr;
  void *onStepUser = nullptr;
  const mapsto::runtime::LaunchWatch *watch = nullptr; ///< on a backend alone
  mapsto::runtime::String error;

  mapsto::runtime::Array<int64_t> pinned; ///< by symbol, or kNoValue
  mapsto::runtime::Fixed<mapsto::runtime::InputBinding> inputs;
  mapsto::runtime::Fixed<mapsto::runtime::OutputBinding> outputs;
  mapsto::runtime::Fixed<mapsto::runtime::StateValue> states;

  // What settle() finds. Valid while `settled`; `generation` counts its finds.
  uint64_t generation = 0;
  bool settled = false;
  bool planned = false; ///< `plan` and the offsets fit `bufferSizes`
  mapsto::runtime::Array<int64_t> symbols;
  mapsto::runtime::Array<mapsto::runtime::SymbolSource> sources;
  mapsto::runtime::Array<int64_t> bufferSizes, bufferOffsets;
  mapsto::runtime::Array<mapsto::runtime::KernelSizes> kernelSizes;
  mapsto::runtime::ArenaPlan plan;
  int64_t scratchBytes = 0; ///< of one thread, a multiple of 64
  int64_t sharedBytes = 0;  ///< of all threads of a launch

  // What execute() uses.
  bool ran = false;
  mapsto::runtime::Memory arena, scratch, shared;
  mapsto::runtime::Array<void *> buffers;  ///< address of every buffer
  mapsto::runtime::Array<void *> operands; ///< address behind every index

  const mapsto::runtime::Manifest &manifest() const {
    return artifact->manifest;
  }
  /// Sets the error text and returns `status`.
  __attribute__((format(printf, 3, 4))) mapsto_status fail(mapsto_status status,
                                                           const char *format,
                                                           ...);
};

namespace mapsto::runtime {

/// Binds every symbol, checks every shape, and sizes every buffer and kernel.
/// Does nothing while the session is settled.
mapsto_status settle(mapsto_session &session);

/// Gives a state that has no contents yet zeros of the shape that the symbols
/// (null: none known) make. `known` is false where they do not suffice.
mapsto_status makeState(mapsto_session &session, uint32_t state,
                        const int64_t *symbols, bool &known);

/// Gives the outputs that the session owns their memory, and states that have
/// no contents zeros; checks the room of the outputs that are bound.
mapsto_status readyTensors(mapsto_session &session);

/// The failure that a kernel, or its shader, has reported at one of its sites.
mapsto_status indexError(mapsto_session &session, uint32_t kernel, List sites,
                         const mapsto_kernel_context &error);

/// Runs the schedule over the settled sizes, on the CPU.
mapsto_status execute(mapsto_session &session);

} // namespace mapsto::runtime

#endif // MAPSTO_RUNTIME_SESSION_H
