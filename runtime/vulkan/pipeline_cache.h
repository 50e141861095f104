//===- pipeline_cache.h - compiled shaders kept on disk -------------------===//
//
// $XDG_CACHE_HOME/mapsto (or ~/.cache/mapsto) holds one file for each device
// and driver. A file that is damaged, or of another driver, is ignored; one
// that cannot be written costs the next process its compilation, nothing else.
// Files are replaced as a whole, with what other processes have added since.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_RUNTIME_VULKAN_PIPELINE_CACHE_H
#define MAPSTO_RUNTIME_VULKAN_PIPELINE_CACHE_H

#include "runtime/vulkan/device.h"

namespace mapsto::runtime::vulkan {

/// Makes the device's pipeline cache, with what is on disk in it.
void loadPipelineCache(Device &device);
/// Writes it back: for whoever has compiled pipelines that were not in it. May
/// be called by any thread.
void savePipelineCache(Device &device);

} // namespace mapsto::runtime::vulkan

#endif // MAPSTO_RUNTIME_VULKAN_PIPELINE_CACHE_H
