#include "runtime/vulkan/program.h"

#include "runtime/expr.h"
#include "runtime/vulkan/submit.h"

namespace mapsto::runtime::vulkan {

/// "64-bit integers": what a shader needs and the device has not.
static const char *missingFeature(uint32_t missing) {
  struct Name {
    ShaderFeature feature;
    const char *name;
  };
  static constexpr Name kNames[] = {
      {ShaderFeature::Int64, "64-bit integers"},
      {ShaderFeature::Float64, "f64 arithmetic"},
      {ShaderFeature::Float16, "f16 arithmetic"},
      {ShaderFeature::Int16, "16-bit integers"},
      {ShaderFeature::Int8, "8-bit integers"},
      {ShaderFeature::Storage16, "16-bit values in buffers"},
      {ShaderFeature::Storage8, "8-bit values in buffers"},
      {ShaderFeature::Subgroups, "subgroup arithmetic"},
  };
  for (const Name &n : kNames)
    if (missing & uint32_t(n.feature))
      return n.name;
  return "what it needs";
}

Program::~Program() {
  if (!device)
    return;
  const VolkDeviceTable &vk = device->vk;
  for (Pipeline &p : pipelines) {
    vk.vkDestroyPipeline(device->handle, p.pipeline, nullptr);
    vk.vkDestroyPipelineLayout(device->handle, p.layout, nullptr);
    vk.vkDestroyDescriptorSetLayout(device->handle, p.bindings, nullptr);
  }
}

uint32_t Program::workgroupSize(uint32_t kernel) const {
  uint32_t wanted = artifact->manifest.shaders[kernel].workgroupSize;
  uint32_t limit = device->limits.workgroupInvocations;
  return wanted < limit ? wanted : limit;
}

VkResult Program::compile(uint32_t kernel, Pipeline &to) {
  const Manifest &m = artifact->manifest;
  const ShaderRecord &shader = m.shaders[kernel];
  const VolkDeviceTable &vk = device->vk;

  Array<VkDescriptorSetLayoutBinding> bindings;
  for (uint32_t i = 0; i < shader.bindingCount; ++i)
    bindings.push({i, VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 1,
                   VK_SHADER_STAGE_COMPUTE_BIT, nullptr});
  VkDescriptorSetLayoutCreateInfo set{
      VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO};
  set.bindingCount = uint32_t(bindings.size());
  set.pBindings = bindings.data();
  if (VkResult result = vk.vkCreateDescriptorSetLayout(device->handle, &set,
                                                       nullptr, &to.bindings))
    return result;

  VkPushConstantRange push{VK_SHADER_STAGE_COMPUTE_BIT, 0,
                           shader.pushes.count * 4};
  VkPipelineLayoutCreateInfo layout{
      VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO};
  layout.setLayoutCount = 1;
  layout.pSetLayouts = &to.bindings;
  layout.pushConstantRangeCount = push.size ? 1 : 0;
  layout.pPushConstantRanges = &push;
  if (VkResult result = vk.vkCreatePipelineLayout(device->handle, &layout,
                                                  nullptr, &to.layout))
    return result;

  VkShaderModuleCreateInfo code{VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO};
  code.codeSize = size_t(shader.code.count) * 4;
  code.pCode = m.shaderWords.data + shader.code.first;
  VkShaderModule module;
  if (VkResult result =
          vk.vkCreateShaderModule(device->handle, &code, nullptr, &module))
    return result;

  uint32_t constants[kConstantCount] = {workgroupSize(kernel), kernel};
  VkSpecializationMapEntry entries[kConstantCount];
  for (uint32_t i = 0; i < kConstantCount; ++i)
    entries[i] = {i, i * 4, 4};
  VkSpecializationInfo specialization{kConstantCount, entries, sizeof constants,
                                      constants};
  VkComputePipelineCreateInfo info{
      VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO};
  info.stage.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO;
  info.stage.stage = VK_SHADER_STAGE_COMPUTE_BIT;
  info.stage.module = module;
  info.stage.pName = "main";
  info.stage.pSpecializationInfo = &specialization;
  info.layout = to.layout;
  VkResult result = vk.vkCreateComputePipelines(
      device->handle, device->pipelineCache, 1, &info, nullptr, &to.pipeline);
  vk.vkDestroyShaderModule(device->handle, module, nullptr);
  compiled = true;
  return result;
}

const Pipeline *Program::pipeline(uint32_t kernel, String &error) {
  const Manifest &m = artifact->manifest;
  Pipeline &known = pipelines[kernel];
  if (known.pipeline)
    return &known;
  const ShaderRecord &shader = m.shaders[kernel];
  const char *name = m.text(m.kernels[kernel].symbol);
  uint32_t missing = shader.features & ~device->limits.features;
  if (missing || shader.sharedBytes > device->limits.sharedBytes) {
    if (missing)
      error.addf("`%s` has no %s, which kernel %s needs",
                 device->properties.deviceName, missingFeature(missing), name);
    else
      error.addf("`%s` has %llu bytes of shared memory, kernel %s needs %u",
                 device->properties.deviceName,
                 (unsigned long long)device->limits.sharedBytes, name,
                 shader.sharedBytes);
    return nullptr;
  }
  if (VkResult result = compile(kernel, known)) {
    error.addf("kernel %s: %s", name, explain(result));
    return nullptr;
  }
  return &known;
}

VkResult Program::loadWeights() {
  const Manifest &m = artifact->manifest;
  // A weight's size depends on no symbol.
  auto weightBytes = [&](uint32_t buffer) {
    int64_t bytes = 0;
    evaluate(m, m.buffers[buffer].sizeExpr, nullptr, bytes);
    return uint64_t(bytes);
  };
  if (offsets.size() == m.buffers.count)
    return VK_SUCCESS;
  // Each weight at an offset that a binding may have.
  uint64_t align = device->limits.storageAlignment, total = 0;
  Array<uint64_t> places;
  places.resize(m.buffers.count);
  auto isWeight = [&](uint32_t i) {
    return BufferKind(m.buffers[i].kind) == BufferKind::Weights;
  };
  for (uint32_t i = 0; i < m.buffers.count; ++i) {
    if (!isWeight(i))
      continue;
    places[i] = total;
    total = (total + weightBytes(i) + align - 1) / align * align;
  }
  if (VkResult result = weightBlock.ensure(*device, total, Block::OnDevice))
    return result;
  Block staging;
  char *to = weightBlock.mapped();
  if (!to) {
    if (VkResult result = staging.ensure(*device, total, Block::OnHost))
      return result;
    to = staging.mapped();
  }
  for (uint32_t i = 0; i < m.buffers.count; ++i)
    if (isWeight(i))
      memcpy(to + places[i], artifact->weights + m.buffers[i].offset,
             size_t(weightBytes(i)));
  if (!weightBlock.mapped() && total)
    if (VkResult result = copyNow(*device, staging.buffer(), 0,
                                  weightBlock.buffer(), 0, total))
      return result;
  offsets.swap(places);
  return VK_SUCCESS;
}

Program *programOf(mapsto_artifact &artifact, Device &device) {
  static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  pthread_mutex_lock(&lock);
  auto *first = static_cast<Program *>(artifact.programs);
  Program *program = first;
  while (program && program->device != &device)
    program = program->next;
  if (!program && (program = create<Program>())) {
    program->device = &device;
    program->artifact = &artifact;
    program->pipelines.resize(artifact.manifest.kernels.count);
    program->next = first;
    artifact.programs = program;
  }
  pthread_mutex_unlock(&lock);
  return program;
}

} // namespace mapsto::runtime::vulkan
