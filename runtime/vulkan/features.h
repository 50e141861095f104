//===- features.h - what of a Vulkan device shaders use -------------------===//

#ifndef MAPSTO_RUNTIME_VULKAN_FEATURES_H
#define MAPSTO_RUNTIME_VULKAN_FEATURES_H

#include "runtime/vulkan/matrices.h"

#include <initializer_list>
#include <volk.h>

namespace mapsto::runtime::vulkan {

/// The features that shaders may use, chained for vkCreateDevice: of the
/// device's own only, as a driver need not know a newer structure.
struct Features {
  explicit Features(VkPhysicalDevice device);
  Features(const Features &) = delete;
  Features &operator=(const Features &) = delete;
  /// Has the device opened without them, as layers that do not know them need.
  void leaveOutMatrices();

  VkPhysicalDeviceFeatures2 core{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2};
  VkPhysicalDevice16BitStorageFeatures storage16{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_16BIT_STORAGE_FEATURES};
  VkPhysicalDevice8BitStorageFeatures storage8{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_8BIT_STORAGE_FEATURES};
  VkPhysicalDeviceShaderFloat16Int8Features arithmetic{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_FLOAT16_INT8_FEATURES};
  VkPhysicalDeviceTimelineSemaphoreFeatures timeline{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_TIMELINE_SEMAPHORE_FEATURES};
  VkPhysicalDeviceVulkanMemoryModelFeatures memoryModel{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_MEMORY_MODEL_FEATURES};
  VkPhysicalDeviceSubgroupSizeControlFeatures subgroupSize{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES};
  MatrixFeatures matrices; ///< the last of the chain
  /// Extensions that the features belong to, to be enabled with them.
  Array<const char *> extensions;
};

/// A family of queues that compute; false where there is none.
bool computeFamily(VkPhysicalDevice device, uint32_t &family);

Limits readLimits(VkPhysicalDevice device, const Features &features);

} // namespace mapsto::runtime::vulkan

#endif // MAPSTO_RUNTIME_VULKAN_FEATURES_H
