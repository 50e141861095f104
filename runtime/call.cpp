//===- call.cpp - what the typed functions of a compiled library call -----===//

#include "runtime/session.h"

#include "runtime/expr.h"

using namespace mapsto::runtime;

mapsto_session *mapsto_open_session(const mapsto_image *image,
                                    const char *directory) {
  mapsto_artifact *artifact;
  mapsto_session *session = nullptr;
  if (mapsto_artifact_from_image(image, directory, &artifact))
    return nullptr;
  mapsto_session_create(artifact, &session);
  mapsto_artifact_close(artifact); // the session keeps it
  if (session && !session->artifact->onCpu)
    if (mapsto_status status = mapsto_session_set_device(
            session, session->artifact->backend->name)) {
      fail(status, "%s", mapsto_session_error(session));
      mapsto_session_free(session);
      return nullptr;
    }
  return session;
}

mapsto_status mapsto_session_call(mapsto_session *session,
                                  const void *const *inputs,
                                  const int64_t *symbols,
                                  void *const *outputs) {
  const Manifest &m = session->manifest();
  for (uint32_t i = 0; i < m.symbols.count; ++i)
    if (mapsto_status status = mapsto_session_set_dim(
            session, m.text(m.symbols[i].name), symbols[i]))
      return status;
  for (uint32_t i = 0; i < m.inputs.count; ++i) {
    Records<uint32_t> dims = m.list(m.inputs[i].dims);
    int64_t sizes[MAPSTO_MAX_RANK];
    for (uint32_t axis = 0; axis < dims.count; ++axis)
      if (evaluate(m, dims[axis], symbols, sizes[axis]) != ExprError::None)
        sizes[axis] = -1; // refused below, with the input's name
    if (mapsto_status status = mapsto_session_bind_input(
            session, i, mapsto_dtype(m.inputs[i].dtype), sizes, int(dims.count),
            inputs[i]))
      return status;
  }
  if (mapsto_status status = settle(*session))
    return status;
  for (uint32_t i = 0; i < m.outputs.count; ++i)
    mapsto_session_bind_output(session, i, outputs[i],
                               size_t(session->outputs[i].bytes));
  return mapsto_session_run(session);
}
