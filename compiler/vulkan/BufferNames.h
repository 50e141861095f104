//===- BufferNames.h - What a shader's buffers are called -------*- C++ -*-===//

#ifndef MAPSTO_COMPILER_VULKAN_BUFFERNAMES_H
#define MAPSTO_COMPILER_VULKAN_BUFFERNAMES_H

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/StringMap.h"

#include <string>

namespace mapsto {

/// By kernel, what its operands and results are called where it is launched
/// first: an input's or output's name, the last part of a weight's, or the name
/// of the kernel that makes it.
using BufferNames = llvm::StringMap<llvm::SmallVector<std::string>>;
BufferNames bufferNamesOf(mlir::ModuleOp module);

} // namespace mapsto

#endif // MAPSTO_COMPILER_VULKAN_BUFFERNAMES_H
