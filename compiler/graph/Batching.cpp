//===- Batching.cpp - One element's op, written for all elements ----------===//

#include "compiler/graph/Batching.h"

using namespace mlir;

namespace mapsto {

static int64_t rankOf(Value value) {
  return cast<RankedTensorType>(value.getType()).getRank();
}

/// The product of the sizes before an axis.
static Dim sizeBefore(Value value, int64_t axis) {
  return numElements(ArrayRef(dimsOf(value)).take_front(axis));
}

bool Batching::canApply(Operation *op, function_ref<bool(Value)> varies) const {
  if (op->getNumResults() != 1 || op->getNumRegions() != 0)
    return false;
  Value result = op->getResult(0);
  // The additional axes must have their place in every value.
  for (Value operand : op->getOperands())
    if (varies(operand) && rankOf(operand) < at)
      return false;
  if (rankOf(result) < at)
    return false;
  if (isPointwise(op))
    return true;
  return llvm::TypeSwitch<Operation *, bool>(op)
      .Case([&](ReshapeOp reshape) {
        return sizeBefore(reshape.getX(), at) == sizeBefore(result, at);
      })
      .Case([&](BroadcastOp broadcast) {
        return at == 0 || rankOf(broadcast.getX()) == rankOf(result);
      })
      .Case<TransposeOp, SliceOp, ConcatOp, SoftmaxOp>(
          [](auto) { return true; })
      .Case([&](ReduceOp reduce) {
        return llvm::all_of(reduce.getAxes(),
                            [&](int64_t axis) { return axis >= at; });
      })
      .Case([&](TakeOp take) {
        return !varies(take.getX()) && take.getAxis() == 0;
      })
      .Case([&](MatmulOp matmul) {
        // Of the left side only the rows may be cut by the additional axes,
        // and only if the right side is one matrix.
        if (!varies(matmul.getRhs()) && rankOf(matmul.getRhs()) == 2)
          return at < rankOf(matmul.getLhs());
        // Repeating a matrix for every element is never worth it.
        return varies(matmul.getLhs()) && at <= rankOf(matmul.getLhs()) - 2 &&
               at <= rankOf(matmul.getRhs()) - 2;
      })
      .Default([](Operation *) { return false; });
}

void Batching::apply(OpBuilder &builder, Operation *op) {
  GraphBuilder b(builder, op->getLoc());
  set(op->getResult(0), write(b, op));
}

Dims Batching::withAxes(Value element) const {
  Dims dims = dimsOf(element);
  dims.insert(dims.begin() + at, axes.begin(), axes.end());
  return dims;
}

/// A value that is the same for all elements, repeated along the batch. A
/// broadcast that made it per element is done once, for the batch.
Value Batching::spread(GraphBuilder &b, Value same) const {
  Value source = same;
  if (auto broadcast = same.getDefiningOp<BroadcastOp>())
    source = broadcast.getX();
  // Axes are aligned from the right: make room where the source has axes on
  // both sides of the additional ones.
  int64_t place = at - (rankOf(same) - rankOf(source));
  if (place > 0) {
    Dims dims = dimsOf(source);
    dims.insert(dims.begin() + place, axes.size(), Dim(1));
    source = b.reshape(source, dims);
  }
  return b.broadcast(source, withAxes(same));
}

Value Batching::operand(GraphBuilder &b, Value element) const {
  Value all = batch.lookup(element);
  return all ? all : spread(b, element);
}

Value Batching::writeMatmul(GraphBuilder &b, MatmulOp op) const {
  Value lhs = operand(b, op.getLhs());
  if (contains(op.getRhs()) || rankOf(op.getRhs()) != 2)
    return b.matmul(lhs, operand(b, op.getRhs()), op.getTransposed());
  // Rows of one each are rows of one matrix.
  Dims dims = dimsOf(lhs);
  if (dims.size() > 2 && dims[dims.size() - 2] == Dim(1)) {
    dims.erase(dims.end() - 2);
    Value rows =
        b.matmul(b.reshape(lhs, dims), op.getRhs(), op.getTransposed());
    return b.reshape(rows, withAxes(op.getResult()));
  }
  return b.matmul(lhs, op.getRhs(), op.getTransposed());
}

Value Batching::write(GraphBuilder &b, Operation *op) const {
  MLIRContext *context = op->getContext();
  if (auto matmul = dyn_cast<MatmulOp>(op))
    return writeMatmul(b, matmul);
  if (isa<ReshapeOp>(op))
    return b.reshape(operand(b, op->getOperand(0)), withAxes(op->getResult(0)));
  if (auto broadcast = dyn_cast<BroadcastOp>(op)) {
    Value x = get(broadcast.getX());
    Dims dims = dimsOf(x);
    dims.insert(dims.begin() + at + axes.size(),
                rankOf(broadcast.getResult()) - rankOf(broadcast.getX()),
                Dim(1));
    return b.broadcast(b.reshape(x, dims), withAxes(broadcast.getResult()));
  }
  if (auto transpose = dyn_cast<TransposeOp>(op)) {
    SmallVector<int64_t> permutation;
    for (int64_t axis : transpose.getPermutation())
      permutation.push_back(shifted(axis));
    for (size_t i = 0; i < axes.size(); ++i)
      permutation.insert(permutation.begin() + at + i, at + i);
    return b.create<TransposeOp>(operand(b, transpose.getX()),
                                 b.builder.getDenseI64ArrayAttr(permutation));
  }
  if (auto slice = dyn_cast<SliceOp>(op)) {
    Dims starts = slice.getStarts().getDims();
    Dims sizes = slice.getSizes().getDims();
    SmallVector<int64_t> steps(slice.getSteps());
    starts.insert(starts.begin() + at, axes.size(), Dim(0));
    sizes.insert(sizes.begin() + at, axes.begin(), axes.end());
    steps.insert(steps.begin() + at, axes.size(), 1);
    return b.create<SliceOp>(
        operand(b, slice.getX()), DimsAttr::get(context, starts),
        DimsAttr::get(context, sizes), b.builder.getDenseI64ArrayAttr(steps));
  }
  if (auto reduce = dyn_cast<ReduceOp>(op)) {
    SmallVector<int64_t> reduced;
    for (int64_t axis : reduce.getAxes())
      reduced.push_back(shifted(axis));
    return b.reduce(reduce.getKind(), operand(b, reduce.getX()), reduced);
  }
  if (auto softmax = dyn_cast<SoftmaxOp>(op))
    return b.create<SoftmaxOp>(
        operand(b, softmax.getX()),
        b.builder.getI64IntegerAttr(shifted(softmax.getAxis())));
  if (auto take = dyn_cast<TakeOp>(op))
    return b.create<TakeOp>(take.getX(), operand(b, take.getIndices()),
                            take.getAxisAttr());

  // Pointwise ops and concat are themselves on the batch's operands.
  IRMapping mapping;
  for (Value x : op->getOperands())
    mapping.map(x, operand(b, x));
  Operation *written = b.builder.clone(*op, mapping);
  written->getResult(0).setType(
      tensorOf(withAxes(op->getResult(0)), elementTypeOf(op->getResult(0))));
  if (auto concat = dyn_cast<ConcatOp>(written))
    concat.setAxis(shifted(concat.getAxis()));
  return written->getResult(0);
}

} // namespace mapsto
