//===- StepSlices.cpp - The slices that a recurrence's steps read ---------===//

#include "compiler/graph/StepSlices.h"

using namespace mlir;

namespace mapsto {

std::optional<StepSlices> StepSlices::of(Value first, Value second) {
  auto a = first.getDefiningOp<SliceOp>(), b = second.getDefiningOp<SliceOp>();
  if (!a || !b || a.getX() != b.getX() || a.getSizes() != b.getSizes() ||
      a.getSteps() != b.getSteps())
    return std::nullopt;
  StepSlices slices{a, -1, 0, 0};
  Dims from = a.getStarts().getDims(), to = b.getStarts().getDims();
  for (size_t i = 0; i < from.size(); ++i) {
    if (from[i] == to[i])
      continue;
    std::optional<int64_t> delta = (to[i] - from[i]).constant();
    std::optional<int64_t> size = a.getSizes().getDims()[i].constant();
    if (slices.axis >= 0 || !delta || !size)
      return std::nullopt;
    slices.axis = i;
    slices.delta = *delta;
    slices.size = *size;
  }
  // Steps of several indices follow each other without a gap.
  bool fits = slices.axis >= 0 &&
              (slices.size == 1 || (slices.size == std::abs(slices.delta) &&
                                    a.getSteps()[slices.axis] == 1));
  return fits ? std::optional(slices) : std::nullopt;
}

bool StepSlices::isStep(Value v, int64_t step) {
  auto slice = v.getDefiningOp<SliceOp>();
  if (!slice || slice.getX() != first.getX() ||
      slice.getSizes() != first.getSizes() ||
      slice.getSteps() != first.getSteps())
    return false;
  Dims starts = first.getStarts().getDims();
  starts[axis] += Dim(step * delta);
  return slice.getStarts().getDims() == ArrayRef(starts);
}

bool StepSlices::reaches(int64_t steps) {
  Dim last = first.getStarts().getDims()[axis] + Dim((steps - 1) * delta);
  std::optional<int64_t> start = last.constant();
  std::optional<int64_t> after =
      (dimOf(first.getX(), axis) - last - Dim(size)).constant();
  return start && after && *start >= 0 && *after >= 0;
}

Dims StepSlices::stepDims() {
  Dims dims = first.getSizes().getDims();
  if (size == 1)
    dims.erase(dims.begin() + axis);
  return dims;
}

} // namespace mapsto
