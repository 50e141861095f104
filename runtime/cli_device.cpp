#include "runtime/cli_report.h"
#include "runtime/session.h"

namespace mapsto::runtime {

static void note(const char *why) {
  fprintf(stderr, "note: %s: running on the CPU\n", why);
}

mapsto_status chooseDevice(mapsto_session &session, const char *option) {
  const mapsto_artifact &artifact = *session.artifact;
  const mapsto_backend *backend = artifact.backend;
  const char *variable = getenv("MAPSTO_DEVICE");
  const char *device = option;
  if (!device && variable && *variable)
    device = variable;
  if (!device)
    device = artifact.onCpu ? "cpu" : backend->name;
  // A wish for all models binds those that can.
  if (!option && !backend && !equal(device, "cpu")) {
    String why;
    why.addf("MAPSTO_DEVICE is `%s`, for which `%s` was not compiled", device,
             mapsto_model_name(&artifact));
    note(why.c_str());
    return MAPSTO_OK;
  }
  if (artifact.onCpu && backend && equal(device, backend->name))
    if (const char *why = backend->missing()) {
      note(why);
      return MAPSTO_OK;
    }
  return mapsto_session_set_device(&session, device);
}

} // namespace mapsto::runtime
