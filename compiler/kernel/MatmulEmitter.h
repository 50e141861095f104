//===- MatmulEmitter.h - Writes the loops of a matrix product ---*- C++ -*-===//
//
// Within a panel a register tile of rows by one panel's columns accumulates
// over all of K, so an element is complete when its tile ends. It is stored at
// once, after what follows the product where that is cheap, or else read by
// that from sums in L1.
// The right side is read panel by panel, [K][panel]: packed at compile time
// for weights, into scratch for other operands if whole tiles read it. These
// read the left side from scratch as well. Rows that fill no whole tile read
// the left side in place, and the right one too where it is not packed.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_COMPILER_KERNEL_MATMULEMITTER_H
#define MAPSTO_COMPILER_KERNEL_MATMULEMITTER_H

#include "compiler/kernel/MatmulPlan.h"

namespace mapsto {

class MatmulEmitter {
public:
  MatmulEmitter(KernelEmitter &e, const Group &group,
                llvm::ArrayRef<Buffer> results);

  /// Writes the grid's items [begin, end).
  void emit(mlir::Value begin, mlir::Value end);

private:
  /// Part of the result: of one batch, rows by columns.
  struct Block {
    mlir::Value batch, firstRow, endRow, firstColumn, endColumn;
  };
  /// A register tile: some rows by some panels.
  struct Tile {
    mlir::Value batch, row, column;
    int64_t rows, panels;
    bool fromPanel;              // the right side is in packedPanel
    mlir::Value packedTile = {}; // the left side is in packedRows, as this tile
  };
  /// What a tile leaves: a vector for each row and column vector of it.
  using Sums = llvm::SmallVector<mlir::Value>;

  KernelEmitter &e;
  const Group &group;
  llvm::ArrayRef<Buffer> results;
  const MatmulPlan plan;
  const Product &p;
  mlir::Type type, accumulator;
  std::optional<Buffer> packedPanel; // [K][panel]
  std::optional<Buffer> packedRows;  // [tile][K / lanes][row][lanes]
  std::optional<Buffer> sums;        // [row of a tile][column of a group]
  bool keepsSums;                    // what follows reads them from there

  // The course of the kernel (EmitMatmul.cpp).

  void emitBatch(mlir::Value batch, mlir::Value begin, mlir::Value end);
  void emitBlock(const Block &block);
  void emitPacking(const Block &block);
  void emitTiled(const Block &block);
  void emitWholeTiles(const Block &block, mlir::Value endWhole,
                      llvm::function_ref<void(const Block &)> rest);
  void emitRest(const Block &block, mlir::Value row, mlir::Value count,
                bool fromPanel);
  void emitRows(const Block &block, mlir::Value row, mlir::Value sumsRow,
                int64_t rows, bool fromPanel);
  void eachColumns(const Block &block, int64_t columns,
                   llvm::function_ref<void(const Block &)> body);

  // Few rows by a transposed matrix (MatmulDots.cpp).

  void emitDots(const Block &block);
  void emitDotTile(const Block &part, mlir::Value row, mlir::Value sumsRow,
                   int64_t rows, mlir::Value column, int64_t columns);

  // Where operands are (MatmulOperands.cpp).

  mlir::Value lhsElement(mlir::Value batch, mlir::Value row, Index k);
  mlir::Value rhsElement(mlir::Value batch, Index k, Index column);
  mlir::Value rhsVector(const Tile &t, mlir::Value k, int64_t v);
  mlir::Value maskOf(mlir::Value column, int64_t v);
  Index columnIndex(mlir::Value column, int64_t v);
  void packPanel(mlir::Value batch, mlir::Value column);
  void packTransposed(mlir::Value batch, mlir::Value column);
  void packRows(const Block &block, mlir::Value endWhole);

  // Tiles (MatmulTile.cpp).

  Sums multiply(const Tile &t);
  void emitTile(const Tile &t, mlir::Value sumsRow, mlir::Value sumsColumn);

  // What follows the product (MatmulEpilogue.cpp).

  bool muchFollows() const;
  Indices rowIndices(mlir::Value batch, mlir::Value row);
  void storeTile(const Tile &t, llvm::ArrayRef<mlir::Value> totals);
  void emitEpilogue(const Block &block, mlir::Value firstRow,
                    mlir::Value count);
};

} // namespace mapsto

#endif // MAPSTO_COMPILER_KERNEL_MATMULEMITTER_H
