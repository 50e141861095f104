//===- limits.h - what a Vulkan device can do, and how much of it ---------===//

#ifndef MAPSTO_RUNTIME_VULKAN_LIMITS_H
#define MAPSTO_RUNTIME_VULKAN_LIMITS_H

#include "runtime/base.h"
#include "runtime/manifest.h"

namespace mapsto::runtime::vulkan {

/// As the device says, or as MAPSTO_VULKAN_LIMITS lowers it.
struct Limits {
  uint32_t apiVersion = 0;
  uint64_t memoryBytes = 0;      ///< of the device's largest own heap
  bool mapped = false;           ///< the host sees the device's memory
  uint64_t storageRange = 0;     ///< bytes that a binding may show
  uint64_t storageAlignment = 1; ///< of a binding's offset, bytes
  uint64_t sharedBytes = 0;      ///< of a workgroup
  uint32_t workgroupInvocations = 0;
  uint32_t workgroups = 0; ///< of a dispatch, along x
  uint32_t subgroupSize = 1;
  uint32_t pushBytes = 0;
  uint32_t features = 0; ///< ShaderFeature bits
  /// matrixSizes() of f16 products summed in f32 that a subgroup does at once.
  static constexpr uint32_t kMostMatrices = 16;
  uint32_t matrices[kMostMatrices] = {};
  uint32_t matrixCount = 0;
  bool timelineSemaphores = false;
  double timestampNanoseconds = 0; ///< of a tick; 0: no timestamps
  uint64_t timestampMask = 0;      ///< the bits that count

  bool multiplies(uint32_t matrix) const {
    for (uint32_t i = 0; i < matrixCount; ++i)
      if (matrices[i] == matrix)
        return true;
    return false;
  }
};

/// Lowers limits as a text of "NAME=NUMBER,..." says: a device that has less,
/// for tests. False, with what is wrong in `error`.
bool lowerLimits(const char *text, Limits &limits, String &error);
/// What MAPSTO_VULKAN_LIMITS says; null where it says nothing.
const char *limitsOverride();

struct FeatureName {
  ShaderFeature feature;
  const char *option; ///< in MAPSTO_VULKAN_LIMITS
  const char *name;   ///< for people
};
inline constexpr FeatureName kFeatureNames[] = {
    {ShaderFeature::Int64, "int64", "64-bit integers"},
    {ShaderFeature::Float64, "float64", "f64 arithmetic"},
    {ShaderFeature::Float16, "float16", "f16 arithmetic"},
    {ShaderFeature::Int16, "int16", "16-bit integers"},
    {ShaderFeature::Int8, "int8", "8-bit integers"},
    {ShaderFeature::Storage16, "storage16", "16-bit values in buffers"},
    {ShaderFeature::Storage8, "storage8", "8-bit values in buffers"},
    {ShaderFeature::Subgroups, "subgroups", "subgroup arithmetic"},
    {ShaderFeature::Matrices, "matrices", "cooperative matrices"},
};

/// "64-bit integers, f64 arithmetic": the names of these ShaderFeature bits.
void addFeatureNames(String &text, uint32_t bits);

} // namespace mapsto::runtime::vulkan

#endif // MAPSTO_RUNTIME_VULKAN_LIMITS_H
