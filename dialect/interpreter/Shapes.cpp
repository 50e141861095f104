//===- Shapes.cpp - Rules: elements put elsewhere -------------------------===//
//
// All but concat and pad are one gather: the result's element at an index is
// x's at offset + sum of index * stride.
//
//===----------------------------------------------------------------------===//

#include "dialect/interpreter/Rules.h"

using namespace mlir;

namespace mapsto {

void gatherInto(Tensor &result, const Tensor &x, ArrayRef<int64_t> strides,
                int64_t offset) {
  size_t to = 0;
  if (x.isFloat())
    forEachPosition(result.shape, strides, offset,
                    [&](int64_t from) { result.f[to++] = x.f[from]; });
  else
    forEachPosition(result.shape, strides, offset,
                    [&](int64_t from) { result.i[to++] = x.i[from]; });
}

static LogicalResult broadcast(BroadcastOp, Call &call) {
  const Tensor &x = call.in(0);
  Tensor &result = call.out();
  Shape own = stridesOf(x.shape), strides(result.shape.size(), 0);
  size_t added = result.shape.size() - x.shape.size();
  for (size_t axis = 0; axis != own.size(); ++axis)
    if (x.shape[axis] != 1)
      strides[added + axis] = own[axis];
  gatherInto(result, x, strides, 0);
  return success();
}

static LogicalResult reshape(ReshapeOp, Call &call) {
  const Tensor &x = call.in(0);
  if (x.size() != call.out().size())
    return call.fail("reshape of " + str(x.shape) + " to " +
                     str(call.out().shape) +
                     ": the sizes do not multiply to "
                     "the same");
  call.out().f = x.f;
  call.out().i = x.i;
  return success();
}

static LogicalResult transpose(TransposeOp op, Call &call) {
  const Tensor &x = call.in(0);
  Shape own = stridesOf(x.shape), strides;
  for (int64_t axis : op.getPermutation())
    strides.push_back(own[axis]);
  gatherInto(call.out(), x, strides, 0);
  return success();
}

static LogicalResult slice(SliceOp op, Call &call) {
  const Tensor &x = call.in(0);
  FailureOr<Shape> starts = call.sizesOf(op.getStarts().getDims());
  if (failed(starts))
    return failure();
  Shape strides = stridesOf(x.shape);
  int64_t offset = 0;
  for (auto [axis, step] : llvm::enumerate(op.getSteps())) {
    int64_t size = call.out().shape[axis];
    int64_t last = (*starts)[axis] + (size - 1) * step;
    if (size > 0 && last >= x.shape[axis])
      return call.fail("element " + Twine(last) + " of axis " + Twine(axis) +
                       " is read, which has " + Twine(x.shape[axis]));
    offset += (*starts)[axis] * strides[axis];
    strides[axis] *= step;
  }
  gatherInto(call.out(), x, strides, offset);
  return success();
}

static LogicalResult flip(FlipOp op, Call &call) {
  const Tensor &x = call.in(0);
  Shape strides = stridesOf(x.shape);
  int64_t offset = 0;
  // An axis named twice is turned around twice.
  for (int64_t axis : op.getAxes()) {
    offset += (x.shape[axis] - 1) * strides[axis];
    strides[axis] = -strides[axis];
  }
  gatherInto(call.out(), x, strides, offset);
  return success();
}

// Writes x into result with its first element at `starts`.
static void place(Tensor &result, const Tensor &x, ArrayRef<int64_t> starts) {
  Shape strides = stridesOf(result.shape);
  int64_t offset = 0;
  for (auto [start, stride] : llvm::zip_equal(starts, strides))
    offset += start * stride;
  size_t from = 0;
  if (x.isFloat())
    forEachPosition(x.shape, strides, offset,
                    [&](int64_t to) { result.f[to] = x.f[from++]; });
  else
    forEachPosition(x.shape, strides, offset,
                    [&](int64_t to) { result.i[to] = x.i[from++]; });
}

static LogicalResult concat(ConcatOp op, Call &call) {
  Shape starts(call.out().shape.size(), 0);
  for (const Tensor *part : call.operands) {
    place(call.out(), *part, starts);
    starts[op.getAxis()] += part->shape[op.getAxis()];
  }
  return success();
}

static LogicalResult pad(PadOp op, Call &call) {
  FailureOr<Shape> low = call.sizesOf(op.getLow().getDims());
  if (failed(low) || failed(call.sizesOf(op.getHigh().getDims())))
    return failure();
  Tensor &result = call.out();
  const Tensor &value = call.in(1);
  if (result.isFloat())
    result.f.assign(result.f.size(), value.f[0]);
  else
    result.i.assign(result.i.size(), value.i[0]);
  place(result, call.in(0), *low);
  return success();
}

void addShapeRules(RuleTable &rules) {
  addRule<BroadcastOp>(rules, broadcast);
  addRule<ReshapeOp>(rules, reshape);
  addRule<TransposeOp>(rules, transpose);
  addRule<SliceOp>(rules, slice);
  addRule<FlipOp>(rules, flip);
  addRule<ConcatOp>(rules, concat);
  addRule<PadOp>(rules, pad);
}

} // namespace mapsto
