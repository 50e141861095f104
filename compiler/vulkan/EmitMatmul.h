//===- EmitMatmul.h - A matrix product as a shader --------------*- C++ -*-===//
//
// Two forms, by the number of rows:
//
// - A workgroup computes a tile of the result. Both sides come through shared
//   memory in steps along K; each invocation keeps the sums of some rows and
//   columns in registers.
// - For a few rows reading the right side is all that takes time: a workgroup
//   has a strip of columns and its invocations each a slice of K, whose sums
//   are added up in the end.
//
// What follows the product is applied to the sums on their way to memory.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_COMPILER_VULKAN_EMITMATMUL_H
#define MAPSTO_COMPILER_VULKAN_EMITMATMUL_H

#include "compiler/graph/Grouping.h"
#include "compiler/kernel/KernelEmitter.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace mapsto {

/// Writes the group's product and what follows it into `results`, and notes the
/// choices of its tiles on the function.
void emitMatmulShader(KernelEmitter &e, mlir::func::FuncOp function,
                      const Group &group, llvm::ArrayRef<Buffer> results);

} // namespace mapsto

#endif // MAPSTO_COMPILER_VULKAN_EMITMATMUL_H
