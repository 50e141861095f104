//===- Hoisting.h - Work that leaves a loop body or a score -----*- C++ -*-===//
//
// What HoistFromScan and HoistFromAttention share: which values of a body
// depend on which of its arguments, which ops are worth computing outside, and
// the way back in for what is free to repeat.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_COMPILER_GRAPH_HOISTING_H
#define MAPSTO_COMPILER_GRAPH_HOISTING_H

#include "compiler/graph/Batching.h"
#include "llvm/ADT/SetVector.h"

namespace mapsto {

/// Which classes of a block's arguments its values depend on. A class is a bit
/// that the caller gives each argument; a value from around the block has none.
class Dependence {
public:
  Dependence(mlir::Block &block, llvm::ArrayRef<unsigned> argumentClasses);
  unsigned of(mlir::Value value) const { return classes.lookup(value); }
  /// Of all operands, those of nested regions too.
  unsigned of(mlir::Operation *op) const;

private:
  llvm::DenseMap<mlir::Value, unsigned> classes;
};

/// Moves the ops that depend on no argument and that `isWorth` accepts, with
/// what they need, to before the block's parent op.
void hoistInvariants(mlir::Block &block, const Dependence &dependence,
                     llvm::function_ref<bool(mlir::Operation *)> isWorth);

/// Computes for all elements of a batch, before the block's parent op, what
/// depends only on the arguments of one class and hangs on an op that `isRoot`
/// accepts: the op, what it needs, and the cheap ops after it as long as that
/// does not give the block more values to read.
///
/// `batching` knows the batch of each such argument. Returns the values that
/// the block still reads of those now computed outside; their batches are in
/// `batching`, the ops that made them are still in the block.
llvm::SmallVector<mlir::Value>
hoistBatch(mlir::Block &block, const Dependence &dependence, unsigned ofClass,
           Batching &batching,
           llvm::function_ref<bool(mlir::Operation *)> isRoot);

/// Copies constants, broadcasts and their like that a block reads from around
/// it into the block: there they cost nothing, outside they would be stored.
void sinkFreeOps(mlir::Block &block);

/// Erases ops of the block that nothing uses.
void eraseUnused(mlir::Block &block);

/// Writes a product with a concatenation along its inner axis as a sum of
/// products, where the parts depend on different arguments (of the classes
/// given) and `isWorth` accepts: those of one class may then leave the block.
///   concat(a, b) W  =  a W[:K] + b W[K:]
void splitConcatMatmuls(mlir::Block &block, llvm::ArrayRef<unsigned> classes,
                        llvm::function_ref<bool(MatmulOp)> isWorth);

} // namespace mapsto

#endif // MAPSTO_COMPILER_GRAPH_HOISTING_H
