//===- ShaderText.h - A kernel's function as a whole shader -----*- C++ -*-===//

#ifndef MAPSTO_COMPILER_VULKAN_SHADERTEXT_H
#define MAPSTO_COMPILER_VULKAN_SHADERTEXT_H

#include "compiler/vulkan/BuildShaders.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace mapsto {

/// The GLSL of a kernel that LowerToShaders has written (what it computes and
/// where that stands in the model, its buffers, its sizes, its code), and what
/// the runtime has to know of it; all but the words.
Shader printShader(mlir::func::FuncOp kernel);

} // namespace mapsto

#endif // MAPSTO_COMPILER_VULKAN_SHADERTEXT_H
