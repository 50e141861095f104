//===- BodyAttention.h - Attention within a recurrence ----------*- C++ -*-===//

#ifndef MAPSTO_COMPILER_VULKAN_BODYATTENTION_H
#define MAPSTO_COMPILER_VULKAN_BODYATTENTION_H

#include "compiler/kernel/KernelEmitter.h"

namespace mapsto {

/// Writes an attention of a recurrence's body, by the workgroup at hand.
void emitBodyAttention(KernelEmitter &e, AttentionOp op,
                       llvm::ArrayRef<Buffer> results);

} // namespace mapsto

#endif // MAPSTO_COMPILER_VULKAN_BODYATTENTION_H
