#include "runtime/vulkan/matrices.h"

namespace mapsto::runtime::vulkan {

namespace {

/// VkComponentTypeKHR and VkScopeKHR.
enum : uint32_t { kFloat16 = 0, kFloat32 = 1, kSubgroup = 3 };

/// VkCooperativeMatrixPropertiesKHR: rows x depth by depth x columns.
struct MatrixProperties {
  VkStructureType sType;
  void *pNext;
  uint32_t rows, columns, depth;
  uint32_t lhs, rhs, addend, result; ///< types of elements
  VkBool32 saturates;
  uint32_t scope;
};

using GetMatrixProperties = VkResult(VKAPI_PTR *)(VkPhysicalDevice, uint32_t *,
                                                  MatrixProperties *);

} // namespace

void readMatrices(VkPhysicalDevice device, Limits &limits) {
  auto get = reinterpret_cast<GetMatrixProperties>(vkGetInstanceProcAddr(
      volkGetLoadedInstance(),
      "vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR"));
  uint32_t count = 0;
  if (!get || get(device, &count, nullptr) != VK_SUCCESS)
    return;
  Array<MatrixProperties> all;
  all.resize(count);
  for (MatrixProperties &p : all)
    p.sType = VkStructureType(1000506001);
  if (get(device, &count, all.data()) != VK_SUCCESS)
    return;
  for (const MatrixProperties &p : all) {
    if (p.lhs != kFloat16 || p.rhs != kFloat16 || p.addend != kFloat32 ||
        p.result != kFloat32 || p.scope != kSubgroup || p.saturates)
      continue;
    if (p.rows > 255 || p.columns > 255 || p.depth > 255 ||
        limits.matrixCount == Limits::kMostMatrices)
      continue;
    limits.matrices[limits.matrixCount++] =
        matrixSizes(p.rows, p.columns, p.depth);
  }
}

} // namespace mapsto::runtime::vulkan
