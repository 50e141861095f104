#include "runtime/vulkan/submit.h"

namespace mapsto::runtime::vulkan {

Commands::~Commands() {
  if (!device)
    return;
  const VolkDeviceTable &vk = device->vk;
  vk.vkDestroySemaphore(device->handle, timeline, nullptr);
  vk.vkDestroyFence(device->handle, fence, nullptr);
  vk.vkDestroyCommandPool(device->handle, pool, nullptr);
}

VkResult Commands::open(Device &on) {
  device = &on;
  const VolkDeviceTable &vk = device->vk;
  VkCommandPoolCreateInfo poolInfo{VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO};
  poolInfo.queueFamilyIndex = device->family;
  if (VkResult result =
          vk.vkCreateCommandPool(device->handle, &poolInfo, nullptr, &pool))
    return result;
  if (!device->limits.timelineSemaphores) {
    VkFenceCreateInfo info{VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    return vk.vkCreateFence(device->handle, &info, nullptr, &fence);
  }
  VkSemaphoreTypeCreateInfo type{VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO};
  type.semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE;
  VkSemaphoreCreateInfo info{VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO};
  info.pNext = &type;
  return vk.vkCreateSemaphore(device->handle, &info, nullptr, &timeline);
}

VkResult Commands::begin(VkCommandBuffer &commands) {
  const VolkDeviceTable &vk = device->vk;
  VkCommandBufferAllocateInfo info{
      VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO};
  info.commandPool = pool;
  info.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY;
  info.commandBufferCount = 1;
  if (VkResult result =
          vk.vkAllocateCommandBuffers(device->handle, &info, &commands))
    return result;
  VkCommandBufferBeginInfo start{VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
  return vk.vkBeginCommandBuffer(commands, &start);
}

VkResult Commands::finish(VkCommandBuffer commands) {
  return device->vk.vkEndCommandBuffer(commands);
}

void Commands::reset() {
  const VolkDeviceTable &vk = device->vk;
  vk.vkResetCommandPool(device->handle, pool,
                        VK_COMMAND_POOL_RESET_RELEASE_RESOURCES_BIT);
}

VkResult Commands::run(VkCommandBuffer commands) {
  const VolkDeviceTable &vk = device->vk;
  VkSubmitInfo info{VK_STRUCTURE_TYPE_SUBMIT_INFO};
  info.commandBufferCount = 1;
  info.pCommandBuffers = &commands;
  VkTimelineSemaphoreSubmitInfo values{
      VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO};
  uint64_t next = done + 1;
  if (timeline) {
    values.signalSemaphoreValueCount = 1;
    values.pSignalSemaphoreValues = &next;
    info.pNext = &values;
    info.signalSemaphoreCount = 1;
    info.pSignalSemaphores = &timeline;
  }
  pthread_mutex_lock(&device->queueLock);
  VkResult result = vk.vkQueueSubmit(device->queue, 1, &info, fence);
  pthread_mutex_unlock(&device->queueLock);
  if (result != VK_SUCCESS)
    return result;
  if (!timeline) {
    result = vk.vkWaitForFences(device->handle, 1, &fence, VK_TRUE, UINT64_MAX);
    if (result == VK_SUCCESS)
      result = vk.vkResetFences(device->handle, 1, &fence);
    return result;
  }
  done = next;
  VkSemaphoreWaitInfo wait{VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO};
  wait.semaphoreCount = 1;
  wait.pSemaphores = &timeline;
  wait.pValues = &done;
  return vk.vkWaitSemaphores(device->handle, &wait, UINT64_MAX);
}

void fullBarrier(const Device &device, VkCommandBuffer commands) {
  VkMemoryBarrier barrier{VK_STRUCTURE_TYPE_MEMORY_BARRIER};
  barrier.srcAccessMask =
      VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT;
  barrier.dstAccessMask =
      VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT |
      VK_ACCESS_TRANSFER_READ_BIT | VK_ACCESS_TRANSFER_WRITE_BIT;
  constexpr VkPipelineStageFlags kWork =
      VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT;
  device.vk.vkCmdPipelineBarrier(commands, kWork, kWork, 0, 1, &barrier, 0,
                                 nullptr, 0, nullptr);
}

VkResult copyNow(Device &device, VkBuffer from, uint64_t fromOffset,
                 VkBuffer to, uint64_t toOffset, uint64_t bytes) {
  Commands once;
  VkCommandBuffer commands;
  if (VkResult result = once.open(device))
    return result;
  if (VkResult result = once.begin(commands))
    return result;
  VkBufferCopy region{fromOffset, toOffset, bytes};
  device.vk.vkCmdCopyBuffer(commands, from, to, 1, &region);
  if (VkResult result = once.finish(commands))
    return result;
  return once.run(commands);
}

} // namespace mapsto::runtime::vulkan
