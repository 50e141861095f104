#include "runtime/vulkan/program.h"

#include "runtime/expr.h"
#include "runtime/vulkan/pipeline_cache.h"
#include "runtime/vulkan/submit.h"

namespace mapsto::runtime::vulkan {

namespace {

class Lock {
public:
  explicit Lock(pthread_mutex_t &mutex) : mutex(mutex) {
    pthread_mutex_lock(&mutex);
  }
  Lock(const Lock &) = delete;
  Lock &operator=(const Lock &) = delete;
  ~Lock() { pthread_mutex_unlock(&mutex); }

private:
  pthread_mutex_t &mutex;
};

} // namespace

Program::~Program() {
  if (device)
    for (Pipeline &p : pipelines)
      destroy(p);
}

void Program::destroy(Pipeline &p) {
  const VolkDeviceTable &vk = device->vk;
  vk.vkDestroyPipeline(device->handle, p.pipeline, nullptr);
  vk.vkDestroyPipelineLayout(device->handle, p.layout, nullptr);
  vk.vkDestroyDescriptorSetLayout(device->handle, p.bindings, nullptr);
  p = {};
}

bool Program::fits(String &error) const {
  const Manifest &m = artifact->manifest;
  const Limits &limits = device->limits;
  const char *name = device->properties.deviceName;
  for (uint32_t i = 0; i < m.shaders.count; ++i) {
    const ShaderRecord &shader = m.shaders[i];
    const char *kernel = m.text(m.kernels[i].symbol);
    // Its last variant asks for least, and of that the last tiling.
    const VariantRecord &plain =
        m.variants[shader.variants.first + shader.variants.count - 1];
    if (uint32_t missing = plain.features & ~limits.features) {
      error.addf("`%s` lacks what kernel %s needs: ", name, kernel);
      addFeatureNames(error, missing);
      return false;
    }
    uint32_t shared = plain.sharedBytes, invocations = 1;
    if (List t = plain.tilings; t.count) {
      const TilingRecord &least = m.tilings[t.first + t.count - 1];
      shared = least.sharedBytes;
      invocations = least.workgroupSize;
    }
    if (shared > limits.sharedBytes) {
      error.addf("`%s` has %llu bytes of shared memory; kernel %s needs %u",
                 name, (unsigned long long)limits.sharedBytes, kernel, shared);
      return false;
    }
    if (invocations > limits.workgroupInvocations) {
      error.addf("`%s` has workgroups of %u invocations; kernel %s needs %u",
                 name, limits.workgroupInvocations, kernel, invocations);
      return false;
    }
    if (shader.pushes.count * sizeof(int32_t) > limits.pushBytes) {
      error.addf("`%s` gives a shader %u bytes of sizes; kernel %s takes %zu",
                 name, limits.pushBytes, kernel,
                 shader.pushes.count * sizeof(int32_t));
      return false;
    }
  }
  return true;
}

uint32_t Program::workgroupSize(uint32_t kernel, uint32_t tiling) const {
  const Limits &limits = device->limits;
  if (tiling != kNone) {
    const TilingRecord &t = artifact->manifest.tilings[tiling];
    return t.matrix ? t.workgroupSize * limits.subgroupSize : t.workgroupSize;
  }
  uint32_t wanted = artifact->manifest.shaders[kernel].workgroupSize;
  uint32_t limit = limits.workgroupInvocations;
  return wanted < limit ? wanted : limit;
}

bool Program::isAbove0(uint32_t whenExpr, const int64_t *symbols) const {
  int64_t value;
  return evaluate(artifact->manifest, whenExpr, symbols, value) ==
             ExprError::None &&
         value > 0;
}

bool Program::hasRoomFor(const TilingRecord &t) const {
  const Limits &limits = device->limits;
  uint64_t invocations = t.workgroupSize;
  if (t.matrix) {
    if (!limits.multiplies(t.matrix))
      return false;
    invocations *= limits.subgroupSize;
  }
  return invocations <= limits.workgroupInvocations &&
         t.sharedBytes <= limits.sharedBytes;
}

/// Workgroups that keep a device busy: large ones have about a hundred cores,
/// and where there are fewer, smaller tiles cost less than idle cores do.
static constexpr int64_t kFillingWorkgroups = 96;

uint32_t Program::tilingFor(const VariantRecord &variant,
                            const int64_t *symbols) const {
  const Manifest &m = artifact->manifest;
  List all = variant.tilings;
  uint32_t chosen = kNone;
  for (uint32_t i = all.first; i < all.first + all.count; ++i) {
    const TilingRecord &t = m.tilings[i];
    if (!hasRoomFor(t))
      continue;
    if (t.whenExpr != kNone) {
      if (isAbove0(t.whenExpr, symbols))
        return i;
      continue;
    }
    chosen = i;
    int64_t items;
    if (evaluate(m, t.itemsExpr, symbols, items) == ExprError::None &&
        items >= kFillingWorkgroups)
      break;
  }
  return chosen;
}

Choice Program::choiceFor(uint32_t kernel, const int64_t *symbols) const {
  const Manifest &m = artifact->manifest;
  List all = m.shaders[kernel].variants;
  uint32_t last = all.first + all.count - 1;
  for (uint32_t i = all.first; i < last; ++i) {
    const VariantRecord &v = m.variants[i];
    if (v.features & ~device->limits.features)
      continue;
    if (v.whenExpr != kNone && !isAbove0(v.whenExpr, symbols))
      continue;
    if (!v.tilings.count && v.sharedBytes <= device->limits.sharedBytes)
      return {i, kNone};
    uint32_t tiling = tilingFor(v, symbols);
    if (tiling != kNone)
      return {i, tiling};
  }
  return {last, tilingFor(m.variants[last], symbols)};
}

VkResult Program::compile(uint32_t kernel, Choice choice, Pipeline &to) {
  const Manifest &m = artifact->manifest;
  const ShaderRecord &shader = m.shaders[kernel];
  const VariantRecord &variant = m.variants[choice.variant];
  uint32_t tiling = choice.tiling;
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
  code.codeSize = size_t(variant.code.count) * 4;
  code.pCode = m.shaderWords.data + variant.code.first;
  VkShaderModule module;
  if (VkResult result =
          vk.vkCreateShaderModule(device->handle, &code, nullptr, &module))
    return result;

  Array<uint32_t> constants;
  constants.push(workgroupSize(kernel, tiling));
  constants.push(kernel);
  if (tiling != kNone)
    for (uint32_t constant : m.list(m.tilings[tiling].constants))
      constants.push(constant);
  Array<VkSpecializationMapEntry> entries;
  for (uint32_t i = 0; i < constants.size(); ++i)
    entries.push({i, i * 4, 4});
  VkSpecializationInfo specialization{uint32_t(entries.size()), entries.data(),
                                      constants.size() * sizeof(uint32_t),
                                      constants.data()};
  VkComputePipelineCreateInfo info{
      VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO};
  info.stage.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO;
  info.stage.stage = VK_SHADER_STAGE_COMPUTE_BIT;
  info.stage.module = module;
  info.stage.pName = "main";
  info.stage.pSpecializationInfo = &specialization;
  if (tiling != kNone && m.tilings[tiling].matrix)
    info.stage.flags =
        VK_PIPELINE_SHADER_STAGE_CREATE_REQUIRE_FULL_SUBGROUPS_BIT;
  info.layout = to.layout;
  VkResult result = vk.vkCreateComputePipelines(
      device->handle, device->pipelineCache, 1, &info, nullptr, &to.pipeline);
  vk.vkDestroyShaderModule(device->handle, module, nullptr);
  compiled = true;
  return result;
}

VkResult Program::pipeline(uint32_t kernel, Choice choice,
                           const Pipeline *&found) {
  Lock held(lock);
  Pipeline &known =
      pipelines[choice.tiling == kNone
                    ? choice.variant
                    : artifact->manifest.variants.count + choice.tiling];
  found = &known;
  if (known.pipeline)
    return VK_SUCCESS;
  VkResult result = compile(kernel, choice, known);
  if (result)
    destroy(known);
  return result;
}

void Program::save() {
  bool any;
  {
    Lock held(lock);
    any = compiled;
    compiled = false;
  }
  if (any)
    savePipelineCache(*device);
}

//===----------------------------------------------------------------------===//
// Weights
//===----------------------------------------------------------------------===//

VkResult Program::loadWeights() {
  Lock held(lock);
  if (!offsets.empty())
    return VK_SUCCESS;
  VkResult result = upload();
  if (result)
    offsets.clear();
  return result;
}

VkResult Program::upload() {
  const Manifest &m = artifact->manifest;
  // A weight's size depends on no symbol; what does not fit is refused when a
  // session settles its sizes.
  Array<int64_t> symbols;
  symbols.resize(m.symbols.count);
  auto weightBytes = [&](uint32_t buffer) {
    const BufferRecord &b = m.buffers[buffer];
    int64_t bytes = 0;
    uint64_t room = m.header().weightsSize - b.offset;
    if (evaluate(m, b.sizeExpr, symbols.data(), bytes) != ExprError::None ||
        bytes < 0)
      bytes = 0;
    return uint64_t(bytes) < room ? uint64_t(bytes) : room;
  };
  auto isWeight = [&](uint32_t i) {
    return BufferKind(m.buffers[i].kind) == BufferKind::Weights;
  };
  // Each weight at an offset that a binding may have.
  uint64_t align = device->limits.storageAlignment, total = 0;
  offsets.resize(m.buffers.count);
  for (uint32_t i = 0; i < m.buffers.count; ++i) {
    if (!isWeight(i))
      continue;
    offsets[i] = total;
    total += (weightBytes(i) + align - 1) / align * align;
  }
  if (VkResult result = weightBlock.ensure(*device, total, Block::OnDevice))
    return result;
  // Piece by piece where the host does not see the device's memory.
  constexpr uint64_t kPiece = 16 << 20;
  Block staging;
  for (uint32_t i = 0; i < m.buffers.count; ++i) {
    if (!isWeight(i))
      continue;
    const char *from = artifact->weights + m.buffers[i].offset;
    uint64_t bytes = weightBytes(i);
    if (weightBlock.mapped()) {
      memcpy(weightBlock.mapped() + offsets[i], from, size_t(bytes));
      continue;
    }
    if (VkResult result = staging.ensure(
            *device, bytes < kPiece ? bytes : kPiece, Block::OnHost))
      return result;
    for (uint64_t at = 0; at < bytes; at += kPiece) {
      uint64_t piece = bytes - at < kPiece ? bytes - at : kPiece;
      memcpy(staging.mapped(), from + at, size_t(piece));
      if (VkResult result =
              copyNow(*device, staging.buffer(), 0, weightBlock.buffer(),
                      offsets[i] + at, piece))
        return result;
    }
  }
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
    program->pipelines.resize(artifact.manifest.variants.count +
                              artifact.manifest.tilings.count);
    program->next = first;
    artifact.programs = program;
  }
  pthread_mutex_unlock(&lock);
  return program;
}

} // namespace mapsto::runtime::vulkan
