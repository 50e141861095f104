//===- StoredWeights.h - Elements of a weights file, as stored --*- C++ -*-===//
//
// From the element types of a file to those of an artifact, run by run; the
// scales of matrices of whole numbers; and what such a storage loses.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_COMPILER_PACKAGE_STOREDWEIGHTS_H
#define MAPSTO_COMPILER_PACKAGE_STOREDWEIGHTS_H

#include "dialect/MapstoDialect.h"
#include "runtime/mapsto.h"

#include <vector>

namespace mapsto {

/// A tensor of a weights file, where it lies.
struct WeightView {
  mapsto_dtype dtype;
  std::vector<int64_t> shape;
  llvm::ArrayRef<char> bytes;
};

/// How elements of a tensor type are stored.
mapsto_dtype dtypeOf(mlir::Type elementType);

/// One scale for each row (`channels` = 0) or column (1) of a matrix.
std::vector<float> channelScales(const WeightView &matrix, int64_t channels);

/// Writes elements of a tensor as `dtype`; with `stored` of i8, as multiples of
/// the scales of its channels.
class ElementWriter {
public:
  ElementWriter(const WeightView &view, mapsto_dtype dtype, StorageAttr stored,
                llvm::ArrayRef<float> scales);

  /// `count` elements from `first` on, every `step`-th, to every `toStep`-th
  /// place. Of a matrix of whole numbers, within one row or down one column.
  void write(int64_t first, int64_t step, int64_t count, char *to,
             int64_t toStep = 1) const;

private:
  void quantizeRun(int64_t first, int64_t step, int64_t count, char *to,
                   int64_t toStep) const;

  const WeightView &view;
  mapsto_dtype dtype;
  std::optional<int64_t> channels;
  llvm::ArrayRef<float> scales;
};

/// What storing a matrix in fewer bits does to it.
struct StorageLoss {
  int64_t bytes = 0;     ///< as stored, with the scales
  double largest = 0;    ///< difference of an element
  double difference = 0; ///< sum of the differences' squares
  double magnitude = 0;  ///< sum of the elements' squares
  /// An element that cannot be stored: not finite, or too large for f16.
  std::optional<double> impossible;

  /// Root mean square of the differences over that of the elements. It is also
  /// what to expect of a product: each result is a sum of elements times
  /// inputs, and where these are independent, squares of errors add up.
  double relative() const;
};
StorageLoss measureStorage(const WeightView &matrix, StorageAttr stored);

} // namespace mapsto

#endif // MAPSTO_COMPILER_PACKAGE_STOREDWEIGHTS_H
