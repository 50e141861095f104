//===- BuildShaders.h - The shaders of a model's kernels --------*- C++ -*-===//

#ifndef MAPSTO_COMPILER_VULKAN_BUILDSHADERS_H
#define MAPSTO_COMPILER_VULKAN_BUILDSHADERS_H

#include "compiler/Timings.h"
#include "compiler/vulkan/Tiling.h"
#include "mlir/IR/BuiltinOps.h"
#include "runtime/manifest_writer.h"

namespace mapsto {

/// A shader for devices that have these features.
struct ShaderVariant {
  std::string text;     ///< GLSL
  bool complete = true; ///< false: something in it has been reported
  std::vector<uint32_t> words;
  uint32_t features = 0, sharedBytes = 0;
  std::string when; ///< above 0 where it may be taken; empty: always
  llvm::SmallVector<Tiling> tilings;
};

/// A kernel's shader, not yet in a manifest: sizes are texts of `Dim`s.
struct Shader {
  std::string kernel;
  std::vector<ShaderVariant> variants; ///< the last asks for least
  std::vector<std::string> pushes;     ///< symbols
  std::string items;
  runtime::DispatchKind dispatch;
  uint32_t bindingCount;
  /// Where that is not the device's choice.
  std::optional<uint32_t> workgroupSize;
  std::string scratch;                ///< bytes of a workgroup, if it needs any
  uint32_t clearedBytes = 0;          ///< of all scratch
  std::optional<uint32_t> startsFrom; ///< what its first result starts as
  std::vector<std::string> sites;     ///< places that may meet a bad index
};

/// The shaders of a module in phase kernels, which is left as it is. On failure
/// every kernel that has no shader yet is reported.
mlir::FailureOr<std::vector<Shader>> buildShaders(mlir::ModuleOp module,
                                                  Timings &timings);

/// Puts the shaders beside the manifest's kernels.
void addShaders(ManifestModel &manifest, const std::vector<Shader> &shaders);

} // namespace mapsto

#endif // MAPSTO_COMPILER_VULKAN_BUILDSHADERS_H
