//===- AttentionShader.h - One attention shader being written ---*- C++ -*-===//
//
// EmitAttention.cpp says how the shader goes; what it needs on the way is
// written by AttentionScores.cpp, AttentionNormalizers.cpp and
// AttentionOutput.cpp beside it.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_COMPILER_VULKAN_ATTENTIONSHADER_H
#define MAPSTO_COMPILER_VULKAN_ATTENTIONSHADER_H

#include "compiler/vulkan/AttentionTilings.h"

namespace mapsto {

class AttentionShader : AttentionPairs {
public:
  AttentionShader(KernelEmitter &e, mlir::func::FuncOp function, AttentionOp op,
                  llvm::ArrayRef<Buffer> results);

  void addConstants();
  /// Every item of the grid.
  void emit();

private:
  mlir::func::FuncOp function;
  AttentionTiles tiles;

  // The specialisation constants, of AttentionTilings.h, and what follows.
  mlir::Value down, across, rowsEach, keysEach, columnsEach, depth, values,
      staged;
  mlir::Value rowBlock, keyBlock, paddedColumns, invocations;
  /// Of rows; and workgroups that share their keys.
  mlir::Value blocks, splits;
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

  void prepare();
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
  void shareOut(mlir::Value count, llvm::function_ref<void(Index)> body);

  mlir::Value div(mlir::Value x, mlir::Value y) {
    return mlir::arith::DivUIOp::create(e.b, x, y);
  }
  mlir::Value rem(mlir::Value x, mlir::Value y) {
    return mlir::arith::RemUIOp::create(e.b, x, y);
  }
  mlir::Value ceilDiv(mlir::Value x, mlir::Value y) {
    return div(e.sub(e.add(x, y), e.idx(1)), y);
  }
  mlir::Value greatest(mlir::Value x, mlir::Value y) {
    return mlir::arith::MaxSIOp::create(e.b, x, y);
  }
  /// A place in an array of rows that are `stride` long.
  Index place(Index row, mlir::Value stride, Index column) {
    return varying(e.add(e.mul(row.value, stride), column.value));
  }
  Index scoreAt(Index row, Index key) {
    return place(row, e.add(keyBlock, e.idx(1)), key);
  }
  Index outputAt(Index ownRow, Index ownColumn) {
    return place(ownRow, columnsEach, ownColumn);
  }
  Index plus(Index x, mlir::Value y) { return varying(e.add(x.value, y)); }

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

  /// This workgroup's part of the keys.
  Range ownPart(Range all);
  /// Leaves what this workgroup has; the last to do so gets it all, and true.
  mlir::Value mergeParts();
  void storePart();
  void takeParts();
  /// A key as it is kept and combined.
  mlir::Value keyNumber(mlir::Value key) {
    return mlir::arith::IndexCastOp::create(e.b, e.b.getI32Type(), key);
  }
  /// Where this invocation's number n of a part lies.
  Index inPart(mlir::Value part, mlir::Value n);
  Buffer parts();
};

/// Writes an attention as a shader, and notes the choices of its tiles.
void emitAttentionShader(KernelEmitter &e, mlir::func::FuncOp function,
                         AttentionOp op, llvm::ArrayRef<Buffer> results);

} // namespace mapsto

#endif // MAPSTO_COMPILER_VULKAN_ATTENTIONSHADER_H
