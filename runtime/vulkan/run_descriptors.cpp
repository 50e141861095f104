#include "runtime/vulkan/run.h"

namespace mapsto::runtime::vulkan {

/// What a launch's shader is bound to: its buffers, memory of its own, and
/// where it reports errors.
void Run::operandsOf(const StepRecord &step, Array<Place> &operands) const {
  const Manifest &m = session->manifest();
  const ShaderRecord &shader = m.shaders[step.kernel];
  for (uint32_t buffer : m.list(step.buffers))
    operands.push(boundTo(places[buffer]));
  if (shader.scratchExpr != kNone)
    operands.push(boundTo({scratch.buffer(), 0, scratch.size(), nullptr}));
  if (operands.size() < shader.bindingCount)
    operands.push({mailbox.buffer(), 0, kReportBytes, nullptr});
}

/// One set for each launch, with its buffers; they stay for all submissions.
mapsto_status Run::makeDescriptors() {
  const Manifest &m = session->manifest();
  const VolkDeviceTable &vk = device->vk;
  uint32_t setCount = 0, bindingCount = 0;
  for (const StepRecord &step : m.steps)
    if (StepKind(step.kind) == StepKind::Launch) {
      ++setCount;
      bindingCount += m.shaders[step.kernel].bindingCount;
    }
  vk.vkDestroyDescriptorPool(device->handle, descriptors, nullptr);
  descriptors = VK_NULL_HANDLE;
  sets.clear();
  sets.resize(m.steps.count);
  if (!setCount)
    return MAPSTO_OK;
  VkDescriptorPoolSize size{VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                            bindingCount ? bindingCount : 1};
  VkDescriptorPoolCreateInfo info{
      VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO};
  info.maxSets = setCount;
  info.poolSizeCount = 1;
  info.pPoolSizes = &size;
  if (VkResult r = vk.vkCreateDescriptorPool(device->handle, &info, nullptr,
                                             &descriptors))
    return fail(r, "descriptors");

  for (uint32_t i = 0; i < m.steps.count; ++i) {
    const StepRecord &step = m.steps[i];
    if (StepKind(step.kind) != StepKind::Launch)
      continue;
    const Pipeline *pipeline;
    if (VkResult r = program->pipeline(step.kernel, choiceOf(step), pipeline))
      return fail(r, m.text(m.kernels[step.kernel].symbol));
    VkDescriptorSetAllocateInfo allocation{
        VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO};
    allocation.descriptorPool = descriptors;
    allocation.descriptorSetCount = 1;
    allocation.pSetLayouts = &pipeline->bindings;
    if (VkResult r =
            vk.vkAllocateDescriptorSets(device->handle, &allocation, &sets[i]))
      return fail(r, "descriptors");
    Array<Place> operands;
    operandsOf(step, operands);
    Array<VkDescriptorBufferInfo> buffers;
    for (const Place &place : operands)
      buffers.push({place.buffer, place.offset, place.size});
    VkWriteDescriptorSet write{VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET};
    write.dstSet = sets[i];
    write.descriptorCount = uint32_t(buffers.size());
    write.descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER;
    write.pBufferInfo = buffers.data();
    vk.vkUpdateDescriptorSets(device->handle, 1, &write, 0, nullptr);
  }
  return MAPSTO_OK;
}

/// Two for each launch of the schedule, where the device has a clock.
mapsto_status Run::makeQueries() {
  const VolkDeviceTable &vk = device->vk;
  vk.vkDestroyQueryPool(device->handle, queries, nullptr);
  queries = VK_NULL_HANDLE;
  uint32_t launchCount = 0;
  for (const StepRecord &step : session->manifest().steps)
    launchCount += StepKind(step.kind) == StepKind::Launch;
  if (!timed || !launchCount || device->limits.timestampNanoseconds == 0)
    return MAPSTO_OK;
  VkQueryPoolCreateInfo info{VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO};
  info.queryType = VK_QUERY_TYPE_TIMESTAMP;
  info.queryCount = launchCount * 2;
  if (VkResult r =
          vk.vkCreateQueryPool(device->handle, &info, nullptr, &queries))
    return fail(r, "timestamps");
  return MAPSTO_OK;
}

} // namespace mapsto::runtime::vulkan
