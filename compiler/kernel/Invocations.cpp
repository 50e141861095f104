//===- Invocations.cpp - Lanes that are invocations of a workgroup --------===//

#include "compiler/KernelAttributes.h"
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

/// An array of `dims`, or of `size` elements where that is given.
static Buffer arrayIn(gpu::AddressSpace space, ImplicitLocOpBuilder &b,
                      StringRef name, ArrayRef<Dim> dims, Value size,
                      Type elementType) {
  auto attr = gpu::AddressSpaceAttr::get(b.getContext(), space);
  auto type = MemRefType::get(
      {size ? ShapedType::kDynamic : *numElements(dims).constant()},
      storedType(elementType), MemRefLayoutAttrInterface(), attr);
  auto array =
      memref::AllocaOp::create(b, type, size ? ValueRange(size) : ValueRange());
  array->setAttr(kHintAttr, b.getStringAttr(name));
  return {array, Value(), Dims(dims), elementType};
}

Buffer KernelEmitter::sharedArray(StringRef name, ArrayRef<Dim> dims,
                                  Type elementType) {
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(entry);
  return arrayIn(gpu::AddressSpace::Workgroup, b, name, dims, Value(),
                 elementType);
}

Buffer KernelEmitter::ownArray(StringRef name, ArrayRef<Dim> dims,
                               Type elementType) {
  return arrayIn(gpu::AddressSpace::Private, b, name, dims, Value(),
                 elementType);
}

Buffer KernelEmitter::sharedArray(StringRef name, Value size,
                                  Type elementType) {
  return arrayIn(gpu::AddressSpace::Workgroup, b, name, {Dim()}, size,
                 elementType);
}

Buffer KernelEmitter::ownArray(StringRef name, Value size, Type elementType) {
  return arrayIn(gpu::AddressSpace::Private, b, name, {Dim()}, size,
                 elementType);
}

bool KernelEmitter::isOwnArray(const Buffer &buffer) {
  auto space = dyn_cast_or_null<gpu::AddressSpaceAttr>(
      cast<MemRefType>(buffer.memref.getType()).getMemorySpace());
  return space && space.getValue() == gpu::AddressSpace::Private;
}

Buffer KernelEmitter::allocateForWorkgroup(ArrayRef<Dim> dims, Type elementType,
                                           StringRef name) {
  Type stored = storedType(elementType);
  Dim size = numElements(dims);
  if (std::optional<int64_t> known = size.constant(); known && *known > 0) {
    int64_t bytes = *known * stored.getIntOrFloatBitWidth() / 8;
    if (arrayBytes + bytes <= machine.sharedBytes) {
      arrayBytes += bytes;
      return sharedArray(name, dims, elementType);
    }
  }
  OpBuilder::InsertionGuard guard(b);
  constexpr int64_t kAlignment = 64;
  Dim width = stored.getIntOrFloatBitWidth() / 8;
  Dim begin = *Dim::exactDiv(scratchBytes, width);
  scratchBytes += Dim::ceilDiv(size * width, kAlignment) * Dim(kAlignment);
  auto &[all, start] = scratchViews[stored];
  if (!all)
    all = entry->addArgument(MemRefType::get({ShapedType::kDynamic}, stored),
                             b.getLoc());
  if (!start) {
    Value bytes = dim(width);
    b.setInsertionPointAfterValue(bytes);
    Value size = arith::DivUIOp::create(b, scratchSize, bytes);
    Value group = gpu::BlockIdOp::create(b, gpu::Dimension::x);
    start = arith::MulIOp::create(b, group, size);
  }
  if (begin == Dim(0))
    return {all, start, Dims(dims), elementType};
  Value within = dim(begin);
  Operation *last = start.getDefiningOp(), *other = within.getDefiningOp();
  if (other && other->getBlock() == entry && last->isBeforeInBlock(other))
    last = other;
  b.setInsertionPointAfter(last);
  return {all, arith::AddIOp::create(b, start, within), Dims(dims),
          elementType};
}

Buffer KernelEmitter::scratchOfDispatch(const Dim &size, Type elementType) {
  auto &all = scratchViews[elementType].first;
  if (!all)
    all = entry->addArgument(
        MemRefType::get({ShapedType::kDynamic}, elementType), b.getLoc());
  return {all, Value(), {size}, elementType};
}

void KernelEmitter::barrierOfArrays() {
  gpu::BarrierOp::create(b)->setAttr(kArraysOnlyAttr, b.getUnitAttr());
}

void KernelEmitter::barrier() { gpu::BarrierOp::create(b); }

void KernelEmitter::unrolled(Value count, StringRef name,
                             function_ref<void(Index)> body) {
  loop(idx(0), count, 1, [&](Value i) {
    auto loop = cast<scf::ForOp>(b.getInsertionBlock()->getParentOp());
    loop->setAttr(kUnrollAttr, b.getUnitAttr());
    loop->setAttr(kHintAttr, b.getStringAttr(name));
    body({i, Index::Vector});
  });
}

} // namespace mapsto
