//===- Invocations.cpp - Lanes that are invocations of a workgroup --------===//

#include "compiler/kernel/KernelEmitter.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"

using namespace mlir;

namespace mapsto {

Value KernelEmitter::invocation() {
  if (!thisInvocation) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(entry);
    thisInvocation = gpu::ThreadIdOp::create(b, gpu::Dimension::x);
  }
  return thisInvocation;
}

Value KernelEmitter::invocations() {
  if (!allInvocations) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(entry);
    allInvocations = gpu::BlockDimOp::create(b, gpu::Dimension::x);
  }
  return allInvocations;
}

Value KernelEmitter::combineInvocations(ReduceKind kind, Value v) {
  bool isFloat = isa<FloatType>(v.getType());
  bool isBool = v.getType().isInteger(1);
  gpu::AllReduceOperation operation;
  switch (kind) {
  case ReduceKind::sum:
    operation = gpu::AllReduceOperation::ADD;
    break;
  case ReduceKind::prod:
    operation = gpu::AllReduceOperation::MUL;
    break;
  case ReduceKind::max:
    operation = isFloat  ? gpu::AllReduceOperation::MAXIMUMF
                : isBool ? gpu::AllReduceOperation::OR
                         : gpu::AllReduceOperation::MAXSI;
    break;
  case ReduceKind::min:
    operation = isFloat  ? gpu::AllReduceOperation::MINIMUMF
                : isBool ? gpu::AllReduceOperation::AND
                         : gpu::AllReduceOperation::MINSI;
    break;
  case ReduceKind::any:
    operation = gpu::AllReduceOperation::OR;
    break;
  case ReduceKind::all:
    operation = gpu::AllReduceOperation::AND;
    break;
  }
  return gpu::AllReduceOp::create(
      b, v, gpu::AllReduceOperationAttr::get(b.getContext(), operation),
      /*uniform=*/true);
}

} // namespace mapsto
