//===- submit.h - handing work to a device and waiting for it -------------===//

#ifndef MAPSTO_RUNTIME_VULKAN_SUBMIT_H
#define MAPSTO_RUNTIME_VULKAN_SUBMIT_H

#include "runtime/vulkan/device.h"

namespace mapsto::runtime::vulkan {

/// Command buffers of one thread at a time, and what tells that they are done:
/// a timeline semaphore, or a fence where the device has none.
class Commands {
public:
  Commands() = default;
  Commands(const Commands &) = delete;
  Commands &operator=(const Commands &) = delete;
  ~Commands();

  [[nodiscard]] VkResult open(Device &device);
  /// A command buffer that is being recorded; finish() ends it.
  [[nodiscard]] VkResult begin(VkCommandBuffer &commands);
  [[nodiscard]] VkResult finish(VkCommandBuffer commands);
  /// Empties all command buffers, which begin() gives again.
  void reset();
  /// Runs the commands and waits until they are done. A device that is lost is
  /// noted as such.
  [[nodiscard]] VkResult run(VkCommandBuffer commands);

private:
  VkResult submit(VkCommandBuffer commands);
  VkResult wait();

  Device *device = nullptr;
  VkCommandPool pool = VK_NULL_HANDLE;
  Array<VkCommandBuffer> buffers;
  size_t used = 0; ///< of the buffers
  VkSemaphore timeline = VK_NULL_HANDLE;
  VkFence fence = VK_NULL_HANDLE;
  uint64_t submitted = 0; ///< value of the timeline when all is done
};

/// Makes what has been written visible to whoever comes next: shaders, copies,
/// the host.
void fullBarrier(const Device &device, VkCommandBuffer commands);

/// Copies `bytes` from one buffer to another, and waits.
[[nodiscard]] VkResult copyNow(Device &device, VkBuffer from,
                               uint64_t fromOffset, VkBuffer to,
                               uint64_t toOffset, uint64_t bytes);

} // namespace mapsto::runtime::vulkan

#endif // MAPSTO_RUNTIME_VULKAN_SUBMIT_H
