//===- ShaderText.h - A kernel's function as a whole shader -----*- C++ -*-===//

#ifndef MAPSTO_COMPILER_VULKAN_SHADERTEXT_H
#define MAPSTO_COMPILER_VULKAN_SHADERTEXT_H

#include "mlir/Dialect/Func/IR/FuncOps.h"

#include <string>

namespace mapsto {

/// The GLSL of a kernel that LowerToShaders has written: what it computes and
/// where that stands in the model, its buffers, its sizes, its code.
std::string shaderText(mlir::func::FuncOp kernel);

} // namespace mapsto

#endif // MAPSTO_COMPILER_VULKAN_SHADERTEXT_H
