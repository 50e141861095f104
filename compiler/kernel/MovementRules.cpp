//===- MovementRules.cpp - One element of an op that moves elements -------===//
//
// Broadcast, reshape, slice, concat, take, ...: none computes anything, each
// says where its element comes from.
//
//===----------------------------------------------------------------------===//

#include "compiler/kernel/KernelEmitter.h"

using namespace mlir;

namespace mapsto {

namespace {

Value broadcast(KernelEmitter &e, BroadcastOp op, ArrayRef<Index> indices) {
  Dims source = dimsOf(op.getX());
  ArrayRef<Index> aligned = indices.take_back(source.size());
  Indices at;
  for (auto [index, dim] : llvm::zip_equal(aligned, source))
    at.push_back(dim == Dim(1) ? e.uniform(0) : index);
  return e.element(op.getX(), at);
}

/// The shortest leading parts of two shapes that hold equally many elements;
/// all of both where no shorter ones do.
std::pair<size_t, size_t> matchingParts(ArrayRef<Dim> to, ArrayRef<Dim> from) {
  size_t i = std::min<size_t>(1, to.size());
  size_t j = std::min<size_t>(1, from.size());
  Dim toSize = numElements(to.take_front(i));
  Dim fromSize = numElements(from.take_front(j));
  while (toSize != fromSize && (i < to.size() || j < from.size())) {
    // Grow the part that divides the other: it is the smaller.
    bool growTo =
        j == from.size() || (i < to.size() && Dim::exactDiv(fromSize, toSize));
    if (growTo)
      toSize *= to[i++];
    else
      fromSize *= from[j++];
  }
  return toSize == fromSize ? std::make_pair(i, j)
                            : std::make_pair(to.size(), from.size());
}

/// Axes that a reshape does not mix are matched up part by part, so only what
/// is really split or merged costs arithmetic.
Value reshape(KernelEmitter &e, ReshapeOp op, ArrayRef<Index> indices) {
  Dims toDims = dimsOf(op.getResult()), fromDims = dimsOf(op.getX());
  ArrayRef<Dim> to = toDims, from = fromDims;
  Indices at;
  while (!to.empty() || !from.empty()) {
    auto [toCount, fromCount] = matchingParts(to, from);
    Index linear = e.uniform(0);
    Dim stride = 1;
    for (size_t axis = toCount; axis-- > 0;) {
      if (to[axis] != Dim(1))
        linear = e.addIndex(linear, e.mulIndex(indices[axis], stride));
      stride *= to[axis];
    }
    llvm::append_range(at, e.delinearize(linear, from.take_front(fromCount)));
    to = to.drop_front(toCount);
    indices = indices.drop_front(toCount);
    from = from.drop_front(fromCount);
  }
  return e.element(op.getX(), at);
}

Value transpose(KernelEmitter &e, TransposeOp op, ArrayRef<Index> indices) {
  Indices at(indices.size());
  for (auto [result, source] : llvm::enumerate(op.getPermutation()))
    at[source] = indices[result];
  return e.element(op.getX(), at);
}

Value slice(KernelEmitter &e, SliceOp op, ArrayRef<Index> indices) {
  Dims starts = op.getStarts().getDims();
  Indices at;
  for (auto [axis, index] : llvm::enumerate(indices)) {
    Index scaled = e.mulIndex(index, Dim(op.getSteps()[axis]));
    at.push_back(starts[axis] == Dim(0)
                     ? scaled
                     : e.addIndex(scaled, e.uniform(e.dim(starts[axis]))));
  }
  return e.element(op.getX(), at);
}

Value flip(KernelEmitter &e, FlipOp op, ArrayRef<Index> indices) {
  Indices at(indices);
  Dims dims = dimsOf(op.getX());
  for (int64_t axis : op.getAxes()) {
    Value last = e.dim(dims[axis] - Dim(1));
    Index &index = at[axis];
    if (index.kind == Index::Uniform)
      index = e.uniform(e.sub(last, index.value));
    else
      index = {e.sub(e.indexVector(e.uniform(last)), e.indexVector(index)),
               Index::Vector};
  }
  return e.element(op.getX(), at);
}

/// A vector: `value` where the condition holds, `otherwise` elsewhere; nothing
/// is read where it does not.
Value guarded(KernelEmitter &e, Value condition, Value otherwise,
              function_ref<Value()> value) {
  otherwise = e.splat(otherwise);
  if (!e.isVector(condition))
    return e.branch(
        condition, {otherwise.getType()},
        [&] { return SmallVector<Value>{e.splat(value())}; },
        [&] { return SmallVector<Value>{otherwise}; })[0];
  Value v = e.masked(condition, [&] { return e.splat(value()); });
  return arith::SelectOp::create(e.b, condition, v, otherwise);
}

/// As guarded, but a scalar where no index varies over lanes.
Value guardedAt(KernelEmitter &e, ArrayRef<Index> indices, Value condition,
                Value otherwise, function_ref<Value()> value) {
  if (e.varies(indices) || e.isVector(otherwise))
    return guarded(e, condition, otherwise, value);
  return e.branch(
      condition, {otherwise.getType()},
      [&] { return SmallVector<Value>{value()}; },
      [&] { return SmallVector<Value>{otherwise}; })[0];
}

Value concat(KernelEmitter &e, ConcatOp op, ArrayRef<Index> indices) {
  int64_t axis = op.getAxis();
  Type type = elementTypeOf(op.getResult());
  Dim end = dimsOf(op.getResult())[axis];
  // From the last part to the first: `x < end of part` picks the part.
  Value result = e.constant(type, 0);
  SmallVector<Dim> starts;
  Dim start = 0;
  for (Value part : op.getParts()) {
    starts.push_back(start);
    start += dimOf(part, axis);
  }
  for (size_t k = op.getParts().size(); k-- > 0;) {
    Value part = op.getParts()[k];
    Value inside = e.below(indices[axis], e.dim(starts[k] + dimOf(part, axis)));
    if (k > 0) {
      Value from = e.atLeast(indices[axis], e.dim(starts[k]));
      inside = arith::AndIOp::create(e.b, inside, from);
    }
    Indices at(indices);
    result = guardedAt(e, indices, inside, result, [&] {
      at[axis] = e.addIndex(at[axis], e.uniform(e.dim(Dim(0) - starts[k])));
      return e.element(part, at);
    });
  }
  return result;
}

Value pad(KernelEmitter &e, PadOp op, ArrayRef<Index> indices) {
  Dims low = op.getLow().getDims(), dims = dimsOf(op.getX());
  Value inside;
  Indices at(indices);
  auto both = [&](Value condition) {
    if (inside)
      e.alike(inside, condition);
    inside = inside ? arith::AndIOp::create(e.b, inside, condition).getResult()
                    : condition;
  };
  Dims high = op.getHigh().getDims();
  for (size_t axis = 0; axis < at.size(); ++axis) {
    if (low[axis] == Dim(0) && high[axis] == Dim(0))
      continue;
    both(e.atLeast(at[axis], e.dim(low[axis])));
    both(e.below(at[axis], e.dim(low[axis] + dims[axis])));
    at[axis] = e.addIndex(at[axis], e.uniform(e.dim(Dim(0) - low[axis])));
  }
  if (!inside)
    return e.element(op.getX(), at);
  Value outside = e.element(op.getValue(), {});
  return guardedAt(e, indices, inside, outside,
                   [&] { return e.element(op.getX(), at); });
}

Value take(KernelEmitter &e, TakeOp op, ArrayRef<Index> indices) {
  int64_t axis = op.getAxis();
  int64_t rank = cast<RankedTensorType>(op.getIndices().getType()).getRank();
  Index at = e.position(op.getIndices(), indices.slice(axis, rank),
                        dimOf(op.getX(), axis));
  Indices source(indices.take_front(axis));
  source.push_back(at);
  llvm::append_range(source, indices.drop_front(axis + rank));
  return e.element(op.getX(), source);
}

Value takeAlong(KernelEmitter &e, TakeAlongOp op, ArrayRef<Index> indices) {
  Indices source(indices);
  source[op.getAxis()] =
      e.position(op.getIndices(), indices, dimOf(op.getX(), op.getAxis()));
  return e.element(op.getX(), source);
}

Value iota(KernelEmitter &e, IotaOp op, ArrayRef<Index> indices) {
  Type type = elementTypeOf(op.getResult());
  Value count = e.toInteger(indices[op.getAxis()], e.b.getI64Type());
  return e.convert(count, type);
}

} // namespace

Value emitMovement(KernelEmitter &e, Operation *op, ArrayRef<Index> indices) {
  return TypeSwitch<Operation *, Value>(op)
      .Case([&](BroadcastOp op) { return broadcast(e, op, indices); })
      .Case([&](ReshapeOp op) { return reshape(e, op, indices); })
      .Case([&](TransposeOp op) { return transpose(e, op, indices); })
      .Case([&](SliceOp op) { return slice(e, op, indices); })
      .Case([&](FlipOp op) { return flip(e, op, indices); })
      .Case([&](ConcatOp op) { return concat(e, op, indices); })
      .Case([&](PadOp op) { return pad(e, op, indices); })
      .Case([&](TakeOp op) { return take(e, op, indices); })
      .Case([&](TakeAlongOp op) { return takeAlong(e, op, indices); })
      .Case([&](IotaOp op) { return iota(e, op, indices); })
      .Default([](Operation *) { return Value(); });
}

} // namespace mapsto
