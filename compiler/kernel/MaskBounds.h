//===- MaskBounds.h - Which keys a mask can leave ---------------*- C++ -*-===//
//
// A causal or windowed mask bounds how far a key may be ahead of or behind its
// query. Blocks of keys outside those bounds need not be visited.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_COMPILER_KERNEL_MASKBOUNDS_H
#define MAPSTO_COMPILER_KERNEL_MASKBOUNDS_H

#include "dialect/MapstoDialect.h"

namespace mapsto {

struct MaskBounds {
  /// Pairs are kept only where j <= i + ahead, for each of these.
  llvm::SmallVector<Dim> ahead;
  /// Pairs are kept only where j >= i - behind, for each of these.
  llvm::SmallVector<Dim> behind;
  /// All other pairs are kept.
  bool exact = false;
};

/// What can be told from the comparisons of i and j that a mask region joins
/// by `and`. Anything else in it is taken to keep every pair.
MaskBounds analyzeMask(mlir::Region &mask);

} // namespace mapsto

#endif // MAPSTO_COMPILER_KERNEL_MASKBOUNDS_H
