#include "runtime/backend.h"

#include "runtime/vulkan/run.h"

#include <climits>

using namespace mapsto::runtime;
using namespace mapsto::runtime::vulkan;

static Run &runOf(mapsto_session *session) {
  return *static_cast<Run *>(session->run);
}

static void close(mapsto_session *session) {
  destroy(static_cast<Run *>(session->run));
  session->run = nullptr;
}

static mapsto_status open(mapsto_session *session, int index) {
  String error;
  Device *device = openDevice(index, error);
  if (!device)
    return session->fail(countDevices() && index >= countDevices()
                             ? MAPSTO_INVALID
                             : MAPSTO_UNSUPPORTED,
                         "%s", error.c_str());
  Run *run = create<Run>();
  if (!run)
    return session->fail(MAPSTO_OUT_OF_MEMORY, "out of memory");
  session->run = run;
  mapsto_status status = run->open(*session, *device);
  if (status)
    close(session);
  return status;
}

static void closeArtifact(mapsto_artifact *artifact) {
  auto *program = static_cast<Program *>(artifact->programs);
  while (program) {
    Program *next = program->next;
    destroy(program);
    program = next;
  }
}

static int deviceNumber(const char *device) {
  size_t length = strlen(mapsto_vulkan_backend.name);
  if (strncmp(device, mapsto_vulkan_backend.name, length) != 0)
    return -1;
  const char *rest = device + length;
  if (!*rest)
    return 0;
  char *end;
  long number = strtol(rest + 1, &end, 10);
  return *rest == ':' && rest[1] && !*end && number >= 0 && number < INT_MAX
             ? int(number)
             : -1;
}

const mapsto_backend mapsto_vulkan_backend = {
    "vulkan",
    [](const mapsto_artifact *artifact) {
      return checkShaders(artifact->manifest);
    },
    deviceNumber,
    whyNoDevice,
    open,
    [](mapsto_session *session) { return runOf(session).execute(); },
    [](mapsto_session *session, uint32_t state) {
      return runOf(session).fetchState(state);
    },
    [](mapsto_session *session, uint32_t buffer, void *host, int toDevice) {
      return runOf(session).copyBuffer(buffer, static_cast<char *>(host),
                                       toDevice);
    },
    close,
    closeArtifact,
};
