//===- EmitIndexed.h - Scatter and update as shaders ------------*- C++ -*-===//

#ifndef MAPSTO_COMPILER_VULKAN_EMITINDEXED_H
#define MAPSTO_COMPILER_VULKAN_EMITINDEXED_H

#include "compiler/graph/Grouping.h"
#include "compiler/kernel/KernelEmitter.h"

namespace mapsto {

/// Walks [0, count), all invocations of the dispatch abreast.
void eachOfDispatch(KernelEmitter &e, const Dim &count,
                    llvm::function_ref<void(Index)> body);

/// Is it a kernel that writes over part of its operand? Its result starts as
/// that operand, whose number among the kernel's arguments is `startsFrom`; the
/// runtime copies it.
bool isIndexedShader(const Group &group);
/// Nothing where the operand is computed in the kernel itself.
std::optional<unsigned> startsFrom(const Group &group);
/// Items of which no two write to one element.
Dim itemsOfIndexed(const Group &group);
void emitIndexed(KernelEmitter &e, const Group &group, const Buffer &result);
/// Elements of the operand that differ along the axis alone are a column.
Dim columnsOfIndexed(const Group &group);
/// Columns [begin, end) by one workgroup, the copy too.
void emitIndexedInWorkgroup(KernelEmitter &e, const Group &group,
                            const Buffer &result, mlir::Value begin,
                            mlir::Value end);

} // namespace mapsto

#endif // MAPSTO_COMPILER_VULKAN_EMITINDEXED_H
