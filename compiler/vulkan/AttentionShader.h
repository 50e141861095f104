//===- AttentionShader.h - One attention shader being written ---*- C++ -*-===//
//
// EmitAttention.cpp says how the shader goes; what it needs on the way is
// written by AttentionScores.cpp, AttentionNormalizers.cpp and
// AttentionOutput.cpp beside it.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_COMPILER_VULKAN_ATTENTIONSHADER_H
#define MAPSTO_COMPILER_VULKAN_ATTENTIONSHADER_H

#include "compiler/kernel/AttentionPairs.h"

namespace mapsto {

/// How an attention is cut into workgroups, and a workgroup's work into
/// invocations. An item is a block of rows against all keys, for a run of the
/// values' columns: all of them, unless they are too many for registers.
///
/// Invocations are a grid, `down` x `across`. Each has its own rows (y, y +
/// down, ...), of the block's keys its own (x, x + across, ...), and likewise
/// of the columns.
struct AttentionTiles : AttentionRows {
  /// What Vulkan grants everywhere; several workgroups of this size share a
  /// core and hide each other's waiting.
  static constexpr int64_t kInvocations = 128, kSharedBytes = 16 << 10;

  Dim blocks; ///< of rows
  Dim runs;   ///< of columns
  /// Few rows leave a device idle: several workgroups then share the keys, and
  /// the last to come merges what they have.
  Dim splits;

  int64_t across, down;
  int64_t rowsEach, keysEach, columnsEach;
  int64_t columns;  ///< of a run
  int64_t features; ///< of queries and keys, staged at a time
  int64_t values;   ///< staged at a time
  int64_t staged;   ///< numbers that the memory for staging holds

  int64_t rowBlock() const { return down * rowsEach; }
  int64_t keyBlock() const { return across * keysEach; }
  /// Of a run, up to a multiple of `across`.
  int64_t paddedColumns() const { return across * columnsEach; }

  /// What one of several workgroups leaves for the merge: of each invocation
  /// its rows' maxima and sums, and its part of the output.
  int64_t partSize() const {
    return kInvocations * rowsEach * (2 + columnsEach);
  }
  /// Splits fill a device with so many workgroups, and no more.
  static constexpr int64_t kWorkgroups = 256;
  /// Bytes of scratch for each item. It begins with the numbers of workgroups
  /// that have come, one for each of those that share keys.
  Dim scratch() const;
  static constexpr int64_t kCountBytes = kWorkgroups * 4;

  explicit AttentionTiles(AttentionOp op);
};

class AttentionShader : AttentionPairs {
public:
  AttentionShader(KernelEmitter &e, AttentionOp op,
                  llvm::ArrayRef<Buffer> results);

  /// Every item of the grid.
  void emit();

private:
  AttentionTiles tiles;

  // Of the workgroup.
  Buffer scores; ///< of the block at hand, then its weights
  Buffer staging;
  // Of an invocation: for each of its rows, and of the output also for each of
  // its columns.
  Buffer maximum, sum, rescale, output;
  Buffer bestKey, sharedKeys;    ///< hard
  Buffer threshold, above, mass; ///< sparsemax

  Index x, y; ///< this invocation's place in the grid of invocations
  mlir::Value item, split, firstColumn;
  /// Does this item write what there is one of for each row?
  mlir::Value isFirstRun;
  Range range;                    ///< of keys
  mlir::Value firstKey, keyCount; ///< of the block

  static constexpr double kInfinity = std::numeric_limits<double>::infinity();

  void allocate();
  void emitItem();

  /// Walks this invocation's rows: where they are in its own arrays, and where
  /// in the block.
  void eachRow(llvm::function_ref<void(Index own, Index row)> body);
  /// Walks its keys of the block, carrying a value.
  mlir::Value
  eachKey(mlir::Value init,
          llvm::function_ref<mlir::Value(Index key, mlir::Value carried)> body);
  void eachKey(llvm::function_ref<void(Index key)> body);
  /// Walks its columns of the run.
  void eachColumn(llvm::function_ref<void(Index own, Index column)> body);
  /// Walks the blocks of keys that some of the rows can see.
  void eachKeyBlock(llvm::function_ref<void()> body);
  /// Shares [0, count) out to the invocations.
  void shareOut(int64_t count, llvm::function_ref<void(Index)> body);

  mlir::Value select(mlir::Value condition, mlir::Value yes, mlir::Value no) {
    return mlir::arith::SelectOp::create(e.b, condition, yes, no);
  }
  mlir::Value greater(mlir::Value l, mlir::Value r) {
    return mlir::arith::CmpFOp::create(e.b, mlir::arith::CmpFPredicate::OGT, l,
                                       r);
  }
  mlir::Value equal(mlir::Value l, mlir::Value r) {
    return mlir::arith::CmpFOp::create(e.b, mlir::arith::CmpFPredicate::OEQ, l,
                                       r);
  }
  mlir::Value both(mlir::Value l, mlir::Value r) {
    return mlir::arith::AndIOp::create(e.b, l, r);
  }
  /// What scores are taken from: their maximum, or 0 where there is none.
  mlir::Value referenceOf(mlir::Value maximum) {
    return select(equal(maximum, number(-kInfinity)), number(0), maximum);
  }
  Index varying(mlir::Value v) { return {v, Index::Vector}; }
  /// Are these, counted in the block, a row and a key of the attention?
  mlir::Value isRow(Index row) { return e.less(row.value, rows); }
  mlir::Value isKey(Index key) { return e.less(key.value, keyCount); }
  Index keyOf(Index inBlock) {
    return e.addIndex(inBlock, e.uniform(firstKey));
  }

  // Scores (AttentionScores.cpp).

  /// The block's raw scores.
  void rawScores();
  void dotScores();
  void stageFeatures(mlir::Value feature);
  void multiplyFeatures(const Buffer &dots);
  void regionScores();
  /// Modified and masked; -inf where there is no such pair.
  mlir::Value finishedScore(Index row, const Indices &place, Index key);

  // Normalizers (AttentionNormalizers.cpp).

  void softmaxBlock();
  void sigmoidBlock();
  void hardBlock();
  /// The first key of the highest score of all invocations that share a row.
  void combineBest();
  /// tau with sum of max(s - tau, 0) = 1, by Newton's method from below: each
  /// step passes over all keys, and leaves fewer scores above. (Michelot,
  /// 1986.)
  void findThresholds();
  void sparsemaxBlock();
  /// Combines what each invocation has of its rows with all that share the row.
  void combineRows(const Buffer &own, ReduceKind kind, const Buffer &exchange);
  mlir::Value exponential(mlir::Value x);

  // Output (AttentionOutput.cpp).

  /// O = O * rescale + P V.
  void accumulate();
  void accumulateValues();
  void stageValues(mlir::Value first);
  void finish();
  void finishRows();
  void finishHard();
  void normalizeWeights();
  /// Stores a value for each row and column of the attention.
  void storeOutput(llvm::function_ref<mlir::Value(Index ownRow, Index ownColumn,
                                                  Index column)>
                       value);
  void storeWeight(mlir::Value v, Index row, const Indices &place, Index key);

  // Keys that several workgroups share (AttentionSplits.cpp).

  bool areSplit() const { return tiles.splits != Dim(1); }
  /// This workgroup's part of the keys.
  Range ownPart(Range all);
  /// Leaves what this workgroup has; the last to do so gets it all, and true.
  mlir::Value mergeParts();
  void storePart();
  void takeParts();
  /// Where this invocation's number n of a part lies.
  Index inPart(mlir::Value part, int64_t n);
  Buffer parts();
};

/// Writes an attention as a shader, all items of its grid.
void emitAttentionShader(KernelEmitter &e, AttentionOp op,
                         llvm::ArrayRef<Buffer> results);
/// The workgroups that this takes.
Dim gridOfAttentionShader(AttentionOp op);

} // namespace mapsto

#endif // MAPSTO_COMPILER_VULKAN_ATTENTIONSHADER_H
