//===- AttentionEmitter.h - One attention kernel being written --*- C++ -*-===//
//
// EmitAttention.cpp says how the kernel goes; what it needs on the way is
// written by AttentionScores.cpp, AttentionNormalizers.cpp,
// AttentionOutput.cpp and AttentionParts.cpp.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_COMPILER_KERNEL_ATTENTIONEMITTER_H
#define MAPSTO_COMPILER_KERNEL_ATTENTIONEMITTER_H

#include "compiler/kernel/AttentionPairs.h"
#include "compiler/kernel/GroupEmitter.h"

namespace mapsto {

/// How an attention is cut into items: each is a block of rows. Keys stream
/// past in blocks. Where that gives few items, as for a query of a decoder, and
/// keys are many, an item has a part of the keys.
struct AttentionGrid : AttentionRows {
  Dim blocks;    ///< of rows
  Dim blockRows; ///< the most rows of one
  Dim parts = 1; ///< of the keys

  /// Keys of a block: the columns of the values that a tile reads at a time,
  /// two cache lines of each key, fill L1.
  int64_t keyBlock;
  /// The most rows of a block: the scores take 3/8 of L2, beside keys and
  /// values. So many rows share the packing of the keys that it costs 2 % of
  /// what is done with them.
  int64_t queryBlock;

  AttentionGrid(AttentionOp op, const Machine &machine);

  /// Heads' blocks of rows, whose results the items are parts of.
  Dim wholes() const { return numElements(heads) * blocks; }
  Dim items() const { return wholes() * parts; }
};

inline constexpr double kInfinity = std::numeric_limits<double>::infinity();

class AttentionEmitter : AttentionPairs {
public:
  AttentionEmitter(KernelEmitter &e, AttentionOp op,
                   llvm::ArrayRef<Buffer> results);

  void emit(mlir::Value begin, mlir::Value end);

private:
  AttentionGrid grid;

  // Blocks in scratch.
  Buffer scores, output, maximum, reference, rescale, sum, best, allScores;
  Buffer scaledQuery, keyPanels;
  llvm::SmallVector<Buffer> keyColumns;
  /// What items hand on to the one that comes last, each at its own place; how
  /// many of a block have come.
  Buffer partMaximum, partSum, partOutput, arrivals;

  // The item at hand; of the block's keys, a tile's rows see `seen`.
  mlir::Value item, whole, part;
  mlir::Value firstKey, keyCount;
  Range seen;

  mlir::Value vector(double v) { return e.splat(number(v)); }
  Index rowIndex(mlir::Value row) { return e.uniform(row); }
  int64_t panel() const { return 2 * e.lanes; }

  void allocateBlocks();

  template <typename... Rest> Indices atRow(mlir::Value row, Rest... rest) {
    return with(placeOf(rowIndex(row)), rest...);
  }

  void eachRow(llvm::function_ref<void(mlir::Value)> body) {
    e.loop(e.idx(0), rows, 1, body);
  }

  /// For so few rows the keys are not packed.
  int64_t fewRows() const { return e.tileRows() / 2; }
  bool areFew() const;

  /// The block's rows as register tiles: whole ones, then one of a third, two
  /// thirds or all of the rows, the last of which may not be there, or a single
  /// one.
  using RowsBody = llvm::function_ref<void(mlir::Value row, int64_t count)>;
  void eachTile(RowsBody body) {
    eachLargeTile(body);
    lastSingleRow(body);
  }
  void eachLargeTile(RowsBody body);
  void lastSingleRow(RowsBody body);
  /// Rows after the whole tiles.
  mlir::Value restOfRows();

  /// Which of the block's keys the mask can leave to some of these rows.
  Range keysSeenBy(mlir::Value row, int64_t count);

  /// Of those, the vectors of keys that it leaves to this row altogether.
  Range keysKeptBy(mlir::Value row);

  /// Walks keys of the block, from a multiple of the lanes on.
  llvm::SmallVector<mlir::Value>
  eachKey(Range range, mlir::ValueRange inits,
          llvm::function_ref<llvm::SmallVector<mlir::Value>(Index,
                                                            mlir::ValueRange)>
              body);

  void emitQueryBlock();

  void start();

  // Parts of the keys (AttentionParts.cpp).

  bool hasParts() const { return grid.parts != Dim(1); }
  void allocateParts();

  /// The item's part of the keys.
  Range partOf(Range range);

  /// Hands this item's part on. True in the item that comes last, which then
  /// has all parts.
  mlir::Value joinParts();
  void storePart();
  void mergeParts();

  // Scores (AttentionScores.cpp).

  /// The block's keys transposed: a vector of keys from `first` on for each
  /// feature. Past the end the last key is repeated; features past the last are
  /// given too, and have their place.
  void
  eachColumn(mlir::Value key,
             llvm::function_ref<void(mlir::Value first, mlir::Value feature,
                                     mlir::Value column)>
                 put);

  mlir::Value keyVector(mlir::Value key, mlir::Value inBlock, Index d);

  /// Features as packed: whole vectors.
  Dim packedFeatures(mlir::Value key) {
    return Dim::ceilDiv(dimsOf(key).back(), Dim(e.lanes)) * Dim(e.lanes);
  }

  /// Keys of the block as [panel of keys][feature][key].
  void packKeys();

  void emitDotScores();

  /// Scores of rows too few to pack the keys for: lanes over the features, and
  /// as many keys at a time as there are lanes.
  void emitFewDotScores();

  /// Of a vector of keys from `first` on, those after the `last` as that one.
  void fewDotScores(mlir::Value first, mlir::Value last);

  void emitTiledDotScores();

  /// The score region, one query against a vector of keys.
  void emitRegionScores();

  /// The score of a vector of pairs with modify applied, and the mask unless
  /// all of them are known to be `kept`.
  mlir::Value finishedScore(mlir::Value row, Index j, bool kept = false);

  void storeWeights(mlir::Value v, mlir::Value row, Index key) {
    e.store(v, *weights, atRow(row, key));
  }

  // Normalizers (AttentionNormalizers.cpp).

  /// Scores of the block to weights, for a tile of rows.
  void finishTile(mlir::Value first);

  /// Finished scores of the block, and the largest of them that is a number.
  mlir::Value finishScores(mlir::Value row);

  mlir::Value isNone(mlir::Value m);

  /// 2^x or e^x, for x <= 0.
  mlir::Value exponential(mlir::Value x);

  /// Of rows at once: the maximum with that of the block, and what this
  /// changes.
  void raiseMaxima(Index row);

  /// Finished scores to exponentials, and their sum.
  void exponentiate(mlir::Value row);

  void sigmoidRow(mlir::Value row);

  /// The first key of the highest score so far.
  void hardRow(mlir::Value row);

  /// tau with sum of max(s - tau, 0) = 1: bisection, then the closed form on
  /// the support it found (Martins and Astudillo, arXiv:1602.02068).
  void emitSparsemax();

  // Output (AttentionOutput.cpp).

  /// O = O * rescale + P V.
  void accumulate();

  /// Walks the features, up to so many vectors at a time where their number is
  /// known to allow it.
  void eachColumns(int64_t most,
                   llvm::function_ref<void(llvm::ArrayRef<Index>)> body);

  void accumulateTile(mlir::Value row, int64_t count,
                      llvm::ArrayRef<Index> columns);

  void finish();

  void finishHard(mlir::Value row);
};

} // namespace mapsto

#endif // MAPSTO_COMPILER_KERNEL_ATTENTIONEMITTER_H
