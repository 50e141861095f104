//===- AttentionMatrices.h - Attention by matrices of subgroups -*- C++ -*-===//
//
// The variant of an attention's shader for devices with cooperative matrices.
// A workgroup takes a block of rows, of which each subgroup has its own, whole
// matrices of them. Its specialisation constants follow those of the plain
// variant (AttentionTilings.h), which are 0:
//
//   subgroups    of a workgroup
//   rowsEach     matrices along a subgroup's rows
//   keyBlock     keys of a block
//   matrixRows, matrixColumns, matrixDepth
//                of a product of matrices
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_COMPILER_VULKAN_ATTENTIONMATRICES_H
#define MAPSTO_COMPILER_VULKAN_ATTENTIONMATRICES_H

#include "compiler/kernel/AttentionPairs.h"
#include "compiler/vulkan/Matrices.h"

namespace mapsto {

/// Those of the variant with matrices; none if the attention has none: queries,
/// keys or values that are not of f16, features that are no multiple of a
/// matrix's side or too many for registers, another normalizer than softmax, a
/// score of its own, weights that are asked for.
llvm::SmallVector<Tiling> attentionMatrixTilings(AttentionOp op);
/// Above 0 where rows are more than what the plain variant has tilings for that
/// share a row among invocations.
Dim beyondFewRows(AttentionOp op);

class AttentionMatrices : AttentionPairs {
public:
  AttentionMatrices(KernelEmitter &e, AttentionOp op,
                    llvm::ArrayRef<Buffer> results);
  /// Adds the constants to the function.
  void addConstants(mlir::func::FuncOp function);
  /// Every item of the grid.
  void emit();

private:
  using Value = mlir::Value;
  template <typename T> using Function = llvm::function_ref<T>;

  int64_t width;   ///< of a query and a key
  int64_t columns; ///< of a value

  Value subgroups, rowsEach, keyBlock, matrixRows, matrixColumns, matrixDepth;

  Value rowBlock; ///< rows of the workgroup
  Value inRow;    ///< where in it the subgroup's begin
  Value ownRows;  ///< how many these are
  /// Scores of a row are an invocation's, or `parts` invocations' of its
  /// subgroup; an invocation has `lines` rows, or parts of rows, and so many
  /// keys of each.
  Value lane, lanes, part, parts, lines, keysEach;

  /// An array that the workgroup shares, of lines that are `stride` long; both
  /// count eights where it is of eights (Matrices.h).
  struct Tile {
    Value array, stride;
    int64_t unit = 1; ///< numbers of an element
  };
  Tile keyTile, valueTile; ///< of the block at hand; a key a line
  Tile scoreTile;          ///< a key a line too, so that rows are neighbours
  Tile weightTile;         ///< the same in f16
  Value exchange;          ///< what the parts of rows have to tell each other

  // Matrices; counts are those of a subgroup.
  Value queryMatrices, keyMatrices, scoreMatrices;
  Value weightMatrices, valueMatrices, output, growthMatrices;
  Value depthSteps;  ///< of queries and keys
  Value keySteps;    ///< of keys, as columns of scores
  Value weightSteps; ///< of keys, as depth of weights
  Value columnSteps; ///< of the output
  Value outputCount() { return e.mul(rowsEach, columnSteps); }

  // Of an invocation: for each of its lines.
  Value reference; ///< what scores are taken from: near their maximum
  Value total, top, growth, finished;

  Value firstKey, keyCount; ///< of the block

  void prepare();
  void allocate();
  void emitItem(Value item);
  void loadQueries();
  /// Brings rows of a matrix to shared memory; those from `count` on are 0.
  void stage(const Tile &to, int64_t length, Value count, Value operand,
             Function<Indices(Value line)> place);
  void multiplyKeys();
  /// Scores to weights; true in the whole subgroup if the output has to be
  /// divided by growthMatrices.
  Value softmax();
  void finishScores(Value line, Value row);
  Value finishedScore(Value raw, const Indices &place, Value key);
  /// The line's reference where its top calls for another, and what its sums
  /// are to be divided by.
  Value moveReference(Value line);
  void accumulate(Value mayHaveGrown);
  void finish();
  void storeOutput();

  /// Walks this invocation's lines: its number, and its row in the block.
  void eachLine(Function<void(Value line, Value row)> body);
  /// Walks its keys of a line.
  void eachKey(Function<void(Value n, Value key)> body);
  /// Combines the parts of rows.
  void combineParts(Value own, ReduceKind kind);
  Value inExchange(Value part, Value row);
  Value exponential(Value x);

  Matrix matrixOf(Value array, Value r, Value count, Value c) {
    return {array, e.add(e.mul(r, count), c)};
  }
  /// Scores or weights of the subgroup's r-th matrix of rows, from a key on.
  MatrixPlace ofRows(const Tile &tile, Value r, Value key) {
    Value row = e.add(inRow, e.mul(r, matrixRows));
    return {tile.array, inTile(tile, key, row), tile.stride,
            /*isColumnMajor=*/true};
  }
  Value inTile(const Tile &tile, Value line, Value at) {
    if (tile.unit > 1)
      at = div(at, e.idx(tile.unit));
    return e.add(e.mul(line, tile.stride), at);
  }
  Tile makeTile(llvm::StringRef name, Value lines, Value length, int64_t apart,
                mlir::Type element);
  /// A key or a value a line, which are `length` long, of eights if the
  /// operands that come by it lie in memory so.
  Tile tileOf(llvm::StringRef name, int64_t length,
              llvm::ArrayRef<Value> operands);

  Value div(Value x, Value y) {
    return mlir::arith::DivUIOp::create(e.b, x, y);
  }
  Value rem(Value x, Value y) {
    return mlir::arith::RemUIOp::create(e.b, x, y);
  }
  Value ceilDiv(Value x, Value y) {
    return div(e.sub(e.add(x, y), e.idx(1)), y);
  }
  Value both(Value x, Value y) {
    return mlir::arith::AndIOp::create(e.b, x, y);
  }
  Value select(Value condition, Value yes, Value no) {
    return mlir::arith::SelectOp::create(e.b, condition, yes, no);
  }
  Value compare(mlir::arith::CmpFPredicate how, Value x, Value y) {
    return mlir::arith::CmpFOp::create(e.b, how, x, y);
  }
  Value difference(Value x, Value y) {
    return mlir::arith::SubFOp::create(e.b, x, y);
  }
  Value product(Value x, Value y) {
    return mlir::arith::MulFOp::create(e.b, x, y);
  }
  Value quotient(Value x, Value y) {
    return mlir::arith::DivFOp::create(e.b, x, y);
  }
  Value get(Value array, Value at) {
    return mlir::memref::LoadOp::create(e.b, array, at);
  }
  void put(Value array, Value at, Value value) {
    mlir::memref::StoreOp::create(e.b, value, array, at);
  }
  Value ownArray(llvm::StringRef name, Value size) {
    return e.ownArray(name, size, type).memref;
  }
  void unrolled(llvm::StringRef name, Value count, Function<void(Value)> body) {
    e.unrolled(count, name, [&](Index i) { body(i.value); });
  }
  Index varying(Value v) { return {v, Index::Vector}; }
};

} // namespace mapsto

#endif // MAPSTO_COMPILER_VULKAN_ATTENTIONMATRICES_H
