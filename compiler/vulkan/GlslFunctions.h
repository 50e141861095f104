//===- GlslFunctions.h - Functions that shaders bring along -----*- C++ -*-===//

#ifndef MAPSTO_COMPILER_VULKAN_GLSLFUNCTIONS_H
#define MAPSTO_COMPILER_VULKAN_GLSLFUNCTIONS_H

#include "mlir/IR/Operation.h"

namespace mapsto {

/// A function that GLSL has not, or leaves undefined or imprecise where models
/// need it.
struct GlslFunction {
  llvm::StringLiteral name;
  llvm::StringLiteral needs; ///< another one that it calls, or ""
  llvm::StringLiteral text;  ///< T stands for the type of its operands
};

/// Those of f64.
llvm::ArrayRef<GlslFunction> glslDoubles();

/// The function of f64 that an op is, if GLSL has none for it.
std::optional<llvm::StringRef> functionOfDouble(mlir::Operation *op);

/// The function of this name, which must exist.
const GlslFunction &glslFunction(llvm::StringRef name);

/// Words that a shader cannot name its own things by: GLSL's, and these
/// functions.
bool isReservedInGlsl(llvm::StringRef word);

} // namespace mapsto

#endif // MAPSTO_COMPILER_VULKAN_GLSLFUNCTIONS_H
