//===- memory.h - buffers on a device -------------------------------------===//

#ifndef MAPSTO_RUNTIME_VULKAN_MEMORY_H
#define MAPSTO_RUNTIME_VULKAN_MEMORY_H

#include "runtime/vulkan/device.h"

namespace mapsto::runtime::vulkan {

/// One allocation and the buffer that is all of it. Many tensors share it, at
/// offsets that are multiples of the device's storage alignment.
class Block {
public:
  enum Where {
    OnDevice, ///< as fast as there is; mapped only if that is free
    OnHost    ///< mapped and cached: what is copied from and to
  };

  Block() = default;
  Block(const Block &) = delete;
  Block &operator=(const Block &) = delete;
  ~Block() { release(); }

  /// At least `bytes`, contents undefined; keeps what is large enough.
  [[nodiscard]] VkResult ensure(Device &device, uint64_t bytes, Where where);
  void release();

  VkBuffer buffer() const { return handle; }
  /// Null where the host does not see the memory.
  char *mapped() const { return address; }
  uint64_t size() const { return length; }

private:
  Device *device = nullptr;
  VkBuffer handle = VK_NULL_HANDLE;
  VkDeviceMemory memory = VK_NULL_HANDLE;
  char *address = nullptr;
  uint64_t length = 0;
  uint64_t counted = 0; ///< of Device::allocated
};

} // namespace mapsto::runtime::vulkan

#endif // MAPSTO_RUNTIME_VULKAN_MEMORY_H
