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
  if (used == buffers.size()) {
    VkCommandBufferAllocateInfo info{
        VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO};
    info.commandPool = pool;
    info.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY;
    info.commandBufferCount = 1;
    VkCommandBuffer fresh;
    if (VkResult result =
            vk.vkAllocateCommandBuffers(device->handle, &info, &fresh))
      return result;
    buffers.push(fresh);
  }
  commands = buffers[used++];
  VkCommandBufferBeginInfo start{VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
  return vk.vkBeginCommandBuffer(commands, &start);
}

VkResult Commands::finish(VkCommandBuffer commands) {
  return device->vk.vkEndCommandBuffer(commands);
}

void Commands::reset() {
  device->vk.vkResetCommandPool(device->handle, pool, 0);
  used = 0;
}

VkResult Commands::run(VkCommandBuffer commands) {
  VkResult result = submit(commands);
  if (result == VK_SUCCESS)
    result = wait();
  if (result == VK_ERROR_DEVICE_LOST)
    device->lost = true;
  return result;
}

VkResult Commands::submit(VkCommandBuffer commands) {
  VkSubmitInfo info{VK_STRUCTURE_TYPE_SUBMIT_INFO};
  info.commandBufferCount = 1;
  info.pCommandBuffers = &commands;
  VkTimelineSemaphoreSubmitInfo values{
      VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO};
  uint64_t next = submitted + 1;
  if (timeline) {
    values.signalSemaphoreValueCount = 1;
    values.pSignalSemaphoreValues = &next;
    info.pNext = &values;
    info.signalSemaphoreCount = 1;
    info.pSignalSemaphores = &timeline;
  }
  pthread_mutex_lock(&device->queueLock);
  VkResult result = device->vk.vkQueueSubmit(device->queue, 1, &info, fence);
  pthread_mutex_unlock(&device->queueLock);
  if (result == VK_SUCCESS)
    submitted = next;
  return result;
}

VkResult Commands::wait() {
  const VolkDeviceTable &vk = device->vk;
  if (!timeline) {
    VkResult result =
        vk.vkWaitForFences(device->handle, 1, &fence, VK_TRUE, UINT64_MAX);
    return result ? result : vk.vkResetFences(device->handle, 1, &fence);
  }
  VkSemaphoreWaitInfo info{VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO};
  info.semaphoreCount = 1;
  info.pSemaphores = &timeline;
  info.pValues = &submitted;
  return vk.vkWaitSemaphores(device->handle, &info, UINT64_MAX);
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
