//===- AttentionPairs.h - The pairs of an attention and their regions -----===//
//
// What both targets share of an attention: which rows and keys there are, what
// a region says of a pair of them, and which keys a mask can leave to some
// rows.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_COMPILER_KERNEL_ATTENTIONPAIRS_H
#define MAPSTO_COMPILER_KERNEL_ATTENTIONPAIRS_H

#include "compiler/graph/MaskBounds.h"
#include "compiler/kernel/KernelEmitter.h"

namespace mapsto {

/// The rows of an attention: the queries of one head, or of all heads that
/// share a head of keys and values.
struct AttentionRows {
  Dims heads; ///< the batch, but for what shares keys and values
  Dim group;  ///< query heads that share them
  Dim rows;   ///< of a head: group x queries

  /// Heads that share keys and values are rows of one head, if of the keys and
  /// values there are at least so many heads for certain.
  AttentionRows(AttentionOp op, int64_t leastHeads);
};

/// Writes what is said of pairs. A block of rows is at hand, `rows` of them
/// from `firstRow` on, of the head `batch`.
class AttentionPairs {
protected:
  AttentionPairs(KernelEmitter &e, AttentionOp op,
                 llvm::ArrayRef<Buffer> results, const AttentionRows &heads);

  KernelEmitter &e;
  AttentionOp op;
  Normalizer normalizer;
  mlir::Type type; ///< of scores and sums
  AttentionRows heads;
  Dims queryDims, valueDims, batchDims;
  Dim queries, keys, features;
  Buffer context;
  std::optional<Buffer> weights, logSumExp;
  bool dotScore;
  /// Scores are in units of log 2, by the queries' scale: 2^s is cheaper than
  /// e^s.
  bool inBits;
  MaskBounds bounds;

  struct Range {
    mlir::Value begin, end;
  };

  mlir::Value firstRow, rows;
  Indices batch, valueBatch;

  mlir::Value number(double v) { return e.constant(type, v); }

  /// The batch index of a key or value: with grouped queries several query
  /// heads share a head of theirs.
  Indices groupedBatch(mlir::Value operand);

  template <typename... Rest> Indices with(const Indices &batch, Rest... rest) {
    Indices at(batch);
    (at.push_back(rest), ...);
    return at;
  }

  /// Where a row's query is: the batch's indices and its own.
  Indices placeOf(Index row);

  /// The first and the last query of these rows.
  Range queriesOf(mlir::Value row, mlir::Value count);

  /// The first key that does not come before the bound, or the number of keys.
  mlir::Value keyBound(const KeyBound &bound);

  /// The keys that the mask can leave to any query of the block.
  Range visibleKeys();

  /// The scalar that a region yields, in the place at hand.
  mlir::Value regionValue(mlir::Block &region);

  /// Tells the emitter what a modify or mask region's indices are.
  void givePositions(mlir::Block &region, size_t first, const Indices &place,
                     Index key);

  /// What modify makes of a score; of all pairs alike without a region.
  mlir::Value modified(mlir::Value score, const Indices &place, Index key);

  /// Does the mask leave this pair?
  mlir::Value isKept(const Indices &place, Index key);
};

} // namespace mapsto

#endif // MAPSTO_COMPILER_KERNEL_ATTENTIONPAIRS_H
