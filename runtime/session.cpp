#include "runtime/session.h"

#include "runtime/thread_pool.h"

using namespace mapsto::runtime;

mapsto_status mapsto_session::fail(mapsto_status status, const char *format,
                                   ...) {
  String text; // arguments may point into the old one
  va_list args;
  va_start(args, format);
  text.vaddf(format, args);
  va_end(args);
  error.swap(text);
  return status;
}

mapsto_status mapsto_session_create(mapsto_artifact *artifact,
                                    mapsto_session **session) {
  *session = nullptr;
  mapsto_session *s = create<mapsto_session>();
  if (!s)
    return fail(MAPSTO_OUT_OF_MEMORY, "out of memory");
  s->artifact = artifact;
  artifact->references.fetch_add(1, std::memory_order_relaxed);
  s->threads = clampThreads(0);
  const Manifest &m = artifact->manifest;
  if (!s->inputs.create(m.inputs.count) ||
      !s->outputs.create(m.outputs.count) ||
      !s->states.create(m.states.count)) {
    mapsto_session_free(s);
    return fail(MAPSTO_OUT_OF_MEMORY, "out of memory");
  }
  for (uint32_t i = 0; i < m.symbols.count; ++i)
    s->pinned.push(kNoValue);
  *session = s;
  return MAPSTO_OK;
}

void mapsto_session_free(mapsto_session *session) {
  if (!session)
    return;
  if (session->backend)
    session->backend->close(session);
  mapsto_artifact *artifact = session->artifact;
  destroy(session);
  mapsto_artifact_close(artifact);
}

const char *mapsto_session_error(const mapsto_session *session) {
  return session->error.c_str();
}

mapsto_status mapsto_session_set_threads(mapsto_session *session, int threads) {
  if (threads < 0)
    return session->fail(MAPSTO_INVALID, "%d threads are too few", threads);
  session->threads = clampThreads(threads);
  return MAPSTO_OK;
}

/// The states' contents, where only a device has them.
static mapsto_status fetchStates(mapsto_session &session) {
  for (uint32_t i = 0; session.backend && i < session.states.size(); ++i)
    if (session.states[i].live && !session.states[i].onHost)
      if (mapsto_status status = session.backend->fetch_state(&session, i))
        return status;
  return MAPSTO_OK;
}

mapsto_status mapsto_session_set_device(mapsto_session *session,
                                        const char *device) {
  const mapsto_backend *backend = session->artifact->backend;
  bool cpu = equal(device, "cpu");
  int number = cpu || !backend ? -1 : backend->device_number(device);
  // What launches nothing is the same on every device.
  if (!backend && !session->artifact->manifest.kernels.count &&
      strncmp(device, "vulkan", 6) == 0)
    return MAPSTO_OK;
  if (cpu ? !session->artifact->onCpu : number < 0) {
    String devices;
    addDevices(devices, *session->artifact);
    return session->fail(MAPSTO_INVALID, "`%s` was compiled for %s, not `%s`",
                         mapsto_model_name(session->artifact), devices.c_str(),
                         device);
  }
  if (mapsto_status status = fetchStates(*session))
    return status;
  if (session->backend)
    session->backend->close(session);
  session->backend = nullptr;
  for (StateValue &state : session->states)
    state.onDevice = false;
  if (cpu)
    return MAPSTO_OK;
  if (mapsto_status status = backend->open(session, number))
    return status;
  session->backend = backend;
  return MAPSTO_OK;
}

mapsto_status mapsto_session_set_dim(mapsto_session *session,
                                     const char *symbol, int64_t value) {
  const Manifest &m = session->manifest();
  for (uint32_t i = 0; i < m.symbols.count; ++i) {
    if (!equal(m.text(m.symbols[i].name), symbol))
      continue;
    if (value < 0)
      return session->fail(MAPSTO_INVALID, "`%s` cannot be %lld", symbol,
                           (long long)value);
    if (session->pinned[i] != value)
      session->settled = false;
    session->pinned[i] = value;
    return MAPSTO_OK;
  }
  return session->fail(MAPSTO_INVALID, "`%s` has no symbolic size `%s`",
                       mapsto_model_name(session->artifact), symbol);
}

static bool sameShape(const Shape &shape, const int64_t *dims, int rank) {
  return shape.rank == rank &&
         (rank == 0 ||
          memcmp(shape.dims, dims, size_t(rank) * sizeof *dims) == 0);
}

static Shape makeShape(const int64_t *dims, int rank) {
  Shape shape;
  shape.rank = rank;
  for (int i = 0; i < rank; ++i)
    shape.dims[i] = dims[i];
  return shape;
}

/// What a value that the caller gives must satisfy whatever the symbols are.
static mapsto_status checkGiven(mapsto_session &s, mapsto_role role,
                                size_t index, const char *what,
                                mapsto_dtype dtype, const int64_t *dims,
                                int rank, const void *data) {
  mapsto_signature want;
  if (!mapsto_describe(s.artifact, role, index, &want))
    return s.fail(MAPSTO_INVALID, "`%s` has no %s %zu",
                  mapsto_model_name(s.artifact), what, index);
  if (dtype != want.dtype)
    return s.fail(MAPSTO_INVALID, "%s `%s` is %s but must be %s", what,
                  want.name, mapsto_dtype_name(dtype), want.type);
  if (rank < 0 || rank > MAPSTO_MAX_RANK || (rank && !dims))
    return s.fail(MAPSTO_INVALID, "%s `%s` has a bad shape", what, want.name);
  Shape shape = makeShape(dims, rank);
  int64_t count = elementCount(dtype, dims, rank);
  if (rank != want.rank || count < 0) {
    String text;
    addShape(text, shape);
    return s.fail(MAPSTO_INVALID, "%s `%s` has shape %s but must be %s%s", what,
                  want.name, text.c_str(), want.type,
                  rank == want.rank ? ": a size is negative or overflows" : "");
  }
  if (!data && count)
    return s.fail(MAPSTO_INVALID, "%s `%s` has no data", what, want.name);
  return MAPSTO_OK;
}

mapsto_status mapsto_session_bind_input(mapsto_session *session, size_t input,
                                        mapsto_dtype dtype, const int64_t *dims,
                                        int rank, const void *data) {
  if (mapsto_status status = checkGiven(*session, MAPSTO_INPUT, input, "input",
                                        dtype, dims, rank, data))
    return status;
  InputBinding &binding = session->inputs[input];
  if (!binding.bound || !sameShape(binding.shape, dims, rank))
    session->settled = false;
  binding = {true, dtype, makeShape(dims, rank), data};
  return MAPSTO_OK;
}

static mapsto_status noOutput(mapsto_session &s, size_t output) {
  return s.fail(MAPSTO_INVALID, "`%s` has no output %zu",
                mapsto_model_name(s.artifact), output);
}

mapsto_status mapsto_session_bind_output(mapsto_session *session, size_t output,
                                         void *data, size_t bytes) {
  if (output >= session->outputs.size())
    return noOutput(*session, output);
  session->outputs[output].data = data;
  session->outputs[output].capacity = data ? bytes : 0;
  return MAPSTO_OK;
}

static void giveOutput(mapsto_session &s, size_t output,
                       mapsto_tensor *tensor) {
  OutputBinding &binding = s.outputs[output];
  tensor->dtype = mapsto_dtype(s.manifest().outputs[uint32_t(output)].dtype);
  tensor->rank = binding.shape.rank;
  memcpy(tensor->dims, binding.shape.dims, sizeof tensor->dims);
  tensor->bytes = size_t(binding.bytes);
  tensor->data = binding.data ? binding.data
                 : s.ran      ? binding.owned.data()
                              : nullptr;
}

mapsto_status mapsto_session_output_shape(mapsto_session *session,
                                          size_t output,
                                          mapsto_tensor *tensor) {
  if (output >= session->outputs.size())
    return noOutput(*session, output);
  if (mapsto_status status = settle(*session))
    return status;
  giveOutput(*session, output, tensor);
  return MAPSTO_OK;
}

mapsto_status mapsto_session_run(mapsto_session *session) {
  session->ran = false;
  if (!session->backend && !session->artifact->onCpu)
    return session->fail(
        MAPSTO_INVALID,
        "`%s` was compiled for %s alone: choose it as the device",
        mapsto_model_name(session->artifact), session->artifact->backend->name);
  if (mapsto_status status = settle(*session))
    return status;
  if (mapsto_status status = session->backend
                                 ? session->backend->execute(session)
                                 : execute(*session))
    return status;
  session->ran = true;
  return MAPSTO_OK;
}

mapsto_status mapsto_session_output(mapsto_session *session, size_t output,
                                    mapsto_tensor *tensor) {
  if (output >= session->outputs.size())
    return noOutput(*session, output);
  if (!session->ran || !session->settled)
    return session->fail(MAPSTO_INVALID,
                         "there is no output before a run has succeeded");
  giveOutput(*session, output, tensor);
  return MAPSTO_OK;
}

mapsto_status mapsto_session_reset(mapsto_session *session) {
  for (StateValue &state : session->states)
    state.live = false;
  if (session->states.size())
    session->settled = false;
  return MAPSTO_OK;
}

mapsto_status mapsto_session_read_state(mapsto_session *session, size_t state,
                                        mapsto_tensor *tensor) {
  if (state >= session->states.size())
    return session->fail(MAPSTO_INVALID, "`%s` has no state %zu",
                         mapsto_model_name(session->artifact), state);
  const TensorRecord &record = session->manifest().states[uint32_t(state)];
  StateValue &value = session->states[state];
  if (!value.live) {
    bool known;
    if (mapsto_status status =
            makeState(*session, uint32_t(state), nullptr, known))
      return status;
    if (!known)
      return session->fail(MAPSTO_INVALID,
                           "state `%s` has no shape before the first run",
                           session->manifest().text(record.name));
  }
  if (mapsto_status status = fetchStates(*session))
    return status;
  tensor->dtype = mapsto_dtype(record.dtype);
  tensor->rank = value.shape.rank;
  memcpy(tensor->dims, value.shape.dims, sizeof tensor->dims);
  tensor->data = value.memory.data();
  tensor->bytes = size_t(value.bytes);
  return MAPSTO_OK;
}

mapsto_status mapsto_session_write_state(mapsto_session *session, size_t state,
                                         mapsto_dtype dtype,
                                         const int64_t *dims, int rank,
                                         const void *data) {
  if (mapsto_status status = checkGiven(*session, MAPSTO_STATE, state, "state",
                                        dtype, dims, rank, data))
    return status;
  StateValue &value = session->states[state];
  int64_t bytes =
      elementCount(dtype, dims, rank) * int64_t(mapsto_dtype_size(dtype));
  if (data != value.memory.data()) { // reading, changing, writing back
    if (!value.memory.ensure(uint64_t(bytes)))
      return session->fail(MAPSTO_OUT_OF_MEMORY, "out of memory");
    if (bytes)
      memcpy(value.memory.data(), data, size_t(bytes));
  }
  value.live = true;
  value.onHost = true;
  value.onDevice = false;
  value.shape = makeShape(dims, rank);
  value.bytes = bytes;
  session->settled = false;
  return MAPSTO_OK;
}

mapsto_status mapsto_session_on_step(mapsto_session *session,
                                     mapsto_step_callback callback,
                                     void *user) {
  session->onStep = callback;
  session->onStepUser = user;
  return MAPSTO_OK;
}

mapsto_status mapsto_session_memory(mapsto_session *session,
                                    mapsto_memory *memory) {
  if (mapsto_status status = settle(*session))
    return status;
  *memory = {};
  memory->arena_bytes = session->plan.peak;
  memory->arena_lower_bound = session->plan.lowerBound;
  const Manifest &m = session->manifest();
  for (uint32_t i = 0; i < m.states.count; ++i)
    memory->state_bytes += uint64_t(session->bufferSizes[m.states[i].buffer]);
  for (OutputBinding &output : session->outputs)
    memory->output_bytes += output.data ? 0 : uint64_t(output.bytes);
  memory->weights_bytes = m.header().weightsSize;
  memory->scratch_bytes = uint64_t(session->scratchBytes);
  memory->shared_bytes = uint64_t(session->sharedBytes);
  return MAPSTO_OK;
}
