//===- PairElements.cpp - A tensor of pairs, element by element -----------===//

#include "compiler/graph/PairElements.h"

using namespace mlir;

namespace mapsto {

/// Ops that are rather done again for every pair than stored for all of them.
static constexpr int kMostOps = 24;

//===----------------------------------------------------------------------===//
// Places
//===----------------------------------------------------------------------===//

namespace {
/// Neighbouring axes of two shapes that hold the same elements.
struct AxisGroup {
  SmallVector<size_t, 2> from, to;
};
} // namespace

/// Axes of size 1 belong to no group: their index is 0.
static std::optional<SmallVector<AxisGroup>> groupAxes(ArrayRef<Dim> from,
                                                       ArrayRef<Dim> to) {
  auto longAxes = [](ArrayRef<Dim> dims) {
    SmallVector<size_t> axes;
    for (size_t i = 0; i < dims.size(); ++i)
      if (dims[i] != Dim(1))
        axes.push_back(i);
    return axes;
  };
  SmallVector<size_t> left = longAxes(from), right = longAxes(to);
  SmallVector<AxisGroup> groups;
  size_t i = 0, j = 0;
  while (i < left.size() && j < right.size()) {
    AxisGroup group{{left[i]}, {right[j]}};
    Dim x = from[left[i++]], y = to[right[j++]];
    while (x != y) {
      if (i < left.size() && Dim::exactDiv(y, x)) {
        group.from.push_back(left[i]);
        x *= from[left[i++]];
      } else if (j < right.size() && Dim::exactDiv(x, y)) {
        group.to.push_back(right[j]);
        y *= to[right[j++]];
      } else {
        return std::nullopt;
      }
    }
    groups.push_back(group);
  }
  if (i < left.size() || j < right.size())
    return std::nullopt;
  return groups;
}

bool canMovePlace(ArrayRef<Dim> from, ArrayRef<Dim> to) {
  return groupAxes(from, to).has_value();
}

Place PairElements::move(ArrayRef<Value> place, ArrayRef<Dim> from,
                         ArrayRef<Dim> to) {
  Place moved(to.size());
  SmallVector<AxisGroup> groups = *groupAxes(from, to);
  for (const AxisGroup &group : groups) {
    Value at = place[group.from[0]];
    for (size_t axis : ArrayRef(group.from).drop_front())
      at = b.add(b.mul(at, number(from[axis])), place[axis]);
    for (size_t axis : llvm::reverse(ArrayRef(group.to).drop_front())) {
      Value size = number(to[axis]);
      moved[axis] = b.create<ModOp>(at, size);
      at = b.div(at, size);
    }
    moved[group.to[0]] = at;
  }
  for (Value &index : moved)
    if (!index)
      index = number(0);
  return moved;
}

Value PairElements::number(const Dim &dim) {
  if (auto constant = dim.constant())
    return scalar(builder, b.loc, *constant, builder.getI64Type());
  return SizeOp::create(builder, b.loc,
                        RankedTensorType::get({}, builder.getI64Type()),
                        dim.str());
}

bool PairElements::isOfPair(ArrayRef<Value> place) {
  bool hasQuery = false, hasKey = false;
  SmallVector<Value> pending(place);
  while (!pending.empty()) {
    Value v = pending.pop_back_val();
    hasQuery |= v == query;
    hasKey |= v == key;
    if (Operation *op = v.getDefiningOp())
      llvm::append_range(pending, op->getOperands());
  }
  return hasQuery && hasKey;
}

//===----------------------------------------------------------------------===//
// Elements
//===----------------------------------------------------------------------===//

PairElements::PairElements(Block &block)
    : builder(OpBuilder::atBlockEnd(&block)),
      b(builder, block.getArgument(0).getLoc()),
      query(block.getArgument(block.getNumArguments() - 2)),
      key(block.getArgument(block.getNumArguments() - 1)) {}

void PairElements::give(Value tensor, Value element) {
  given[tensor] = element;
}

void PairElements::giveNothing(Value tensor) {
  given[tensor] = scalar(builder, b.loc, 0, elementTypeOf(tensor));
}

static bool isCheap(Operation *op) {
  return isPointwise(op) &&
         (isa<AddOp, SubOp, MulOp, MinOp, MaxOp, NegOp, AbsOp, AndOp, OrOp,
              XorOp, NotOp, CompareOp, SelectOp, CastOp>(op) ||
          (isa<DivOp>(op) && isa<FloatType>(elementTypeOf(op->getResult(0)))));
}

/// How many cheap ops make the tensor; `reads` counts the tensors that they
/// start from.
static int costOf(Value tensor, int &reads, int limit = kMostOps) {
  Operation *op = tensor.getDefiningOp();
  if (uniformValue(tensor) || isa_and_nonnull<IotaOp, SizeOp>(op))
    return 0;
  if (isa_and_nonnull<BroadcastOp, ReshapeOp, SliceOp>(op))
    return costOf(op->getOperand(0), reads, limit);
  if (!op || !isCheap(op)) {
    ++reads;
    return 0;
  }
  int cost = 1;
  for (Value operand : op->getOperands()) {
    if (cost > limit)
      return cost;
    cost += costOf(operand, reads, limit - cost);
  }
  return cost;
}

std::optional<Place> PairElements::behind(Operation *view,
                                          ArrayRef<Value> place) {
  if (!isa<BroadcastOp, ReshapeOp, SliceOp>(view))
    return std::nullopt;
  Dims dims = dimsOf(view->getResult(0)), from = dimsOf(view->getOperand(0));
  if (isa<BroadcastOp>(view)) {
    Place at(place.take_back(from.size()));
    for (auto [index, size] : llvm::zip_equal(at, from))
      if (size == Dim(1))
        index = number(0);
    return at;
  }
  if (isa<ReshapeOp>(view)) {
    if (!canMovePlace(dims, from))
      return std::nullopt;
    return move(place, dims, from);
  }
  auto slice = cast<SliceOp>(view);
  Place at;
  for (auto [axis, start] : llvm::enumerate(slice.getStarts().getDims())) {
    Value index = place[axis];
    if (slice.getSteps()[axis] != 1)
      index = b.mul(index, number(slice.getSteps()[axis]));
    at.push_back(start == Dim(0) ? index : b.add(index, number(start)));
  }
  return at;
}

Value PairElements::negated(Value condition) {
  if (auto inner = condition.getDefiningOp<NotOp>())
    return inner.getX();
  // Of whole numbers the opposite comparison; floats may be NaN.
  auto compare = condition.getDefiningOp<CompareOp>();
  if (!compare || isa<FloatType>(elementTypeOf(compare.getLhs())))
    return b.create<NotOp>(condition);
  using P = ComparePredicate;
  auto opposite = [&] {
    switch (compare.getPredicate()) {
    case P::eq:
      return P::ne;
    case P::ne:
      return P::eq;
    case P::lt:
      return P::ge;
    case P::ge:
      return P::lt;
    case P::le:
      return P::gt;
    case P::gt:
      return P::le;
    }
    llvm_unreachable("every predicate is listed");
  };
  return b.create<CompareOp>(opposite(), compare.getLhs(), compare.getRhs());
}

Value PairElements::element(Value tensor, ArrayRef<Value> place) {
  if (Value other = replaced.lookup(tensor))
    return element(other, place);
  if (Value element = given.lookup(tensor))
    return b.cast(element, elementTypeOf(tensor));
  Type type = elementTypeOf(tensor);
  if (auto value = uniformValue(tensor))
    return scalar(builder, b.loc, *value, type);
  Operation *op = tensor.getDefiningOp();
  if (auto iota = dyn_cast_or_null<IotaOp>(op))
    return b.cast(place[iota.getAxis()], type);
  if (op)
    if (auto at = behind(op, place))
      return element(op->getOperand(0), *at);
  if (!op || !isPointwise(op))
    return read(tensor, place);
  if (!path.contains(op)) {
    int reads = 0, cost = costOf(tensor, reads);
    // One number a query or a key is computed once, unless it costs nothing.
    if (cost > kMostOps || (reads > 0 && !isOfPair(place)))
      return read(tensor, place);
  }
  IRMapping scalars;
  for (Value operand : op->getOperands())
    if (!scalars.contains(operand))
      scalars.map(operand, element(operand, place));
  if (isa<AddOp>(op))
    for (unsigned side : {0, 1})
      if (uniformValue(scalars.lookup(op->getOperand(side))) == 0)
        return scalars.lookup(op->getOperand(1 - side));
  Operation *copy = builder.clone(*op, scalars);
  copy->getResult(0).setType(tensorOf({}, type));
  copy->setLoc(b.loc);
  return copy->getResult(0);
}

Value PairElements::read(Value tensor, ArrayRef<Value> place) {
  Dims kept;
  SmallVector<Value> indices;
  for (auto [size, index] : llvm::zip_equal(dimsOf(tensor), place)) {
    if (size == Dim(1))
      continue;
    kept.push_back(size);
    indices.push_back(index);
  }
  // As a view of the whole, from which a kernel reads the element alone.
  Value element = b.reshape(tensor, kept);
  for (Value index : indices)
    element = b.create<TakeOp>(element, index, 0);
  return element;
}

} // namespace mapsto
