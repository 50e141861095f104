//===- StepSlices.h - The slices that a recurrence's steps read -*- C++ -*-===//

#ifndef MAPSTO_COMPILER_GRAPH_STEPSLICES_H
#define MAPSTO_COMPILER_GRAPH_STEPSLICES_H

#include "dialect/MapstoDialect.h"

namespace mapsto {

/// The slices that steps read, known from the first two of them.
struct StepSlices {
  static std::optional<StepSlices> of(mlir::Value first, mlir::Value second);
  /// Whether `v` is the slice of a step.
  bool isStep(mlir::Value v, int64_t step);
  /// Whether so many steps are inside of the source, for certain.
  bool reaches(int64_t steps);
  /// Of a step, without the axis of time.
  Dims stepDims();

  SliceOp first;
  int64_t axis;
  int64_t delta; // from step to step
  int64_t size;  // of a step along the axis
};

} // namespace mapsto

#endif // MAPSTO_COMPILER_GRAPH_STEPSLICES_H
