#include "runtime/vulkan/memory.h"

namespace mapsto::runtime::vulkan {

/// The best memory type for the purpose, or -1.
static int chooseType(const Device &device, uint32_t allowed,
                      Block::Where where) {
  constexpr VkMemoryPropertyFlags kLocal = VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT,
                                  kVisible =
                                      VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
                                      VK_MEMORY_PROPERTY_HOST_COHERENT_BIT,
                                  kCached = VK_MEMORY_PROPERTY_HOST_CACHED_BIT;
  // Where the device's own memory is the host's, nothing has to be copied.
  bool shared = device.limits.mapped;
  const VkMemoryPropertyFlags onDevice[] = {kLocal | kVisible | kCached,
                                            kLocal | kVisible, kLocal, 0};
  const VkMemoryPropertyFlags onHost[] = {kVisible | kCached, kVisible};
  if (where == Block::OnHost) {
    for (VkMemoryPropertyFlags wanted : onHost)
      if (int type = device.memoryType(allowed, wanted); type >= 0)
        return type;
    return -1;
  }
  for (VkMemoryPropertyFlags wanted : onDevice) {
    if ((wanted & kVisible) && !shared)
      continue;
    if (int type = device.memoryType(allowed, wanted); type >= 0)
      return type;
  }
  return -1;
}

VkResult Block::ensure(Device &on, uint64_t bytes, Where where) {
  if (handle && device == &on && bytes <= length)
    return VK_SUCCESS;
  release();
  // What a heap cannot hold no driver need be asked for.
  uint64_t own = where == OnDevice ? bytes : 0;
  if (on.allocated.fetch_add(own) + own > on.limits.memoryBytes) {
    on.allocated.fetch_sub(own);
    return VK_ERROR_OUT_OF_DEVICE_MEMORY;
  }
  device = &on;
  counted = own;
  VkBufferCreateInfo info{VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO};
  info.size = bytes ? bytes : 1;
  info.usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT |
               VK_BUFFER_USAGE_TRANSFER_SRC_BIT |
               VK_BUFFER_USAGE_TRANSFER_DST_BIT;
  const VolkDeviceTable &vk = device->vk;
  VkResult result = vk.vkCreateBuffer(device->handle, &info, nullptr, &handle);
  if (result != VK_SUCCESS) {
    release();
    return result;
  }
  VkMemoryRequirements needs;
  vk.vkGetBufferMemoryRequirements(device->handle, handle, &needs);
  int type = chooseType(*device, needs.memoryTypeBits, where);
  if (type < 0) {
    release();
    return VK_ERROR_OUT_OF_DEVICE_MEMORY;
  }
  VkMemoryAllocateInfo allocation{VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO};
  allocation.allocationSize = needs.size;
  allocation.memoryTypeIndex = uint32_t(type);
  result = vk.vkAllocateMemory(device->handle, &allocation, nullptr, &memory);
  if (result == VK_SUCCESS)
    result = vk.vkBindBufferMemory(device->handle, handle, memory, 0);
  constexpr VkMemoryPropertyFlags kMappable =
      VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
      VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
  VkMemoryPropertyFlags has = device->memory.memoryTypes[type].propertyFlags;
  if (result == VK_SUCCESS && (has & kMappable) == kMappable &&
      (where == OnHost || device->limits.mapped)) {
    void *at = nullptr;
    result = vk.vkMapMemory(device->handle, memory, 0, VK_WHOLE_SIZE, 0, &at);
    address = static_cast<char *>(at);
  }
  if (result != VK_SUCCESS) {
    release();
    return result;
  }
  length = bytes;
  return VK_SUCCESS;
}

void Block::release() {
  if (!device)
    return;
  device->vk.vkDestroyBuffer(device->handle, handle, nullptr);
  device->vk.vkFreeMemory(device->handle, memory, nullptr); // and unmaps it
  device->allocated.fetch_sub(counted);
  device = nullptr;
  handle = VK_NULL_HANDLE;
  memory = VK_NULL_HANDLE;
  address = nullptr;
  length = 0;
}

} // namespace mapsto::runtime::vulkan
