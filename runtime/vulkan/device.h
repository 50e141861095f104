//===- device.h - Vulkan devices of this machine --------------------------===//
//
// The loader is opened at run time (volk): where there is none, or no device,
// the machine simply has no devices. A device is opened once a process and
// kept; sessions share its queue.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_RUNTIME_VULKAN_DEVICE_H
#define MAPSTO_RUNTIME_VULKAN_DEVICE_H

#include "runtime/base.h"
#include "runtime/manifest.h"

#include <initializer_list>
#include <pthread.h>
#include <volk.h>

namespace mapsto::runtime::vulkan {

/// What a device can do and how much of it, as the device says or as
/// MAPSTO_VULKAN_LIMITS overrides it.
struct Limits {
  uint32_t apiVersion = 0;
  uint64_t storageRange = 0;     ///< bytes that a binding may show
  uint64_t storageAlignment = 1; ///< of a binding's offset, bytes
  uint64_t sharedBytes = 0;      ///< of a workgroup
  uint32_t workgroupInvocations = 0;
  uint32_t workgroups = 0; ///< of a dispatch, along x
  uint32_t subgroupSize = 1;
  uint32_t pushBytes = 0;
  uint32_t features = 0; ///< ShaderFeature bits
  bool timelineSemaphores = false;
  double timestampNanoseconds = 0; ///< of a tick; 0: no timestamps
};

/// A device that has been looked at but not opened.
struct DeviceInfo {
  char name[VK_MAX_PHYSICAL_DEVICE_NAME_SIZE];
  const char *kind; ///< "GPU", "integrated GPU", "CPU", ...
  Limits limits;
  uint64_t memoryBytes; ///< of its largest heap of its own
};

/// Number of devices with a compute queue; 0 with a reason in `why` where
/// there is no loader, no driver or no device.
int countDevices(String &why);
bool describeDevice(int index, DeviceInfo &info);

/// An open device. Functions of Vulkan are members of `vk`.
struct Device {
  VkPhysicalDevice physical = VK_NULL_HANDLE;
  VkDevice handle = VK_NULL_HANDLE;
  VkQueue queue = VK_NULL_HANDLE;
  uint32_t family = 0;
  VolkDeviceTable vk;
  VkPhysicalDeviceMemoryProperties memory;
  VkPhysicalDeviceProperties properties;
  Limits limits;
  VkPipelineCache pipelineCache = VK_NULL_HANDLE;
  pthread_mutex_t queueLock = PTHREAD_MUTEX_INITIALIZER;

  /// Index of a memory type among `allowed` that has all of `wanted`, or -1.
  int memoryType(uint32_t allowed, VkMemoryPropertyFlags wanted) const;
};

/// The device of this number, opened if it is not yet. Null with the reason in
/// `error`.
Device *openDevice(int index, String &error);

/// "VK_ERROR_DEVICE_LOST" and what it means for the caller.
const char *explain(VkResult result);

} // namespace mapsto::runtime::vulkan

#endif // MAPSTO_RUNTIME_VULKAN_DEVICE_H
