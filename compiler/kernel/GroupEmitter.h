//===- GroupEmitter.h - The loop structures of kernels ----------*- C++ -*-===//
//
// Each kind of group has a function that writes its loops over a range of its
// grid, and one that says how large the grid is. A kernel is a group over the
// range that the runtime gives it; a stage of a recurrence is a group over its
// whole grid, inside the time loop.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_COMPILER_KERNEL_GROUPEMITTER_H
#define MAPSTO_COMPILER_KERNEL_GROUPEMITTER_H

#include "compiler/graph/Grouping.h"
#include "compiler/kernel/KernelEmitter.h"

namespace mapsto {

/// Number of independent work items of a group.
Dim gridOf(const Group &group, const Machine &machine);

/// Writes the group's items [begin, end) into `results`, one buffer per result
/// of the root.
void emitGroup(KernelEmitter &e, const Group &group,
               llvm::ArrayRef<Buffer> results, mlir::Value begin,
               mlir::Value end);

// One pair per kind, each in a file of its own.
Dim gridOfLoops(const Group &group);
void emitLoops(KernelEmitter &e, const Group &group,
               llvm::ArrayRef<Buffer> results, mlir::Value begin,
               mlir::Value end);
/// Reductions along other axes than the last, and what a group makes of them.
struct ColumnReductions {
  Dims kept; ///< sizes that stay, without ones: lanes walk the last
  /// The result has a value for each column, and not the rows again.
  bool perColumn = true;
  /// Otherwise: where the rows are among the result's axes of more than one
  /// element.
  llvm::SmallVector<int64_t> axes;
};
/// None where a group has other reductions, or no reduction.
std::optional<ColumnReductions> columnsOf(const Group &group);
Dim gridOfColumns(const ColumnReductions &columns);
void emitColumns(KernelEmitter &e, const Group &group,
                 const ColumnReductions &columns, const Buffer &result,
                 mlir::Value begin, mlir::Value end);
/// A pointwise group's transpose of an input whose rows do not lie along the
/// result's; null where there is none, or more than emitTransposed can do.
TransposeOp transposedRead(const Group &group);
Dim gridOfTransposed(TransposeOp op);
void emitTransposed(KernelEmitter &e, const Group &group, TransposeOp op,
                    const Buffer &result, mlir::Value begin, mlir::Value end);
/// Within an item of the grid, whose rows were just emitted: has the second of
/// several passes over an input's row ask for the next item's row.
void prefetchNextRows(KernelEmitter &e, mlir::Block *item,
                      llvm::ArrayRef<Dim> items);
Dim gridOfMatmul(const Group &group, const Machine &machine);
void emitMatmul(KernelEmitter &e, const Group &group,
                llvm::ArrayRef<Buffer> results, mlir::Value begin,
                mlir::Value end);
Dim gridOfAttention(AttentionOp op, const Machine &machine);
void emitAttention(KernelEmitter &e, AttentionOp op,
                   llvm::ArrayRef<Buffer> results, mlir::Value begin,
                   mlir::Value end);
Dim gridOfScan(ScanOp op);
void emitScan(KernelEmitter &e, ScanOp op, llvm::ArrayRef<Buffer> results,
              mlir::Value begin, mlir::Value end);
Dim gridOfCumulative(CumulativeOp op);
void emitCumulative(KernelEmitter &e, CumulativeOp op, const Buffer &result,
                    mlir::Value begin, mlir::Value end);
Dim gridOfTopK(TopKOp op);
void emitTopK(KernelEmitter &e, TopKOp op, llvm::ArrayRef<Buffer> results,
              mlir::Value begin, mlir::Value end);
void emitScatter(KernelEmitter &e, ScatterOp op, const Buffer &result);
void emitUpdate(KernelEmitter &e, UpdateOp op, const Buffer &result);

} // namespace mapsto

#endif // MAPSTO_COMPILER_KERNEL_GROUPEMITTER_H
