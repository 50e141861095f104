//===- matrices.h - products of matrices that a subgroup has --------------===//
//
// VK_KHR_cooperative_matrix, which Vulkan's headers have since 1.3.255.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_RUNTIME_VULKAN_MATRICES_H
#define MAPSTO_RUNTIME_VULKAN_MATRICES_H

#include "runtime/vulkan/limits.h"

#include <volk.h>

namespace mapsto::runtime::vulkan {

inline constexpr char kMatricesExtension[] = "VK_KHR_cooperative_matrix";

struct MatrixFeatures {
  VkStructureType sType = VkStructureType(1000506000);
  void *pNext = nullptr;
  VkBool32 cooperativeMatrix = VK_FALSE;
  VkBool32 robustBufferAccess = VK_FALSE;
};

/// Notes which sizes the device, which has the feature, multiplies.
void readMatrices(VkPhysicalDevice device, Limits &limits);

} // namespace mapsto::runtime::vulkan

#endif // MAPSTO_RUNTIME_VULKAN_MATRICES_H
