//===- IndexArithmetic.cpp - Positions that may vary over lanes -----------===//

#include "compiler/KernelAttributes.h"
#include "compiler/kernel/KernelEmitter.h"
#include "dialect/SourcePlace.h"

using namespace mlir;

namespace mapsto {

/// The bound that tells a division by zero from an index out of range
/// (runtime/mapsto.h, mapsto_kernel_context).
constexpr int64_t kDivisionByZero = -1;

/// Arithmetic on uniform indices is written in the outermost scope that knows
/// both operands, once.
Value KernelEmitter::outermost(char operation, Value x, Value y) {
  size_t level = outermostScope({x, y});
  std::pair<char, std::vector<void *>> key{
      operation, {x.getAsOpaquePointer(), y.getAsOpaquePointer()}};
  auto &known = scopes[level].arithmetic;
  if (auto it = known.find(key); it != known.end())
    return it->second;
  Value v;
  enterScope(level, [&] {
    switch (operation) {
    case '+':
      v = add(x, y);
      break;
    case '-':
      v = sub(x, y);
      break;
    case '*':
      v = mul(x, y);
      break;
    case '/':
      v = arith::DivUIOp::create(b, x, y);
      break;
    case '%':
      v = arith::RemUIOp::create(b, x, y);
      break;
    }
  });
  return scopes[level].arithmetic[key] = v;
}

Value KernelEmitter::indexVector(Index x) {
  if (machine.lanesAreInvocations)
    return x.value;
  Type type = vectorOf(b.getIndexType());
  switch (x.kind) {
  case Index::Vector:
    return x.value;
  case Index::Uniform:
    return vector::BroadcastOp::create(b, type, x.value);
  case Index::Lanes:
    return add(vector::BroadcastOp::create(b, type, x.value),
               vector::StepOp::create(b, type));
  }
  llvm_unreachable("every kind is listed");
}

static bool isConstantIndex(Value v, int64_t wanted) {
  APInt c;
  return matchPattern(v, m_ConstantInt(&c)) && c.getSExtValue() == wanted;
}

Index KernelEmitter::addIndex(Index x, Index y) {
  if (x.kind == Index::Uniform && isConstantIndex(x.value, 0))
    return y;
  if (y.kind == Index::Uniform && isConstantIndex(y.value, 0))
    return x;
  if (x.kind == Index::Uniform && y.kind == Index::Uniform)
    return uniform(outermost('+', x.value, y.value));
  if (x.kind == Index::Lanes && y.kind == Index::Uniform)
    return {outermost('+', x.value, y.value), Index::Lanes, false};
  if (x.kind == Index::Uniform && y.kind == Index::Lanes)
    return addIndex(y, x);
  return {add(indexVector(x), indexVector(y)), Index::Vector};
}

Index KernelEmitter::mulIndex(Index x, const Dim &factor) {
  if (factor == Dim(1))
    return x;
  if (x.kind == Index::Uniform)
    return isConstantIndex(x.value, 0)
               ? x
               : uniform(outermost('*', x.value, dim(factor)));
  return {mul(indexVector(x), indexVector(uniform(dim(factor)))),
          Index::Vector};
}

std::pair<Index, Index> KernelEmitter::divIndex(Index x, const Dim &divisor) {
  if (divisor == Dim(1))
    return {x, uniform(0)};
  Value size = dim(divisor);
  if (x.kind == Index::Uniform)
    return {uniform(outermost('/', x.value, size)),
            uniform(outermost('%', x.value, size))};
  // A vector that starts at a multiple of its length stays within one row of
  // a size that is such a multiple.
  std::optional<int64_t> known = divisor.constant();
  if (x.kind == Index::Lanes && x.aligned && known && *known % lanes == 0)
    return {uniform(outermost('/', x.value, size)),
            {outermost('%', x.value, size), Index::Lanes, true}};
  Value v = indexVector(x), by = indexVector(uniform(size));
  return {{arith::DivUIOp::create(b, v, by), Index::Vector},
          {arith::RemUIOp::create(b, v, by), Index::Vector}};
}

Value KernelEmitter::toInteger(Index x, Type type) {
  if (x.kind == Index::Uniform)
    return arith::IndexCastOp::create(b, type, x.value);
  return arith::IndexCastOp::create(b, vectorOf(type), indexVector(x));
}

Index KernelEmitter::fromInteger(Value v, bool varies) {
  Type type = isVector(v) ? vectorOf(b.getIndexType()) : b.getIndexType();
  return {arith::IndexCastOp::create(b, type, v),
          varies ? Index::Vector : Index::Uniform};
}

Indices KernelEmitter::delinearize(Index linear, ArrayRef<Dim> dims) {
  Indices result(dims.size());
  Index whole = linear;
  for (size_t axis = dims.size(); axis-- > 0;) {
    bool outermostAxis = llvm::all_of(dims.take_front(axis),
                                      [](const Dim &d) { return d == Dim(1); });
    if (outermostAxis) {
      result[axis] = linear;
      for (size_t rest = 0; rest < axis; ++rest)
        result[rest] = uniform(0);
      break;
    }
    std::tie(linear, result[axis]) = divIndex(linear, dims[axis]);
  }
  delinearized = {Dims(dims), result, whole};
  return result;
}

Value KernelEmitter::below(Index x, Value bound) {
  if (x.kind == Index::Uniform)
    return less(x.value, bound);
  return less(indexVector(x), indexVector(uniform(bound)));
}

Value KernelEmitter::atLeast(Index x, Value bound) {
  Value v = x.kind == Index::Uniform ? x.value : indexVector(x);
  Value limit = x.kind == Index::Uniform ? bound : indexVector(uniform(bound));
  return arith::CmpIOp::create(b, arith::CmpIPredicate::sge, v, limit);
}

void KernelEmitter::report(Value bad, Location loc, Value position,
                           Value bound) {
  std::string place = placeOf(loc);
  auto known = llvm::find(sites, place);
  int64_t code = known - sites.begin() + 1;
  if (known == sites.end())
    sites.push_back(place);
  when(bad, [&] {
    Value fields[] = {constant(b.getI64Type(), code), position, bound};
    for (auto [i, field] : llvm::enumerate(fields))
      memref::StoreOp::create(b, field, context, ValueRange(idx(i)));
  });
}

Value KernelEmitter::checkedDivisor(Value divisor, Location loc) {
  Type type = getElementTypeOrSelf(divisor);
  APInt literal;
  if (matchPattern(divisor, m_ConstantInt(&literal)) && !literal.isZero())
    return divisor;
  Value zero = constant(type, 0), one = constant(type, 1);
  if (isVector(divisor)) {
    zero = splat(zero);
    one = splat(one);
  }
  Value bad = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, divisor, zero);
  Value any = bad;
  if (isVector(bad)) {
    if (Value mask = currentMask())
      any = arith::AndIOp::create(b, bad, mask);
    any = vector::ReductionOp::create(b, vector::CombiningKind::OR, any);
  }
  report(any, loc, constant(b.getI64Type(), 0),
         constant(b.getI64Type(), kDivisionByZero));
  return arith::SelectOp::create(b, bad, one, divisor);
}

Index KernelEmitter::position(Value tensor, ArrayRef<Index> indices,
                              const Dim &size, const Dim &bound) {
  if (auto it = positions.find(tensor); it != positions.end())
    if (it->second.second == bound)
      return it->second.first;
  // Shaders count in 32 bits anyway.
  bool isShort = machine.lanesAreInvocations &&
                 elementTypeOf(tensor).getIntOrFloatBitWidth() <= 32;
  Type type = isShort ? b.getI32Type() : b.getI64Type();
  Value at = convert(element(tensor, indices), type);
  Value count = arith::IndexCastOp::create(b, type, dim(size));
  Value limit = arith::IndexCastOp::create(b, type, dim(bound));
  Value zero = constant(type, 0);
  if (!isVector(at)) {
    Value negative =
        arith::CmpIOp::create(b, arith::CmpIPredicate::slt, at, zero);
    Value wrapped = arith::SelectOp::create(b, negative, add(at, count), at);
    Value bad =
        arith::CmpIOp::create(b, arith::CmpIPredicate::uge, wrapped, limit);
    report(bad, tensor.getLoc(), convert(at, b.getI64Type()),
           convert(limit, b.getI64Type()));
    return fromInteger(arith::SelectOp::create(b, bad, zero, wrapped),
                       machine.lanesAreInvocations && varies(indices));
  }
  Value zeros = splat(zero), counts = splat(count);
  Value negative =
      arith::CmpIOp::create(b, arith::CmpIPredicate::slt, at, zeros);
  Value wrapped = arith::SelectOp::create(b, negative, add(at, counts), at);
  Value bad = arith::CmpIOp::create(b, arith::CmpIPredicate::uge, wrapped,
                                    splat(limit));
  if (Value mask = currentMask())
    bad = arith::AndIOp::create(b, bad, mask);
  Value any = vector::ReductionOp::create(b, vector::CombiningKind::OR, bad);
  Value lowest = identity(ReduceKind::max, b.getI64Type());
  Value shown = combineLanes(
      ReduceKind::max, arith::SelectOp::create(b, bad, at, splat(lowest)));
  report(any, tensor.getLoc(), shown, limit);
  return fromInteger(arith::SelectOp::create(b, bad, zeros, wrapped), true);
}

} // namespace mapsto
