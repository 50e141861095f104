//===- backend.h - devices other than the CPU -----------------------------===//
//
// A model compiled for another device brings that device's runtime with it, as
// a table of functions; one compiled for the CPU alone links none of it.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_RUNTIME_BACKEND_H
#define MAPSTO_RUNTIME_BACKEND_H

#include "runtime/mapsto.h"

#ifdef __cplusplus
extern "C" {
#endif

struct mapsto_backend {
  const char *name; /* as in --device: "vulkan" */
  /* What is wrong with the records of the artifact's shaders, or null. */
  const char *(*check)(const mapsto_artifact *artifact);
  /* The number of a device, "vulkan:1"; -1 where it is none of the backend. */
  int (*device_number)(const char *device);
  /* Why this machine has no device of it; null where it has one. */
  const char *(*missing)(void);
  /* Readies the session's runs on a device, by number. The session's `run` is
     the backend's to use. */
  mapsto_status (*open)(mapsto_session *session, int device);
  /* Runs the settled schedule over the bound inputs. */
  mapsto_status (*execute)(mapsto_session *session);
  /* Brings a state that runs have changed to the session's memory. */
  mapsto_status (*fetch_state)(mapsto_session *session, uint32_t state);
  /* Copies a buffer's bytes from the device, or to it; for a LaunchWatch. */
  mapsto_status (*copy_buffer)(mapsto_session *session, uint32_t buffer,
                               void *host, int to_device);
  void (*close)(mapsto_session *session);
  /* Frees what sessions of an artifact shared. */
  void (*close_artifact)(mapsto_artifact *artifact);
};

extern const struct mapsto_backend mapsto_vulkan_backend;

#ifdef __cplusplus
}
#endif

#endif // MAPSTO_RUNTIME_BACKEND_H
