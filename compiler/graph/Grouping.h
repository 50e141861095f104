//===- Grouping.h - Which ops become one kernel -----------------*- C++ -*-===//
//
// A group is what one kernel computes: an anchor that gives the loop structure
// (a matmul, an attention, a time loop, a row reduction, or nothing but
// pointwise work), with the ops fused before and after it. Its root is the op
// whose results leave the group. Ops that cost nothing to repeat (views,
// constants) belong to every group that reads them.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_COMPILER_GRAPH_GROUPING_H
#define MAPSTO_COMPILER_GRAPH_GROUPING_H

#include "dialect/MapstoDialect.h"

namespace mapsto {

struct Group {
  KernelKind kind = KernelKind::map;
  mlir::Operation *root = nullptr;
  /// The op that decides the loops; null for map and row kernels.
  mlir::Operation *anchor = nullptr;
  /// In program order, the root last.
  llvm::SmallVector<mlir::Operation *> ops;

  bool contains(mlir::Operation *op) const {
    return llvm::is_contained(ops, op);
  }
};

/// Cuts a block into groups, in the order in which they can run. Weights,
/// tables of constants, `repeat` and reshapes of what is in memory anyway stay
/// outside of any group.
llvm::SmallVector<Group> formGroups(mlir::Block &block);

/// The group that a kernel's body is, as FormKernels made it.
Group groupOfKernel(KernelOp kernel);

/// True for a constant that has one value for all its elements.
bool isSplat(mlir::Operation *op);
/// The axes that a ReduceOp or an ArgReduceOp reduces, in order; the same
/// counted among its operand's axes of more than one element.
llvm::SmallVector<int64_t> reducedAxes(mlir::Operation *op);
llvm::SmallVector<int64_t> reducedAmongLong(mlir::Operation *op);
/// True if the reduction leaves its operand's last axis of more than one
/// element.
bool reducesColumns(mlir::Operation *op);
/// True if the reduction is along its operand's last axis (of more than one
/// element): the loops then run along rows.
bool reducesRows(mlir::Operation *op);
/// True for a function that takes tens of instructions an element.
bool isTranscendental(mlir::Operation *op);
/// Sizes without the ones.
Dims withoutOnes(llvm::ArrayRef<Dim> dims);

} // namespace mapsto

#endif // MAPSTO_COMPILER_GRAPH_GROUPING_H
