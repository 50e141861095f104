//===- artifact.h - an opened model, and how failures are told ------------===//

#ifndef MAPSTO_RUNTIME_ARTIFACT_H
#define MAPSTO_RUNTIME_ARTIFACT_H

#include "runtime/backend.h"
#include "runtime/base.h"
#include "runtime/manifest.h"

#include <atomic>

struct mapsto_artifact {
  std::atomic<int> references{1};
  mapsto::runtime::Manifest manifest;
  const mapsto_kernel_fn *kernels = nullptr;
  const char *weights = nullptr;
  const mapsto_backend *backend = nullptr; ///< null: for the CPU alone
  bool onCpu = true;                       ///< there are kernels for the CPU
  void *programs = nullptr;                ///< the backend's
  /// "f32[B, T]" of every input, output, state and parameter.
  mapsto::runtime::Fixed<mapsto::runtime::String> types[4];
  /// A mapped weights file, and a shared library: null where there is none.
  void *mapping = nullptr;
  uint64_t mappingSize = 0;
  void *library = nullptr;
  void (*closeLibrary)(void *) = nullptr;
};

namespace mapsto::runtime {

/// Sets the text that mapsto_last_error gives, and returns `status`.
__attribute__((format(printf, 2, 3))) mapsto_status fail(mapsto_status status,
                                                         const char *format,
                                                         ...);

/// Maps the weights that lie beside an artifact, `directory`/`name`, and checks
/// them against the manifest.
mapsto_status mapWeights(mapsto_artifact &artifact, const char *directory);
void unmapWeights(mapsto_artifact &artifact);

/// "`cpu`", "`vulkan`", "`cpu` and `vulkan`": what the model was compiled for.
void addDevices(String &text, const mapsto_artifact &artifact);

/// Adds the directory of a path, "." for a bare name.
void addDirectory(String &text, const char *path);

} // namespace mapsto::runtime

#endif // MAPSTO_RUNTIME_ARTIFACT_H
