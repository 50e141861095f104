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
/// Is the tiling of the form for few rows?
bool isOfFewRows(const Tiling &tiling);

} // namespace mapsto

#endif // MAPSTO_COMPILER_VULKAN_MATMULTILINGS_H
