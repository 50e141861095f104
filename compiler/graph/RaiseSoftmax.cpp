//===- RaiseSoftmax.cpp - Softmax that was taken apart --------------------===//
//
//   %m = mapsto.reduce max %x {axes = [1]}
//   %e = mapsto.exp (mapsto.sub %x, (broadcast (reshape %m)))
//   %s = mapsto.reduce sum %e {axes = [1]}
//   %y = mapsto.div %e, (broadcast (reshape %s))
// becomes
//   %y = mapsto.softmax %x {axis = 1}
//
//===----------------------------------------------------------------------===//

#include "compiler/Passes.h"
#include "compiler/graph/Build.h"

namespace mapsto {

#define GEN_PASS_DEF_RAISESOFTMAX
#include "compiler/Passes.h.inc"

using namespace mlir;

namespace {

/// The reduction over one axis of `x` that `v` repeats along that axis again;
/// null if it is something else.
ReduceOp spreadReduction(Value v, Value x, ReduceKind kind) {
  auto broadcast = v.getDefiningOp<BroadcastOp>();
  if (!broadcast)
    return nullptr;
  Value rows = broadcast.getX();
  Dims spread = dimsOf(rows), kept = dimsOf(x);
  while (auto reshape = rows.getDefiningOp<ReshapeOp>())
    rows = reshape.getX();
  auto reduce = rows.getDefiningOp<ReduceOp>();
  if (!reduce || reduce.getKind() != kind || reduce.getX() != x ||
      reduce.getAxes().size() != 1)
    return nullptr;
  kept[reduce.getAxes()[0]] = 1;
  // Axes of size 1 in front are left to broadcasting.
  if (spread.size() > kept.size())
    return nullptr;
  size_t front = kept.size() - spread.size();
  bool fits = llvm::all_of(ArrayRef(kept).take_front(front),
                           [](const Dim &d) { return d == Dim(1); }) &&
              ArrayRef(kept).drop_front(front) == ArrayRef(spread);
  return fits ? reduce : nullptr;
}

/// Erases the op if nothing uses it, and so on with what it was computed from.
void eraseUnusedFrom(Operation *op) {
  if (!op || !op->use_empty())
    return;
  SmallVector<Value> operands(op->getOperands());
  op->erase();
  for (Value operand : operands)
    eraseUnusedFrom(operand.getDefiningOp());
}

struct RaiseSoftmax : public impl::RaiseSoftmaxBase<RaiseSoftmax> {
  void runOnOperation() override {
    getOperation().walk([](DivOp op) {
      auto exp = op.getLhs().getDefiningOp<ExpOp>();
      auto shifted = exp ? exp.getX().getDefiningOp<SubOp>() : nullptr;
      if (!shifted)
        return;
      Value x = shifted.getLhs();
      ReduceOp sum = spreadReduction(op.getRhs(), exp, ReduceKind::sum);
      ReduceOp top = spreadReduction(shifted.getRhs(), x, ReduceKind::max);
      if (!sum || !top || sum.getAxes() != top.getAxes())
        return;
      OpBuilder b(op);
      op.replaceAllUsesWith(
          SoftmaxOp::create(b, op.getLoc(), x, sum.getAxes()[0]).getResult());
      eraseUnusedFrom(op);
    });
  }
};

} // namespace
} // namespace mapsto
