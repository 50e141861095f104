//===- MaskBounds.h - Which keys a mask can leave ---------------*- C++ -*-===//
//
// A causal or windowed mask bounds how far a key may be ahead of or behind its
// query; lengths bound the keys that any query of a sequence may see. Blocks of
// keys outside those bounds need not be visited.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_COMPILER_GRAPH_MASKBOUNDS_H
#define MAPSTO_COMPILER_GRAPH_MASKBOUNDS_H

#include "dialect/MapstoDialect.h"

namespace mapsto {

/// A key's index against a value that the rows of an item share.
struct KeyBound {
  mlir::Value value; ///< i64, in the mask's region
  Dim shift;
};

struct MaskBounds {
  /// Pairs are kept only where j <= i + ahead, for each of these.
  llvm::SmallVector<Dim> ahead;
  /// Pairs are kept only where j >= i - behind, for each of these.
  llvm::SmallVector<Dim> behind;
  /// Pairs are kept only where j + shift < value, for each of these.
  llvm::SmallVector<KeyBound> ends;
  /// Pairs are kept only where j + shift >= value, for each of these.
  llvm::SmallVector<KeyBound> begins;
  /// All other pairs are kept.
  bool exact = false;
};

/// What can be told from the comparisons of i and j that a mask region joins
/// by `and`. Anything else in it is taken to keep every pair. So many leading
/// arguments of the region are the same in all rows of an item.
MaskBounds analyzeMask(mlir::Region &mask, size_t sharedArguments);

} // namespace mapsto

#endif // MAPSTO_COMPILER_GRAPH_MASKBOUNDS_H
