//===- MatmulPlan.h - How a matrix product is cut ---------------*- C++ -*-===//
//
// From the outside in: the grid's items, each a tile's rows of a strip of
// columns; blocks of rows whose left side is packed at once; panels of columns
// as the right side has them; and the register tile. All follow from the sizes
// and from what the machine has in registers and caches.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_COMPILER_KERNEL_MATMULPLAN_H
#define MAPSTO_COMPILER_KERNEL_MATMULPLAN_H

#include "compiler/graph/Grouping.h"
#include "compiler/kernel/KernelEmitter.h"

namespace mapsto {

/// The product seen as rows [batch x M] by columns [N].
struct Product {
  mlir::Value lhs, rhs, result;
  bool packed = false, transposed = false, batchedRhs = false;
  Dims resultDims;
  Dim k, n, rows, batch;

  explicit Product(mlir::Operation *op);

  // Elements, read where they lie or by the rule of what made them.

  /// Indices of the result's axes but the last.
  Indices rowIndices(KernelEmitter &e, mlir::Value batch, Index row) const;
  mlir::Value lhsElement(KernelEmitter &e, mlir::Value batch, Index row,
                         Index k) const;
  /// Of a right side that is not packed.
  mlir::Value rhsElement(KernelEmitter &e, mlir::Value batch, Index k,
                         Index column) const;
};

struct MatmulPlan {
  Product p;
  int64_t panel;      ///< columns of a panel
  int64_t vectors;    ///< of a panel, those that can have columns
  int64_t tile;       ///< rows of a whole register tile
  int64_t smallTile;  ///< rows of the tile that a whole one's rest is cut into
  int64_t group;      ///< panels that the widest tile takes side by side
  int64_t chains;     ///< accumulators that keep the arithmetic busy
  bool hasWholeTiles; ///< there may be rows enough
  /// Elements are dots, where the right side is transposed and K longer than
  /// `dotsPerRow` times the rows; nothing: known at run time only.
  std::optional<bool> takesDots;
  int64_t dotsPerRow;
  Dim strip; ///< columns of an item, whole groups
  Dim strips, rowTiles;
  Dim blockTiles; ///< tiles of the rows that are packed at once

  MatmulPlan(mlir::Operation *anchor, const Machine &machine);

  Dim grid() const { return p.batch * itemsOfBatch(); }
  Dim itemsOfBatch() const { return strips * rowTiles; }
  /// How many panels side by side a tile of few rows takes.
  int64_t panelsBeside(int64_t rows, int64_t registers) const;
};

} // namespace mapsto

#endif // MAPSTO_COMPILER_KERNEL_MATMULPLAN_H
