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
};

/// A kernel's expressions at the settled sizes.
struct KernelSizes {
  int64_t grid, cost, flops, bytes, scratch, shared;
  int64_t waits; ///< of a team that runs it; 0: none may
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
  mapsto_step_callback onStep = nullptr;
  void *onStepUser = nullptr;
  mapsto::runtime::String error;

  mapsto::runtime::Array<int64_t> pinned; ///< by symbol, or kNoValue
  mapsto::runtime::Fixed<mapsto::runtime::InputBinding> inputs;
  mapsto::runtime::Fixed<mapsto::runtime::OutputBinding> outputs;
  mapsto::runtime::Fixed<mapsto::runtime::StateValue> states;

  // What settle() finds. Valid while `settled`.
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

/// Runs the schedule over the settled sizes.
mapsto_status execute(mapsto_session &session);

} // namespace mapsto::runtime

#endif // MAPSTO_RUNTIME_SESSION_H
