//===- ElaborateUnsigned.cpp - What is kept, and not computed with --------===//
//
// Unsigned integers are read, moved, converted and written. Any other op that
// meets one is refused where it is written, by the one place that all ops pass.
//
//===----------------------------------------------------------------------===//

#include "frontends/language/Elaborator.h"

using namespace mapsto;

static bool moves(mlir::Operation *op, mlir::OpOperand &operand) {
  if (mlir::isa<TakeOp, TakeAlongOp>(op))
    return operand.getOperandNumber() == 0; // no index
  return mlir::isa<CastOp, BroadcastOp, ReshapeOp, TransposeOp, SliceOp, FlipOp,
                   ConcatOp, PadOp, UpdateOp, SelectOp, ScanOp, RepeatOp,
                   YieldOp>(op) ||
         !mlir::isa<MapstoDialect>(op->getDialect());
}

void Elaborator::notifyOperationInserted(mlir::Operation *op,
                                         mlir::OpBuilder::InsertPoint) {
  for (mlir::OpOperand &operand : op->getOpOperands()) {
    auto tensor =
        mlir::dyn_cast<mlir::RankedTensorType>(operand.get().getType());
    if (!tensor || !tensor.getElementType().isUnsignedInteger() ||
        moves(op, operand))
      continue;
    bool isShort = tensor.getElementTypeBitWidth() < 32;
    fail(here,
         "this computes with " + describe(Object(operand.get())) +
             ": unsigned integers are kept, moved and converted only",
         isShort ? "`i32(x)` is computed with" : "`i64(x)` is computed with");
    return;
  }
}
