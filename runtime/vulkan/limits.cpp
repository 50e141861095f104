#include "runtime/vulkan/features.h"

namespace mapsto::runtime::vulkan {

bool computeFamily(VkPhysicalDevice device, uint32_t &family) {
  uint32_t count = 0;
  vkGetPhysicalDeviceQueueFamilyProperties(device, &count, nullptr);
  Array<VkQueueFamilyProperties> families;
  families.resize(count);
  vkGetPhysicalDeviceQueueFamilyProperties(device, &count, families.data());
  // A family for compute alone leaves the screen's alone.
  for (bool alone : {true, false})
    for (family = 0; family < count; ++family) {
      VkQueueFlags flags = families[family].queueFlags;
      if ((flags & VK_QUEUE_COMPUTE_BIT) &&
          !(alone && (flags & VK_QUEUE_GRAPHICS_BIT)))
        return true;
    }
  return false;
}

Features::Features(VkPhysicalDevice device) {
  VkPhysicalDeviceProperties properties;
  vkGetPhysicalDeviceProperties(device, &properties);
  uint32_t count = 0;
  vkEnumerateDeviceExtensionProperties(device, nullptr, &count, nullptr);
  Array<VkExtensionProperties> all;
  all.resize(count);
  vkEnumerateDeviceExtensionProperties(device, nullptr, &count, all.data());
  void **end = &core.pNext;
  auto chain = [&](auto &structure) {
    *end = &structure;
    end = &structure.pNext;
  };
  auto chainExtension = [&](const char *extension, auto &structure) {
    for (const VkExtensionProperties &e : all)
      if (equal(e.extensionName, extension)) {
        extensions.push(extension);
        return chain(structure);
      }
  };
  chain(storage16);
  if (properties.apiVersion >= VK_API_VERSION_1_2) {
    chain(storage8);
    chain(arithmetic);
    chain(timeline);
  } else {
    chainExtension(VK_KHR_8BIT_STORAGE_EXTENSION_NAME, storage8);
    chainExtension(VK_KHR_SHADER_FLOAT16_INT8_EXTENSION_NAME, arithmetic);
  }
  // Shaders with cooperative matrices are written for 1.3, which every driver
  // that has them has: its memory model, and subgroups that are full.
  if (properties.apiVersion >= VK_API_VERSION_1_3) {
    chain(memoryModel);
    chain(subgroupSize);
    chainExtension(kMatricesExtension, matrices);
  }
  vkGetPhysicalDeviceFeatures2(device, &core);
  // It slows every access down.
  core.features.robustBufferAccess = VK_FALSE;
}

void Features::leaveOutMatrices() {
  if (subgroupSize.pNext != &matrices)
    return;
  subgroupSize.pNext = nullptr;
  extensions.pop();
}

static uint32_t featureBits(const Features &f,
                            const VkPhysicalDeviceSubgroupProperties &group) {
  uint32_t bits = 0;
  auto add = [&](VkBool32 has, ShaderFeature feature) {
    if (has)
      bits |= uint32_t(feature);
  };
  add(f.core.features.shaderInt64, ShaderFeature::Int64);
  add(f.core.features.shaderFloat64, ShaderFeature::Float64);
  add(f.core.features.shaderInt16, ShaderFeature::Int16);
  add(f.arithmetic.shaderInt8, ShaderFeature::Int8);
  add(f.arithmetic.shaderFloat16, ShaderFeature::Float16);
  add(f.storage16.storageBuffer16BitAccess, ShaderFeature::Storage16);
  add(f.storage8.storageBuffer8BitAccess, ShaderFeature::Storage8);
  VkSubgroupFeatureFlags wanted =
      VK_SUBGROUP_FEATURE_BASIC_BIT | VK_SUBGROUP_FEATURE_ARITHMETIC_BIT;
  add((group.supportedStages & VK_SHADER_STAGE_COMPUTE_BIT) &&
          (group.supportedOperations & wanted) == wanted,
      ShaderFeature::Subgroups);
  add(f.matrices.cooperativeMatrix && f.memoryModel.vulkanMemoryModel &&
          f.memoryModel.vulkanMemoryModelDeviceScope &&
          f.subgroupSize.computeFullSubgroups && f.arithmetic.shaderFloat16 &&
          (group.supportedStages & VK_SHADER_STAGE_COMPUTE_BIT),
      ShaderFeature::Matrices);
  return bits;
}

/// Bits of the timestamps of the family that computes; 0: it has none.
static uint32_t timestampBits(VkPhysicalDevice device) {
  uint32_t family, count = 0;
  if (!computeFamily(device, family))
    return 0;
  vkGetPhysicalDeviceQueueFamilyProperties(device, &count, nullptr);
  Array<VkQueueFamilyProperties> families;
  families.resize(count);
  vkGetPhysicalDeviceQueueFamilyProperties(device, &count, families.data());
  return families[family].timestampValidBits;
}

Limits readLimits(VkPhysicalDevice device, const Features &features) {
  VkPhysicalDeviceSubgroupProperties subgroup{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES};
  VkPhysicalDeviceProperties2 all{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2};
  all.pNext = &subgroup;
  vkGetPhysicalDeviceProperties2(device, &all);
  VkPhysicalDeviceMemoryProperties memory;
  vkGetPhysicalDeviceMemoryProperties(device, &memory);

  const VkPhysicalDeviceLimits &l = all.properties.limits;
  Limits limits;
  limits.apiVersion = all.properties.apiVersion;
  for (uint32_t i = 0; i < memory.memoryHeapCount; ++i)
    if ((memory.memoryHeaps[i].flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT) &&
        memory.memoryHeaps[i].size > limits.memoryBytes)
      limits.memoryBytes = memory.memoryHeaps[i].size;
  // A window onto a card's memory is not meant: it is small, or slow to read.
  limits.mapped =
      all.properties.deviceType != VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU;
  limits.storageRange = l.maxStorageBufferRange;
  limits.storageAlignment = l.minStorageBufferOffsetAlignment;
  limits.sharedBytes = l.maxComputeSharedMemorySize;
  limits.workgroupInvocations =
      l.maxComputeWorkGroupInvocations < l.maxComputeWorkGroupSize[0]
          ? l.maxComputeWorkGroupInvocations
          : l.maxComputeWorkGroupSize[0];
  limits.workgroups = l.maxComputeWorkGroupCount[0];
  limits.subgroupSize = subgroup.subgroupSize;
  limits.pushBytes = l.maxPushConstantsSize;
  limits.features = featureBits(features, subgroup);
  if (limits.features & uint32_t(ShaderFeature::Matrices))
    readMatrices(device, limits);
  limits.timelineSemaphores = features.timeline.timelineSemaphore;
  if (uint32_t bits = timestampBits(device)) {
    limits.timestampNanoseconds = double(l.timestampPeriod);
    limits.timestampMask = bits >= 64 ? UINT64_MAX : (uint64_t(1) << bits) - 1;
  }
  return limits;
}

const char *limitsOverride() {
  const char *text = getenv("MAPSTO_VULKAN_LIMITS");
  return text && *text ? text : nullptr;
}

bool lowerLimits(const char *text, Limits &limits, String &error) {
  while (*text) {
    size_t length = strcspn(text, "=,");
    char *end = nullptr;
    uint64_t value = 0;
    if (text[length] == '=')
      value = strtoull(text + length + 1, &end, 10);
    if (!end || end == text + length + 1 || (*end && *end != ',')) {
      error.addf("MAPSTO_VULKAN_LIMITS needs NAME=NUMBER,..., not `%s`", text);
      return false;
    }
    bool known = false;
    auto is = [&](const char *name) {
      bool same = strlen(name) == length && memcmp(name, text, length) == 0;
      known |= same;
      return same;
    };
    auto lower = [&](const char *name, auto &limit) {
      if (is(name) && value < limit)
        limit = decltype(+limit)(value);
    };
    lower("memory", limits.memoryBytes);
    lower("range", limits.storageRange);
    lower("shared", limits.sharedBytes);
    lower("invocations", limits.workgroupInvocations);
    lower("groups", limits.workgroups);
    lower("mapped", limits.mapped);
    lower("timeline", limits.timelineSemaphores);
    if (is("timestamps") && value == 0)
      limits.timestampNanoseconds = 0;
    if (is("alignment") && value > limits.storageAlignment &&
        (value & (value - 1)) == 0)
      limits.storageAlignment = value;
    for (const FeatureName &f : kFeatureNames)
      if (is(f.option) && value == 0)
        limits.features &= ~uint32_t(f.feature);
    if (!known) {
      error.addf("MAPSTO_VULKAN_LIMITS: there is no limit `%.*s`", int(length),
                 text);
      return false;
    }
    text = *end ? end + 1 : end;
  }
  return true;
}

void addFeatureNames(String &text, uint32_t bits) {
  const char *separator = "";
  for (const FeatureName &f : kFeatureNames)
    if (bits & uint32_t(f.feature)) {
      text.addf("%s%s", separator, f.name);
      separator = ", ";
    }
}

} // namespace mapsto::runtime::vulkan
