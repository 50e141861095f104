//===- EmitCumulative.h - Running sums in a shader --------------*- C++ -*-===//

#ifndef MAPSTO_COMPILER_VULKAN_EMITCUMULATIVE_H
#define MAPSTO_COMPILER_VULKAN_EMITCUMULATIVE_H

#include "compiler/kernel/KernelEmitter.h"

namespace mapsto {

/// Invocations of a workgroup that share a line.
inline constexpr int64_t kLineInvocations = 128;

/// The lines along the op's axis.
Dim linesOf(CumulativeOp op);
/// Is there a line for each invocation? Else a workgroup shares one: where
/// lines are contiguous and long.
bool hasLinePerInvocation(CumulativeOp op);
/// Writes one invocation's line.
void emitOwnLine(KernelEmitter &e, CumulativeOp op, const Buffer &result,
                 Index line);
/// Writes a line that all invocations of the workgroup share.
void emitSharedLine(KernelEmitter &e, CumulativeOp op, const Buffer &result,
                    mlir::Value line);

} // namespace mapsto

#endif // MAPSTO_COMPILER_VULKAN_EMITCUMULATIVE_H
