//===- EmitScan.h - A recurrence as one dispatch ----------------*- C++ -*-===//

#ifndef MAPSTO_COMPILER_VULKAN_EMITSCAN_H
#define MAPSTO_COMPILER_VULKAN_EMITSCAN_H

#include "compiler/kernel/GroupEmitter.h"

namespace mapsto {

/// Items of the dispatch, a workgroup each.
Dim itemsOfScan(ScanOp op, const Machine &machine);
/// Invocations that a workgroup is to have.
int64_t workgroupOfScan(ScanOp op, const Machine &machine);
/// Writes what a workgroup does for an item; all of its invocations come here.
void emitScanItem(KernelEmitter &e, ScanOp op, llvm::ArrayRef<Buffer> results,
                  mlir::Value item);

} // namespace mapsto

#endif // MAPSTO_COMPILER_VULKAN_EMITSCAN_H
