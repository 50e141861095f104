//===- program.h - a compiled model on a device ---------------------------===//
//
// What all sessions of an artifact share on one device: its weights and its
// pipelines, each made when it is first needed. Any thread may ask for them.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_RUNTIME_VULKAN_PROGRAM_H
#define MAPSTO_RUNTIME_VULKAN_PROGRAM_H

#include "runtime/artifact.h"
#include "runtime/vulkan/memory.h"

namespace mapsto::runtime::vulkan {

/// Specialisation constants that every shader has.
enum SpecializationConstant : uint32_t {
  kWorkgroupSizeConstant, ///< invocations of a workgroup
  kKernelConstant,        ///< the kernel's number, for reports of errors
  kConstantCount
};

struct Pipeline {
  VkDescriptorSetLayout bindings = VK_NULL_HANDLE;
  VkPipelineLayout layout = VK_NULL_HANDLE;
  VkPipeline pipeline = VK_NULL_HANDLE;
};

/// What a launch runs of its kernel's shader.
struct Choice {
  uint32_t variant;
  uint32_t tiling; ///< kNone if the variant has none
};

class Program {
public:
  Program() = default;
  Program(const Program &) = delete;
  Program &operator=(const Program &) = delete;
  ~Program();

  /// Can the device run every shader? If not, `error` says what it lacks.
  bool fits(String &error) const;
  /// What suits the device and these sizes, of a program that fits it.
  Choice choiceFor(uint32_t kernel, const int64_t *symbols) const;
  /// Invocations of a workgroup of the kernel.
  uint32_t workgroupSize(uint32_t kernel, uint32_t tiling) const;
  /// Copies the weights to the device unless they are there.
  VkResult loadWeights();
  const Block &weights() const { return weightBlock; }
  /// Where the weights of a buffer (of kind Weights) lie in their block.
  uint64_t weightOffset(uint32_t buffer) const { return offsets[buffer]; }
  /// Compiles the kernel's shader unless that is done.
  VkResult pipeline(uint32_t kernel, Choice choice, const Pipeline *&found);
  /// Keeps on disk what has been compiled since this was last called.
  void save();

  Device *device = nullptr;
  mapsto_artifact *artifact = nullptr;
  Program *next = nullptr; ///< of the artifact, on another device

private:
  friend Program *programOf(mapsto_artifact &artifact, Device &device);
  bool isAbove0(uint32_t whenExpr, const int64_t *symbols) const;
  bool hasRoomFor(const TilingRecord &tiling) const;
  uint32_t tilingFor(const VariantRecord &variant,
                     const int64_t *symbols) const;
  VkResult compile(uint32_t kernel, Choice choice, Pipeline &to);
  VkResult upload();
  void destroy(Pipeline &pipeline);

  pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  Array<Pipeline> pipelines; ///< by variant, then by tiling
  Array<uint64_t> offsets;   ///< by buffer
  Block weightBlock;
  bool compiled = false;
};

/// The artifact's program on the device, made at the first call.
Program *programOf(mapsto_artifact &artifact, Device &device);

} // namespace mapsto::runtime::vulkan

#endif // MAPSTO_RUNTIME_VULKAN_PROGRAM_H
