// Any bytes as a manifest: what is accepted can be described, settled and run
// (with kernels that do nothing) without a step outside its memory.

#include "runtime/cli.h"
#include "runtime/expr.h"
#include "runtime/session.h"

using namespace mapsto::runtime;

static void noKernel(void *const *buffers, const int64_t *, void *, int64_t,
                     int64_t, mapsto_kernel_context *) {}

/// Loops that a real run would take forever for are not run.
static bool isShort(const mapsto_session &session) {
  const Manifest &m = session.manifest();
  int64_t product = 1;
  for (const StepRecord &step : m.steps) {
    int64_t count = 0;
    if (StepKind(step.kind) != StepKind::Loop)
      continue;
    if (evaluate(m, step.countExpr, session.symbols.data(), count) !=
            ExprError::None ||
        count < 0)
      continue;
    if (__builtin_mul_overflow(product, count + 1, &product) || product > 1000)
      return false;
  }
  return session.plan.peak < 1 << 24 && session.scratchBytes < 1 << 20 &&
         session.sharedBytes < 1 << 20;
}

static void run(mapsto_artifact *artifact) {
  mapsto_session *session;
  if (mapsto_session_create(artifact, &session))
    return;
  mapsto_session_set_threads(session, 1);
  for (size_t i = 0; i < mapsto_symbol_count(artifact); ++i)
    mapsto_session_set_dim(session, mapsto_symbol_name(artifact, i), 2);
  static char zeros[1 << 20];
  const Manifest &m = artifact->manifest;
  bool bound = true;
  for (uint32_t i = 0; i < m.inputs.count; ++i) {
    int64_t dims[MAPSTO_MAX_RANK] = {};
    Records<uint32_t> exprs = m.list(m.inputs[i].dims);
    Array<int64_t> symbols;
    for (uint32_t s = 0; s < m.symbols.count; ++s)
      symbols.push(2);
    for (uint32_t axis = 0; axis < exprs.count; ++axis)
      evaluate(m, exprs[axis], symbols.data(), dims[axis]);
    mapsto_dtype dtype = mapsto_dtype(m.inputs[i].dtype);
    int64_t count = elementCount(dtype, dims, int(exprs.count));
    bound &= count >= 0 &&
             count <= int64_t(sizeof zeros / mapsto_dtype_size(dtype)) &&
             mapsto_session_bind_input(session, i, dtype, dims,
                                       int(exprs.count), zeros) == MAPSTO_OK;
  }
  uint64_t outputs = 0;
  if (bound && settle(*session) == MAPSTO_OK && isShort(*session)) {
    for (const OutputBinding &output : session->outputs)
      outputs +=
          uint64_t(output.bytes) < (1 << 24) ? uint64_t(output.bytes) : 1 << 24;
    for (const StateValue &state : session->states)
      outputs +=
          uint64_t(state.bytes) < (1 << 24) ? uint64_t(state.bytes) : 1 << 24;
    if (outputs < 1 << 24)
      mapsto_session_run(session);
  }
  mapsto_session_free(session);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  Memory memory; // aligned, and its end is the sanitizer's to guard
  Array<mapsto_kernel_fn> kernels;
  if (!memory.ensure(size))
    return 0;
  memcpy(memory.data(), data, size);
  Manifest m;
  m.find(memory.data(), size);
  if (m.open(memory.data(), size))
    return 0;
  (void)checkShaders(m); // the CPU runs what a device refuses
  for (uint32_t i = 0; i < m.kernels.count; ++i)
    kernels.push(noKernel);
  alignas(64) static char weights[1 << 16];
  if (m.header().weightsSize > sizeof weights)
    return 0;
  mapsto_image image{MAPSTO_IMAGE_MAGIC,
                     MAPSTO_IMAGE_VERSION,
                     memory.data(),
                     size,
                     kernels.data(),
                     kernels.size(),
                     weights,
                     m.header().weightsSize,
                     /*backend=*/nullptr};
  mapsto_artifact *artifact;
  if (mapsto_artifact_from_image(&image, nullptr, &artifact))
    return 0;
  run(artifact);
  mapsto_artifact_close(artifact);
  return 0;
}
