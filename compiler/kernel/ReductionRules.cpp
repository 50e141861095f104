//===- ReductionRules.cpp - Reductions in place ---------------------------===//

#include "compiler/graph/Grouping.h"
#include "compiler/kernel/Partial.h"

using namespace mlir;

namespace mapsto {

namespace {

/// Loops over `sizes`, carrying what `body` makes of it.
SmallVector<Value>
nest(KernelEmitter &e, ArrayRef<Dim> sizes, ValueRange init,
     SmallVectorImpl<Value> &ivs,
     function_ref<SmallVector<Value>(ValueRange carried)> body) {
  if (sizes.empty())
    return body(init);
  return e.loop(e.idx(0), e.dim(sizes.front()), 1, init,
                [&](Value iv, ValueRange carried) {
                  ivs.push_back(iv);
                  SmallVector<Value> next =
                      nest(e, sizes.drop_front(), carried, ivs, body);
                  ivs.pop_back();
                  return next;
                });
}

/// From here on the row of `tensor` that starts at `at` is read from `row`;
/// other rows are computed as before.
void giveRow(KernelEmitter &e, Value tensor, const Buffer &row, Indices at) {
  e.given[tensor] = [&e, tensor, row, at](ArrayRef<Index> wanted) -> Value {
    Dims dims = dimsOf(tensor);
    bool same = true;
    for (size_t axis = 0; axis + 1 < dims.size(); ++axis)
      same &= dims[axis] == Dim(1) ||
              (!(at[axis] < wanted[axis]) && !(wanted[axis] < at[axis]));
    return same ? e.load(row, wanted.back())
                : emitElement(e, cast<OpResult>(tensor), wanted);
  };
}

/// Of a ReduceOp or an ArgReduceOp.
Value reduce(KernelEmitter &e, Operation *op, ArrayRef<Index> indices) {
  Value source = op->getOperand(0);
  Dims dims = dimsOf(source);
  int64_t rank = dims.size();
  SmallVector<int64_t> axes = reducedAxes(op);

  Indices at(rank);
  for (int64_t axis = 0, next = 0; axis < rank; ++axis)
    if (!llvm::is_contained(axes, axis))
      at[axis] = indices[next++];

  // Along contiguous elements the lanes share the work; otherwise each lane
  // has its own sum.
  bool lanes = e.varies(indices);
  bool across = !lanes && !axes.empty() && axes.back() == rank - 1 &&
                dims[rank - 1] != Dim(1);
  SmallVector<Dim> outer;
  for (int64_t axis : axes)
    if (!(across && axis == rank - 1))
      outer.push_back(dims[axis]);

  std::unique_ptr<Partial> partial = partialOf(e, op, across);
  std::optional<Buffer> row;
  if (across && outer.empty() && e.kept.contains(source) &&
      !e.given.contains(source))
    row = e.allocate(dims.back(), elementTypeOf(source));

  checkNotEmpty(e, op);
  SmallVector<Value> ivs;
  SmallVector<Value> total = nest(
      e, outer, lanes || across ? partial->startOfLanes(e) : partial->start(),
      ivs, [&](ValueRange carried) {
        for (auto [k, iv] : llvm::enumerate(ivs))
          at[axes[k]] = e.uniform(iv);
        if (!across)
          return partial->add(carried, e.element(source, at),
                              axes.empty() ? Index() : at[axes.back()]);
        return e.laneLoop(
            dims[rank - 1], carried, partialsOf(e, source),
            partial->startOfLanes(e),
            [&](Index i, ValueRange before) {
              at[rank - 1] = i;
              Value x = e.elementVector(source, at);
              if (row)
                e.store(x, *row, i);
              SmallVector<Value> after = partial->add(before, x, i);
              if (Value mask = e.currentMask())
                for (auto [next, known] : llvm::zip_equal(after, before))
                  next = arith::SelectOp::create(e.b, mask, next, known);
              return after;
            },
            [&](ValueRange x, ValueRange y) { return partial->merge(x, y); });
      });
  if (row)
    giveRow(e, source, *row, at);
  return e.convert(across ? partial->finishAcross(total)
                          : partial->finish(total),
                   elementTypeOf(op->getResult(0)));
}

} // namespace

Value emitElement(KernelEmitter &e, OpResult result, ArrayRef<Index> indices) {
  Operation *op = result.getOwner();
  if (auto constant = dyn_cast<ConstantOp>(op)) {
    // Only constants of one value are computed in place; tables are buffers.
    auto value = cast<DenseElementsAttr>(constant.getValue());
    Type type = elementTypeOf(result);
    if (isa<FloatType>(type))
      return arith::ConstantOp::create(
          e.b, e.b.getFloatAttr(type, value.getSplatValue<APFloat>()));
    return arith::ConstantOp::create(
        e.b, e.b.getIntegerAttr(signless(type), value.getSplatValue<APInt>()));
  }
  if (auto size = dyn_cast<SizeOp>(op))
    return arith::IndexCastOp::create(e.b, e.b.getI64Type(),
                                      e.dim(*Dim::parse(size.getDim())));
  if (op->hasTrait<OpTrait::Elementwise>()) {
    SmallVector<Value> operands;
    for (Value operand : op->getOperands())
      operands.push_back(e.element(operand, indices));
    return emitPointwise(e, op, operands);
  }
  if (Value v = emitMovement(e, op, indices))
    return v;
  if (isa<ReduceOp, ArgReduceOp>(op))
    return reduce(e, op, indices);
  return emitContraction(e, op, indices);
}

} // namespace mapsto
