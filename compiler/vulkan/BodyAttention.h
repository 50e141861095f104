//===- BodyAttention.h - Attention within a recurrence ----------*- C++ -*-===//

#ifndef MAPSTO_COMPILER_VULKAN_BODYATTENTION_H
#define MAPSTO_COMPILER_VULKAN_BODYATTENTION_H

#include "compiler/kernel/KernelEmitter.h"

namespace mapsto {

/// Queries of all heads.
Dim queriesOfBody(AttentionOp op);
/// Writes queries [begin, end) of an attention of a recurrence's body, by the
/// workgroup at hand.
void emitBodyAttention(KernelEmitter &e, AttentionOp op,
                       llvm::ArrayRef<Buffer> results, mlir::Value begin,
                       mlir::Value end);

} // namespace mapsto

#endif // MAPSTO_COMPILER_VULKAN_BODYATTENTION_H
