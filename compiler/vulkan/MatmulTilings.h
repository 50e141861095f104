//===- MatmulTilings.h - Choices of a product's tiles -----------*- C++ -*-===//
//
// A tile's specialisation constants, in their order:
//
//   across       invocations along a tile's columns; the others are down its
//                rows, or slices of K
//   rowsEach     rows of an invocation
//   columnsEach  columns of an invocation
//   depth        of a step along K
//   slices       of K, for few rows; 1 for tiles
//
// In the variant with matrices, which are a subgroup's, `across` counts
// subgroups, `rowsEach` and `columnsEach` a subgroup's matrices, and there are
//
//   down           subgroups along a tile's rows
//   matrixRows, matrixColumns, matrixDepth
//                  of a product of matrices
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_COMPILER_VULKAN_MATMULTILINGS_H
#define MAPSTO_COMPILER_VULKAN_MATMULTILINGS_H

#include "compiler/kernel/MatmulPlan.h"
#include "compiler/vulkan/Tiling.h"

namespace mapsto {

/// Every tile's columns are a multiple of this.
inline constexpr int64_t kLeastTileColumns = 32;

/// Those that can be right for the product.
llvm::SmallVector<Tiling> matmulTilings(const Product &p,
                                        mlir::Type accumulator);
/// Those of the variant with matrices; none if the product is not of f16.
llvm::SmallVector<Tiling> matrixTilings(const Product &p);
/// Above 0 where rows are more than the form for few rows takes.
Dim beyondFewRows(const Product &p);
/// Is the tiling of the form for few rows?
bool isOfFewRows(const Tiling &tiling);

} // namespace mapsto

#endif // MAPSTO_COMPILER_VULKAN_MATMULTILINGS_H
