//===- KernelEmitter.cpp - Writes one kernel as loops on vectors ----------===//

#include "compiler/kernel/KernelEmitter.h"

using namespace mlir;

namespace mapsto {

/// Enters a block for the time of a call.
struct KernelEmitter::ScopeGuard {
  KernelEmitter &e;
  OpBuilder::InsertionGuard guard;
  ScopeGuard(KernelEmitter &e, Block *block, Value mask) : e(e), guard(e.b) {
    e.scopes.push_back({block, mask, {}, {}});
    if (block->mightHaveTerminator())
      e.b.setInsertionPoint(block->getTerminator());
    else
      e.b.setInsertionPointToEnd(block);
  }
  ~ScopeGuard() { e.scopes.pop_back(); }
};

KernelEmitter::KernelEmitter(Location loc, Block *entry, const Machine &machine)
    : b(loc, loc.getContext()), machine(machine), lanes(machine.lanes),
      registers(machine.registers), entry(entry) {
  b.setInsertionPointToEnd(entry);
  scopes.push_back({entry, Value(), {}, {}});
}

//===----------------------------------------------------------------------===//
// Sizes and plain arithmetic
//===----------------------------------------------------------------------===//

Value KernelEmitter::dim(const Dim &d) {
  if (std::optional<int64_t> c = d.constant())
    return idx(*c);
  std::string text = d.str();
  if (auto it = dimValues.find(text); it != dimValues.end())
    return it->second;

  // Sizes depend on the function's arguments alone: all are computed once, at
  // its start.
  auto emitTerm = [&](const Dim::Atom &atom) -> Value {
    if (atom.op == Dim::Op::Symbol)
      return symbolValues.at(atom.text);
    std::string key = atom.text;
    if (auto it = dimValues.find(key); it != dimValues.end())
      return it->second;
    Value lhs = dim(*atom.lhs), rhs = dim(*atom.rhs);
    OpBuilder::InsertionGuard guard(b);
    if (preamble)
      b.setInsertionPointAfter(preamble);
    else
      b.setInsertionPointToStart(entry);
    Value v;
    switch (atom.op) {
    case Dim::Op::FloorDiv:
      v = arith::FloorDivSIOp::create(b, lhs, rhs);
      break;
    case Dim::Op::CeilDiv:
      v = arith::CeilDivSIOp::create(b, lhs, rhs);
      break;
    case Dim::Op::Mod: {
      Value q = arith::FloorDivSIOp::create(b, lhs, rhs);
      v = arith::SubIOp::create(b, lhs, arith::MulIOp::create(b, q, rhs));
      break;
    }
    case Dim::Op::Min:
      v = arith::MinSIOp::create(b, lhs, rhs);
      break;
    case Dim::Op::Max:
      v = arith::MaxSIOp::create(b, lhs, rhs);
      break;
    case Dim::Op::Symbol:
      break;
    }
    preamble = v.getDefiningOp();
    return dimValues[key] = v;
  };

  SmallVector<std::pair<SmallVector<Value>, int64_t>> terms;
  for (const auto &[monomial, coefficient] : d.getTerms()) {
    SmallVector<Value> factors;
    for (const Dim::Atom &atom : monomial)
      factors.push_back(emitTerm(atom));
    terms.push_back({factors, coefficient});
  }
  OpBuilder::InsertionGuard guard(b);
  auto next = [&](Value v) {
    if (Operation *op = v.getDefiningOp())
      preamble = op;
    b.setInsertionPointAfter(preamble);
    return v;
  };
  if (preamble)
    b.setInsertionPointAfter(preamble);
  else
    b.setInsertionPointToStart(entry);
  Value sum;
  for (auto &[factors, coefficient] : terms) {
    Value product;
    if (coefficient != 1 || factors.empty())
      product = idx(coefficient);
    for (Value f : factors)
      product = product ? next(arith::MulIOp::create(b, product, f)) : f;
    sum = sum ? next(arith::AddIOp::create(b, sum, product)) : product;
  }
  return dimValues[text] = sum;
}

Value KernelEmitter::idx(int64_t v) {
  Value &known = indexConstants[v];
  if (!known) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(entry);
    known = arith::ConstantIndexOp::create(b, v);
    if (!preamble)
      preamble = known.getDefiningOp();
  }
  return known;
}

Value KernelEmitter::constant(Type elementType, double v) {
  if (auto f = dyn_cast<FloatType>(elementType))
    return arith::ConstantOp::create(b, b.getFloatAttr(f, v));
  return arith::ConstantOp::create(
      b, b.getIntegerAttr(elementType, static_cast<int64_t>(v)));
}

Value KernelEmitter::add(Value x, Value y) {
  return arith::AddIOp::create(b, x, y);
}
Value KernelEmitter::sub(Value x, Value y) {
  return arith::SubIOp::create(b, x, y);
}
Value KernelEmitter::mul(Value x, Value y) {
  return arith::MulIOp::create(b, x, y);
}
Value KernelEmitter::minIndex(Value x, Value y) {
  return arith::MinSIOp::create(b, x, y);
}
Value KernelEmitter::less(Value x, Value y) {
  return arith::CmpIOp::create(b, arith::CmpIPredicate::slt, x, y);
}
Value KernelEmitter::negate(Value condition) {
  return arith::XOrIOp::create(b, condition, constant(b.getI1Type(), 1));
}

Value KernelEmitter::splat(Value x) {
  if (isVector(x))
    return x;
  return vector::BroadcastOp::create(b, vectorOf(x.getType()), x);
}

void KernelEmitter::alike(Value &x, Value &y) {
  if (isVector(x) == isVector(y))
    return;
  x = splat(x);
  y = splat(y);
}

Value KernelEmitter::fma(Value x, Value y, Value z) {
  alike(x, y);
  alike(x, z);
  alike(y, z);
  if (isa<FloatType>(getElementTypeOrSelf(x)))
    return math::FmaOp::create(b, x, y, z);
  return add(mul(x, y), z);
}

Value KernelEmitter::combine(ReduceKind kind, Value x, Value y) {
  alike(x, y);
  bool isFloat = isa<FloatType>(getElementTypeOrSelf(x));
  switch (kind) {
  case ReduceKind::sum:
    return isFloat ? arith::AddFOp::create(b, x, y).getResult() : add(x, y);
  case ReduceKind::prod:
    return isFloat ? arith::MulFOp::create(b, x, y).getResult() : mul(x, y);
  case ReduceKind::max:
    if (isFloat)
      return arith::MaximumFOp::create(b, x, y);
    return getElementTypeOrSelf(x).isInteger(1)
               ? arith::OrIOp::create(b, x, y).getResult()
               : arith::MaxSIOp::create(b, x, y).getResult();
  case ReduceKind::min:
    if (isFloat)
      return arith::MinimumFOp::create(b, x, y);
    return getElementTypeOrSelf(x).isInteger(1)
               ? arith::AndIOp::create(b, x, y).getResult()
               : arith::MinSIOp::create(b, x, y).getResult();
  case ReduceKind::any:
    return arith::OrIOp::create(b, x, y);
  case ReduceKind::all:
    return arith::AndIOp::create(b, x, y);
  }
  llvm_unreachable("every kind is listed");
}

Value KernelEmitter::identity(ReduceKind kind, Type type) {
  bool isFloat = isa<FloatType>(type);
  double infinity = std::numeric_limits<double>::infinity();
  auto extreme = [&](bool largest) -> Value {
    if (isFloat)
      return constant(type, largest ? infinity : -infinity);
    unsigned width = type.getIntOrFloatBitWidth();
    if (width == 1)
      return constant(type, largest ? 1 : 0);
    APInt v = largest ? APInt::getSignedMaxValue(width)
                      : APInt::getSignedMinValue(width);
    return arith::ConstantOp::create(b, b.getIntegerAttr(type, v));
  };
  switch (kind) {
  case ReduceKind::sum:
  case ReduceKind::any:
    return constant(type, 0);
  case ReduceKind::prod:
  case ReduceKind::all:
    return constant(type, 1);
  case ReduceKind::max:
    return extreme(false);
  case ReduceKind::min:
    return extreme(true);
  }
  llvm_unreachable("every kind is listed");
}

Value KernelEmitter::larger(Value x, Value y) {
  Value above = arith::CmpFOp::create(b, arith::CmpFPredicate::OGT, x, y);
  return arith::SelectOp::create(b, above, x, y);
}

Value KernelEmitter::largestLane(Value v) {
  for (int64_t step = lanes / 2; step > 0; step /= 2) {
    SmallVector<int64_t> from;
    for (int64_t lane = 0; lane < lanes; ++lane)
      from.push_back((lane + step) % lanes);
    v = larger(vector::ShuffleOp::create(b, v, v, from), v);
  }
  return vector::ExtractOp::create(b, v, 0);
}

Value KernelEmitter::combineLanes(ReduceKind kind, Value v) {
  bool isFloat = isa<FloatType>(getElementTypeOrSelf(v));
  bool isBool = getElementTypeOrSelf(v).isInteger(1);
  vector::CombiningKind combining;
  switch (kind) {
  case ReduceKind::sum:
    combining = vector::CombiningKind::ADD;
    break;
  case ReduceKind::prod:
    combining = vector::CombiningKind::MUL;
    break;
  case ReduceKind::max:
    combining = isFloat  ? vector::CombiningKind::MAXIMUMF
                : isBool ? vector::CombiningKind::OR
                         : vector::CombiningKind::MAXSI;
    break;
  case ReduceKind::min:
    combining = isFloat  ? vector::CombiningKind::MINIMUMF
                : isBool ? vector::CombiningKind::AND
                         : vector::CombiningKind::MINSI;
    break;
  case ReduceKind::any:
    combining = vector::CombiningKind::OR;
    break;
  case ReduceKind::all:
    combining = vector::CombiningKind::AND;
    break;
  }
  // The order of a sum's terms is ours to choose: a tree over the lanes.
  auto flags = kind == ReduceKind::sum || kind == ReduceKind::prod
                   ? arith::FastMathFlags::reassoc
                   : arith::FastMathFlags::none;
  return vector::ReductionOp::create(b, combining, v, flags);
}

Type KernelEmitter::accumulatorType(Type type) {
  return type.isF16() || type.isBF16() ? Float32Type::get(type.getContext())
                                       : type;
}

Value KernelEmitter::convert(Value v, Type to) {
  Type from = getElementTypeOrSelf(v);
  if (from == to)
    return v;
  Type type = isVector(v) ? Type(vectorOf(to)) : to;
  bool fromFloat = isa<FloatType>(from), toFloat = isa<FloatType>(to);
  if (to.isInteger(1)) {
    Value zero = constant(from, 0);
    alike(v, zero);
    if (fromFloat)
      return arith::CmpFOp::create(b, arith::CmpFPredicate::UNE, v, zero);
    return arith::CmpIOp::create(b, arith::CmpIPredicate::ne, v, zero);
  }
  // bf16 is widened and narrowed by shifts; nothing else is known of it.
  if ((from.isBF16() && !to.isF32()) || (to.isBF16() && !from.isF32()))
    return convert(convert(v, b.getF32Type()), to);
  unsigned fromBits = from.getIntOrFloatBitWidth();
  unsigned toBits = to.getIntOrFloatBitWidth();
  if (fromFloat && toFloat) {
    if (fromBits < toBits)
      return arith::ExtFOp::create(b, type, v);
    return arith::TruncFOp::create(b, type, v);
  }
  if (fromFloat)
    return arith::FPToSIOp::create(b, type, v);
  if (toFloat)
    return from.isInteger(1) ? arith::UIToFPOp::create(b, type, v).getResult()
                             : arith::SIToFPOp::create(b, type, v).getResult();
  if (fromBits > toBits)
    return arith::TruncIOp::create(b, type, v);
  return from.isInteger(1) ? arith::ExtUIOp::create(b, type, v).getResult()
                           : arith::ExtSIOp::create(b, type, v).getResult();
}

//===----------------------------------------------------------------------===//
// Structure
//===----------------------------------------------------------------------===//

SmallVector<Value> KernelEmitter::loop(Value lower, Value upper, Value step,
                                       ValueRange inits, LoopBody body) {
  auto op = scf::ForOp::create(b, lower, upper, step, inits);
  {
    ScopeGuard scope(*this, op.getBody(), currentMask());
    SmallVector<Value> next =
        body(op.getInductionVar(), op.getRegionIterArgs());
    if (!inits.empty())
      scf::YieldOp::create(b, next);
  }
  return SmallVector<Value>(op.getResults());
}

void KernelEmitter::loop(Value lower, Value upper, Value step,
                         function_ref<void(Value)> body) {
  loop(lower, upper, step, ValueRange(), [&](Value iv, ValueRange) {
    body(iv);
    return SmallVector<Value>();
  });
}

SmallVector<Value> KernelEmitter::laneLoop(
    const Dim &size, ValueRange inits,
    function_ref<SmallVector<Value>(Index, ValueRange)> body) {
  std::optional<int64_t> known = size.constant();
  if (!known)
    return laneLoop(dim(size), inits, body);

  SmallVector<Value> carried = llvm::to_vector(inits);
  int64_t whole = *known / lanes * lanes;
  if (whole > 0)
    carried = loop(idx(0), idx(whole), lanes, carried,
                   [&](Value iv, ValueRange args) {
                     return body({iv, Index::Lanes, true}, args);
                   });
  if (whole < *known) {
    Value mask = vector::CreateMaskOp::create(b, vectorOf(b.getI1Type()),
                                              ValueRange(idx(*known - whole)));
    // A loop of one step: a block, and so a scope, of its own.
    carried = branch(
        arith::ConstantOp::create(b, b.getBoolAttr(true)),
        TypeRange(ValueRange(carried)),
        [&] {
          scopes.back().mask = mask;
          return body({idx(whole), Index::Lanes, true}, carried);
        },
        [&] { return carried; });
  }
  return carried;
}

SmallVector<Value> KernelEmitter::laneLoop(
    Value size, ValueRange inits,
    function_ref<SmallVector<Value>(Index, ValueRange)> body) {
  Value whole = sub(size, arith::RemSIOp::create(b, size, idx(lanes)));
  SmallVector<Value> carried =
      loop(idx(0), whole, lanes, inits, [&](Value iv, ValueRange args) {
        return body({iv, Index::Lanes, true}, args);
      });
  return branch(
      less(whole, size), TypeRange(ValueRange(carried)),
      [&] {
        scopes.back().mask = vector::CreateMaskOp::create(
            b, vectorOf(b.getI1Type()), ValueRange(sub(size, whole)));
        return body({whole, Index::Lanes, true}, carried);
      },
      [&] { return carried; });
}

void KernelEmitter::laneLoop(const Dim &size, function_ref<void(Index)> body) {
  laneLoop(size, ValueRange(), [&](Index i, ValueRange) {
    body(i);
    return SmallVector<Value>();
  });
}

void KernelEmitter::laneLoop(Value size, function_ref<void(Index)> body) {
  laneLoop(size, ValueRange(), [&](Index i, ValueRange) {
    body(i);
    return SmallVector<Value>();
  });
}

void KernelEmitter::eachElement(ArrayRef<Dim> dims,
                                function_ref<void(ArrayRef<Index>)> body) {
  if (dims.empty())
    return body({});
  loop(idx(0), dim(numElements(dims.drop_back())), 1, [&](Value row) {
    Indices at = delinearize(uniform(row), dims.drop_back());
    laneLoop(dims.back(), [&](Index i) {
      Indices full(at);
      full.push_back(i);
      body(full);
    });
  });
}

Value KernelEmitter::firstLanes(Value count) {
  count = arith::MaxSIOp::create(b, count, idx(0));
  count = minIndex(count, idx(lanes));
  return vector::CreateMaskOp::create(b, vectorOf(b.getI1Type()),
                                      ValueRange(count));
}

SmallVector<Value>
KernelEmitter::branch(Value condition, TypeRange types,
                      function_ref<SmallVector<Value>()> then,
                      function_ref<SmallVector<Value>()> otherwise) {
  auto op =
      scf::IfOp::create(b, types, condition, /*withElseRegion=*/!types.empty());
  auto fill = [&](Block *block, function_ref<SmallVector<Value>()> body) {
    ScopeGuard scope(*this, block, currentMask());
    SmallVector<Value> values = body();
    if (!types.empty())
      scf::YieldOp::create(b, values);
  };
  fill(op.thenBlock(), then);
  if (!types.empty())
    fill(op.elseBlock(), otherwise);
  return SmallVector<Value>(op.getResults());
}

void KernelEmitter::when(Value condition, function_ref<void()> then) {
  branch(
      condition, {},
      [&] {
        then();
        return SmallVector<Value>();
      },
      nullptr);
}

Value KernelEmitter::masked(Value mask, function_ref<Value()> body) {
  if (Value outer = currentMask())
    mask = arith::AndIOp::create(b, outer, mask);
  scopes.push_back({b.getInsertionBlock(), mask, {}, {}});
  Value v = body();
  scopes.pop_back();
  return v;
}

void KernelEmitter::unmasked(function_ref<void()> body) {
  scopes.push_back({b.getInsertionBlock(), Value(), {}, {}});
  body();
  scopes.pop_back();
}

void KernelEmitter::forget() {
  for (Scope &scope : scopes)
    scope.memo.clear();
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

Type storedType(Type elementType) {
  if (elementType.isInteger(1))
    return IntegerType::get(elementType.getContext(), 8);
  if (elementType.isBF16())
    return IntegerType::get(elementType.getContext(), 16);
  return elementType;
}

Buffer KernelEmitter::allocate(ArrayRef<Dim> dims, Type elementType) {
  constexpr int64_t kAlignment = 64; // a cache line, and the widest vector
  Type stored = storedType(elementType);
  Dim bytes = numElements(dims) * Dim(stored.getIntOrFloatBitWidth() / 8);
  Value begin = dim(scratchBytes);
  scratchBytes += Dim::ceilDiv(bytes, kAlignment) * Dim(kAlignment);
  Value view = memref::ViewOp::create(
      b, MemRefType::get({ShapedType::kDynamic}, stored), scratch, begin,
      ValueRange(dim(numElements(dims))));
  return {view, Value(), Dims(dims), elementType};
}

Index KernelEmitter::linear(const Buffer &buffer, ArrayRef<Index> indices) {
  Index position = buffer.offset ? uniform(buffer.offset) : Index{};
  Dim stride = 1;
  SmallVector<Index> parts;
  for (size_t axis = indices.size(); axis-- > 0;) {
    if (buffer.dims[axis] != Dim(1))
      parts.push_back(mulIndex(indices[axis], stride));
    stride *= buffer.dims[axis];
  }
  // Uniform parts first: they stay scalar and hoistable.
  llvm::stable_sort(
      parts, [](const Index &x, const Index &y) { return x.kind < y.kind; });
  for (Index part : parts)
    position = position.value ? addIndex(position, part) : part;
  return position.value ? position : uniform(0);
}

Value KernelEmitter::load(const Buffer &buffer, ArrayRef<Index> indices) {
  Index at = linear(buffer, indices);
  Type stored = cast<MemRefType>(buffer.memref.getType()).getElementType();
  Value mask = currentMask();
  Value v;
  if (at.kind == Index::Uniform) {
    v = memref::LoadOp::create(b, buffer.memref, ValueRange(at.value));
  } else if (at.kind == Index::Lanes && !mask) {
    v = vector::LoadOp::create(b, vectorOf(stored), buffer.memref,
                               ValueRange(at.value));
  } else {
    Value zero = splat(constant(stored, 0));
    if (at.kind == Index::Lanes) {
      v = vector::MaskedLoadOp::create(b, vectorOf(stored), buffer.memref,
                                       ValueRange(at.value), mask, zero);
    } else {
      if (!mask)
        mask = splat(constant(b.getI1Type(), 1));
      v = vector::GatherOp::create(b, vectorOf(stored), buffer.memref,
                                   ValueRange(idx(0)), at.value, mask, zero);
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

  // A reduction is computed as far out as its indices allow.
  Operation *op = tensor.getDefiningOp();
  size_t level = scopes.size() - 1;
  if (op && !given.count(tensor) && !buffers.count(tensor) &&
      isa<ReduceOp, ArgReduceOp>(op)) {
    SmallVector<Value> values;
    for (const Index &index : indices)
      values.push_back(index.value);
    level = std::max(outermostScope(values), hoistLimit);
  }
  Value v;
  enterScope(level, [&] {
    v = compute(tensor, indices);
    scopes.back().memo[{tensor.getAsOpaquePointer(), key}] = v;
  });
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
