//===- device.h - Vulkan devices of this machine --------------------------===//
//
// The loader is opened at run time (volk): where there is none, or no device,
// the machine simply has no devices. A device is opened once a process and
// kept; sessions share its queue. These functions may be called by any thread.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_RUNTIME_VULKAN_DEVICE_H
#define MAPSTO_RUNTIME_VULKAN_DEVICE_H

#include "runtime/vulkan/limits.h"

#include <atomic>
#include <pthread.h>
#include <volk.h>

namespace mapsto::runtime::vulkan {

/// A device that has been looked at but not opened.
struct DeviceInfo {
  char name[VK_MAX_PHYSICAL_DEVICE_NAME_SIZE];
  const char *kind; ///< "GPU", "integrated GPU", "CPU", ...
  String driver;    ///< "llvmpipe Mesa 22.3.6 (LLVM 15.0.6)"
  Limits limits;
};

/// Number of devices with Vulkan 1.1 and a compute queue.
int countDevices();
/// Why that is 0; null where it is not.
const char *whyNoDevice();
/// Looks at the device of this number. False, with the reason in `error`, where
/// MAPSTO_VULKAN_LIMITS is wrong.
bool describeDevice(int index, DeviceInfo &info, String &error);

/// An open device. Its functions of Vulkan are members of `vk`.
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
  /// Held while something is submitted, or the pipeline cache is saved.
  pthread_mutex_t queueLock = PTHREAD_MUTEX_INITIALIZER;
  pthread_mutex_t cacheLock = PTHREAD_MUTEX_INITIALIZER;
  std::atomic<uint64_t> allocated{0}; ///< bytes, of all blocks
  std::atomic<bool> lost{false};      ///< nothing can run here any more

  /// Index of a memory type among `allowed` that has all of `wanted`, or -1.
  int memoryType(uint32_t allowed, VkMemoryPropertyFlags wanted) const;
};

/// The device of this number, opened if it is not yet, or anew if it was lost.
/// Null with the reason in `error`.
Device *openDevice(int index, String &error);

/// "the device was lost": what a result means for the caller.
const char *explain(VkResult result);

} // namespace mapsto::runtime::vulkan

#endif // MAPSTO_RUNTIME_VULKAN_DEVICE_H
