//===- KernelEmitter.cpp - Writes one kernel as loops on vectors ----------===//

#include "compiler/kernel/KernelEmitter.h"

#include "runtime/mapsto.h"

using namespace mlir;

namespace mapsto {

KernelEmitter::KernelEmitter(Location loc, Block *entry, const Machine &machine)
    : b(loc, loc.getContext()), machine(machine), lanes(machine.lanes),
      registers(machine.registers), entry(entry) {
  b.setInsertionPointToEnd(entry);
  scopes.push_back({entry, Value(), {}, {}});
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

Type signless(Type elementType) {
  if (elementType.isUnsignedInteger())
    return IntegerType::get(elementType.getContext(),
                            elementType.getIntOrFloatBitWidth());
  return elementType;
}

Type storedType(Type elementType) {
  if (elementType.isInteger(1))
    return IntegerType::get(elementType.getContext(), 8);
  if (elementType.isBF16())
    return IntegerType::get(elementType.getContext(), 16);
  return signless(elementType);
}

Buffer KernelEmitter::allocateIn(Value memory, Dim &used, ArrayRef<Dim> dims,
                                 Type elementType) {
  constexpr int64_t kAlignment = 64; // a cache line, and the widest vector
  Type stored = storedType(elementType);
  Dim bytes = numElements(dims) * Dim(stored.getIntOrFloatBitWidth() / 8);
  Value begin = dim(used);
  used += Dim::ceilDiv(bytes, kAlignment) * Dim(kAlignment);
  Value view =
      memref::ViewOp::create(b, MemRefType::get({ShapedType::kDynamic}, stored),
                             memory, begin, ValueRange(dim(numElements(dims))));
  return {view, Value(), Dims(dims), elementType};
}

Buffer KernelEmitter::allocate(ArrayRef<Dim> dims, Type elementType) {
  if (machine.lanesAreInvocations)
    return allocateForWorkgroup(dims, elementType, "row");
  return allocateIn(scratch, scratchBytes, dims, elementType);
}

Buffer KernelEmitter::allocateShared(ArrayRef<Dim> dims, Type elementType) {
  if (sharedBytes == Dim(0))
    sharedBytes = Dim(MAPSTO_SHARED_COUNTERS * sizeof(int64_t));
  return allocateIn(shared, sharedBytes, dims, elementType);
}

Buffer KernelEmitter::sharedCounters() {
  Dim start = 0;
  return allocateIn(shared, start, {Dim(MAPSTO_SHARED_COUNTERS)},
                    b.getI64Type());
}

MemRefType bufferType(Type tensor) {
  Type element = cast<RankedTensorType>(tensor).getElementType();
  return MemRefType::get({ShapedType::kDynamic}, storedType(element));
}

Index KernelEmitter::linear(const Buffer &buffer, ArrayRef<Index> indices) {
  Index position = buffer.offset ? uniform(buffer.offset) : Index{};
  // A walk over a buffer of the same sizes needs no arithmetic.
  auto same = [](Index x, Index y) { return x.value == y.value; };
  if (machine.lanesAreInvocations && !indices.empty() &&
      delinearized.dims == buffer.dims &&
      llvm::equal(delinearized.indices, indices, same))
    return position.value ? addIndex(position, delinearized.linear)
                          : delinearized.linear;
  Dim stride = 1;
  SmallVector<Index> parts;
  for (size_t axis = indices.size(); axis-- > 0;) {
    if (buffer.dims[axis] != Dim(1))
      parts.push_back(mulIndex(indices[axis], stride));
    stride *= buffer.dims[axis];
  }
  // Uniform parts first: they stay scalar and hoistable.
  for (Index::Kind kind : {Index::Uniform, Index::Lanes, Index::Vector})
    for (Index part : parts)
      if (part.kind == kind)
        position = position.value ? addIndex(position, part) : part;
  return position.value ? position : uniform(0);
}

Value KernelEmitter::load(const Buffer &buffer, ArrayRef<Index> indices) {
  Index at = linear(buffer, indices);
  Type stored = cast<MemRefType>(buffer.memref.getType()).getElementType();
  Value mask = currentMask();
  Value v;
  if (at.kind == Index::Uniform || machine.lanesAreInvocations) {
    v = memref::LoadOp::create(b, buffer.memref, ValueRange(at.value));
  } else if (at.kind == Index::Lanes && !mask) {
    v = vector::LoadOp::create(b, cast<VectorType>(vectorOf(stored)),
                               buffer.memref, ValueRange(at.value));
  } else {
    Value zero = splat(constant(stored, 0));
    if (at.kind == Index::Lanes) {
      v = vector::MaskedLoadOp::create(b, cast<VectorType>(vectorOf(stored)),
                                       buffer.memref, ValueRange(at.value),
                                       mask, zero);
    } else {
      if (!mask)
        mask = splat(constant(b.getI1Type(), 1));
      v = vector::GatherOp::create(b, cast<VectorType>(vectorOf(stored)),
                                   buffer.memref, ValueRange(idx(0)), at.value,
                                   mask, zero);
    }
  }
  if (buffer.elementType.isBF16())
    return arith::BitcastOp::create(
        b,
        isVector(v) ? Type(vectorOf(buffer.elementType)) : buffer.elementType,
        v);
  return convert(v, buffer.elementType);
}

void KernelEmitter::store(Value value, const Buffer &buffer,
                          ArrayRef<Index> indices) {
  Index at = linear(buffer, indices);
  value = convert(value, buffer.elementType);
  Type stored = cast<MemRefType>(buffer.memref.getType()).getElementType();
  if (buffer.elementType.isBF16())
    value = arith::BitcastOp::create(
        b, isVector(value) ? Type(vectorOf(stored)) : stored, value);
  else
    value = convert(value, stored);
  Value mask = currentMask();
  if (machine.lanesAreInvocations) {
    auto write = [&] {
      memref::StoreOp::create(b, value, buffer.memref, ValueRange(at.value));
    };
    if (at.kind != Index::Uniform || isOwnArray(buffer))
      return write();
    return when(arith::CmpIOp::create(b, arith::CmpIPredicate::eq, invocation(),
                                      idx(0)),
                write);
  }
  if (at.kind == Index::Uniform) {
    if (isVector(value)) // all lanes hold the one value
      value = vector::ExtractOp::create(b, value, 0);
    memref::StoreOp::create(b, value, buffer.memref, ValueRange(at.value));
    return;
  }
  value = splat(value);
  if (at.kind == Index::Lanes && !mask && stream.memref == buffer.memref)
    storeToStream(value, at.value);
  else if (at.kind == Index::Lanes && !mask)
    vector::StoreOp::create(b, value, buffer.memref, ValueRange(at.value));
  else if (at.kind == Index::Lanes)
    vector::MaskedStoreOp::create(b, buffer.memref, ValueRange(at.value), mask,
                                  value);
  else
    vector::ScatterOp::create(
        b, Type(), buffer.memref, ValueRange(idx(0)), at.value,
        mask ? mask : splat(constant(b.getI1Type(), 1)), value);
}

//===----------------------------------------------------------------------===//
// Elements
//===----------------------------------------------------------------------===//

Value KernelEmitter::remembered(Value tensor, const std::vector<Index> &key) {
  for (Scope &scope : llvm::reverse(scopes)) {
    auto it = scope.memo.find({tensor.getAsOpaquePointer(), key});
    if (it != scope.memo.end())
      return it->second;
  }
  return {};
}

/// The outermost scope in which all the values are defined.
size_t KernelEmitter::outermostScope(ArrayRef<Value> values) {
  size_t level = 0;
  for (Value value : values) {
    size_t own = scopes.size() - 1;
    for (size_t k = 0; k < scopes.size(); ++k)
      if (scopes[k].block == value.getParentBlock()) {
        own = k;
        break;
      }
    level = std::max(level, own);
  }
  return level;
}

/// Runs `body` as if in an outer scope: what it emits lands before the loop
/// that leads from there to here.
void KernelEmitter::enterScope(size_t level, function_ref<void()> body) {
  if (scopes[level].block == b.getInsertionBlock())
    return body();
  OpBuilder::InsertionGuard guard(b);
  Operation *enclosing = b.getInsertionBlock()->getParentOp();
  while (enclosing->getBlock() != scopes[level].block)
    enclosing = enclosing->getParentOp();
  b.setInsertionPoint(enclosing);
  std::vector<Scope> inner(std::make_move_iterator(scopes.begin() + level + 1),
                           std::make_move_iterator(scopes.end()));
  scopes.resize(level + 1);
  body();
  for (Scope &scope : inner)
    scopes.push_back(std::move(scope));
}

Value KernelEmitter::element(Value tensor, ArrayRef<Index> wanted) {
  // An axis of one element has one index.
  Indices indices(wanted);
  if (!given.count(tensor)) {
    Dims dims = dimsOf(tensor);
    for (auto [index, dim] : llvm::zip_equal(indices, dims))
      if (dim == Dim(1))
        index = uniform(0);
  }
  std::vector<Index> key(indices.begin(), indices.end());
  if (Value known = remembered(tensor, key))
    return known;

  // A reduction is computed as far out as its indices allow, and the mask of
  // the lanes for which they are any.
  Operation *op = tensor.getDefiningOp();
  Value mask = varies(indices) ? currentMask() : Value();
  size_t level = scopes.size() - 1;
  if (op && !given.count(tensor) && !buffers.count(tensor) &&
      isa<ReduceOp, ArgReduceOp>(op)) {
    SmallVector<Value> values;
    for (const Index &index : indices)
      values.push_back(index.value);
    if (mask)
      values.push_back(mask);
    level = std::max(outermostScope(values), hoistLimit);
  }
  Value v;
  bool forAllLanes = true;
  enterScope(level, [&] {
    Scope &scope = scopes.back();
    Value outer = scope.mask;
    forAllLanes = !mask || mask == outer;
    if (mask)
      scope.mask = mask;
    v = compute(tensor, indices);
    scopes.back().mask = outer;
    if (forAllLanes)
      scopes.back().memo[{tensor.getAsOpaquePointer(), key}] = v;
  });
  if (!forAllLanes) // others may want more of them
    scopes.back().memo[{tensor.getAsOpaquePointer(), key}] = v;
  return v;
}

Value KernelEmitter::compute(Value tensor, ArrayRef<Index> indices) {
  if (auto it = given.find(tensor); it != given.end())
    return it->second(indices);
  if (auto it = buffers.find(tensor); it != buffers.end())
    return load(it->second, indices);
  auto result = cast<OpResult>(tensor);
  ImplicitLocOpBuilder::InsertionGuard guard(b);
  Value v = emitElement(*this, result, indices);
  assert(v && "an op without an element rule must be materialised");
  return v;
}

} // namespace mapsto
