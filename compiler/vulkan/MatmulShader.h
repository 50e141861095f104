//===- MatmulShader.h - What the forms of a product share -------*- C++ -*-===//

#ifndef MAPSTO_COMPILER_VULKAN_MATMULSHADER_H
#define MAPSTO_COMPILER_VULKAN_MATMULSHADER_H

#include "compiler/kernel/MatmulPlan.h"
#include "compiler/vulkan/MatmulTilings.h"

namespace mapsto {

class MatmulShader {
public:
  MatmulShader(KernelEmitter &e, mlir::func::FuncOp function,
               const Group &group, llvm::ArrayRef<Buffer> results);
  void emit();

private:
  using Value = mlir::Value;
  template <typename T> using Function = llvm::function_ref<T>;

  KernelEmitter &e;
  mlir::func::FuncOp function;
  const Group &group;
  Buffer result;
  const Product p;
  mlir::Type type, accumulator;

  // The specialisation constants, of MatmulTilings.h.
  Value across, rowsEach, columnsEach, depth, slices;
  Value down, matrixRows, matrixColumns, matrixDepth;
  bool hasMatrices = false; ///< what is being written

  /// Where an invocation's first row and column are within its workgroup's
  /// tile, and how far its fours of them are apart.
  Value inRow, inColumn, rowStep, columnStep;

  /// A side of the product on its way through shared memory.
  struct Side {
    mlir::Type element;
    Value tile;   ///< the shared array
    Value stride; ///< of a step along K in it, or of a row or column
    Value extent; ///< rows or columns of the tile
    Value ahead;  ///< this invocation's elements of the next tile
    Value share;  ///< how many these are
    Value bound;  ///< rows or columns of the matrix
    /// How neighbours lie in memory: along K, else along the rows or columns,
    /// of panels of so many where that is not 0.
    bool isAlongK;
    int64_t panel = 0;
    /// How they lie in the shared array.
    bool isTileAlongK = false;
  };

  // EmitMatmul.cpp
  void emitWithoutMatrices(bool isFew, bool isMany);
  void either(Value condition, Function<void()> then,
              Function<void()> otherwise);
  void emitTiles();
  Side makeSide(llvm::StringRef name, Value extent, Value bound, bool isAlongK,
                int64_t panel);
  Side makeLhs(Value extent);
  Side makeRhs(Value extent);
  Value placeInTile(const Side &side, Value inTile, Value k);
  void eachOfShare(const Side &side,
                   Function<void(Value n, Value inTile, Value k)> body);
  void fetch(const Side &side, Value first, Value firstK,
             Function<Value(Value position, Value k)> read);
  void stage(const Side &side);
  /// Brings the tiles of a product's sides to shared memory step by step:
  /// while one step is computed the next one's elements are on their way.
  void eachStep(Value batch, const Side &lhs, Value firstRow, const Side &rhs,
                Value firstColumn, Function<void()> body);
  void multiply(const Side &lhs, const Side &rhs, Value lhsOwn, Value rhsOwn,
                Value sums);
  /// Walks the workgroup's tiles.
  void
  eachTile(Value tileRows, Value tileColumns,
           Function<void(Value batch, Value firstRow, Value firstColumn)> body);
  Value ownPosition(Value i, Value step);
  Value rhsElement(Value batch, Value k, Value column);
  Value elementOr0(Value condition, mlir::Type element, Function<Value()> read);
  void store(Value batch, Value row, Value column, Value sum);
  bool readsRhsAlongK() const;
  /// Walks the workgroup's items, of which a batch has so many.
  void eachItem(Value ofBatch, Function<void(Value batch, Value inBatch)> body);

  // MatmulFewRows.cpp
  void emitFewRows();

  // MatmulMatrices.cpp
  void emitMatrices();

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
  Value zero(mlir::Type t) { return e.constant(t, 0); }
  Value get(Value array, Value at) {
    return mlir::memref::LoadOp::create(e.b, array, at);
  }
  void put(Value array, Value at, Value value) {
    mlir::memref::StoreOp::create(e.b, value, array, at);
  }
  Value ownArray(llvm::StringRef name, Value size) {
    return e.ownArray(name, size, accumulator).memref;
  }
  void unrolled(llvm::StringRef name, Value count, Function<void(Value)> body) {
    e.unrolled(count, name, [&](Index i) { body(i.value); });
  }
  Index varying(Value v) { return {v, Index::Vector}; }
};

} // namespace mapsto

#endif // MAPSTO_COMPILER_VULKAN_MATMULSHADER_H
