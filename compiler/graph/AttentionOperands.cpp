//===- AttentionOperands.cpp - What queries and keys were made of ---------===//

#include "compiler/graph/AttentionOperands.h"

#include "llvm/ADT/Sequence.h"

using namespace mlir;

namespace mapsto {

//===----------------------------------------------------------------------===//
// Factors
//===----------------------------------------------------------------------===//

/// The factor of `op`, of which `x` is the other operand; nothing for 0 and
/// what is not finite.
static std::optional<double> factorOf(Operation *op, Value &x) {
  std::optional<double> factor;
  if (isa<MulOp>(op)) {
    for (unsigned side : {1u, 0u})
      if (auto number = uniformValue(op->getOperand(side)); number && !factor) {
        factor = number;
        x = op->getOperand(1 - side);
      }
  } else if (isa<DivOp>(op)) {
    if (auto number = uniformValue(op->getOperand(1)); number && *number != 0) {
      factor = 1 / *number;
      x = op->getOperand(0);
    }
  }
  if (factor && (*factor == 0 || !std::isfinite(*factor)))
    return std::nullopt;
  return factor;
}

Value withoutFactor(GraphBuilder &b, Value x, double &factor) {
  Operation *op = x.getDefiningOp();
  if (!op || !isa<FloatType>(elementTypeOf(x)))
    return x;
  Value inner;
  if (auto found = factorOf(op, inner)) {
    factor *= *found;
    return withoutFactor(b, inner, factor);
  }
  if (!isa<ReshapeOp, TransposeOp, BroadcastOp>(op))
    return x;
  inner = withoutFactor(b, op->getOperand(0), factor);
  if (inner == op->getOperand(0))
    return x;
  if (auto transpose = dyn_cast<TransposeOp>(op))
    return mapsto::transpose(b.builder, op->getLoc(), inner,
                             transpose.getPermutation());
  return isa<ReshapeOp>(op) ? b.reshape(inner, dimsOf(x))
                            : b.broadcast(inner, dimsOf(x));
}

//===----------------------------------------------------------------------===//
// Repeats
//===----------------------------------------------------------------------===//

/// The axes of a reshape's operand that become its axis `axis`; nothing where
/// other axes become part of it.
static std::optional<std::pair<int64_t, int64_t>> mergedInto(ReshapeOp op,
                                                             int64_t axis) {
  Dims from = dimsOf(op.getX()), to = dimsOf(op.getResult());
  Dim before = numElements(ArrayRef(to).take_front(axis)), product = 1;
  int64_t begin = 0, rank = int64_t(from.size());
  while (begin < rank && product != before)
    product *= from[begin++];
  if (product != before)
    return std::nullopt;
  // An axis of size 1 belongs to either side.
  int64_t end = begin;
  for (product = 1; end < rank && product != to[axis];)
    product *= from[end++];
  if (product != to[axis])
    return std::nullopt;
  return std::pair(begin, end);
}

/// Of a broadcast, the operand's axis that is this one of the result; -1 where
/// it has none.
static int64_t axisBefore(BroadcastOp op, int64_t axis) {
  return std::max<int64_t>(axis - int64_t(dimsOf(op.getResult()).size()) +
                               int64_t(dimsOf(op.getX()).size()),
                           -1);
}

static bool isBroadcastAlong(BroadcastOp op, int64_t axis) {
  int64_t before = axisBefore(op, axis);
  return before < 0 || (dimOf(op.getX(), before) == Dim(1) &&
                        dimOf(op.getResult(), axis) != Dim(1));
}

Dim repeatsAlong(Value x, int64_t axis) {
  Operation *op = x.getDefiningOp();
  if (auto transpose = dyn_cast_or_null<TransposeOp>(op))
    return repeatsAlong(transpose.getX(), transpose.getPermutation()[axis]);
  if (auto broadcast = dyn_cast_or_null<BroadcastOp>(op)) {
    if (isBroadcastAlong(broadcast, axis))
      return dimOf(x, axis);
    return repeatsAlong(broadcast.getX(), axisBefore(broadcast, axis));
  }
  if (auto reshape = dyn_cast_or_null<ReshapeOp>(op)) {
    auto merged = mergedInto(reshape, axis);
    if (!merged || merged->first == merged->second)
      return 1;
    // The last axis of them runs fastest.
    return repeatsAlong(reshape.getX(), merged->second - 1);
  }
  return 1;
}

Value withoutRepeats(GraphBuilder &b, Value x, int64_t axis, const Dim &times) {
  if (times == Dim(1))
    return x;
  Dims dims = dimsOf(x);
  dims[axis] = *Dim::exactDiv(dims[axis], times);
  Operation *op = x.getDefiningOp();
  if (auto transpose = dyn_cast<TransposeOp>(op))
    return mapsto::transpose(b.builder, op->getLoc(),
                             withoutRepeats(b, transpose.getX(),
                                            transpose.getPermutation()[axis],
                                            times),
                             transpose.getPermutation());
  if (auto broadcast = dyn_cast<BroadcastOp>(op)) {
    Value inner = broadcast.getX();
    if (!isBroadcastAlong(broadcast, axis))
      inner = withoutRepeats(b, inner, axisBefore(broadcast, axis), times);
    return b.broadcast(inner, dims);
  }
  auto reshape = cast<ReshapeOp>(op);
  return b.reshape(withoutRepeats(b, reshape.getX(),
                                  mergedInto(reshape, axis)->second - 1, times),
                   dims);
}

} // namespace mapsto
