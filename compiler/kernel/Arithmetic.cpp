//===- Arithmetic.cpp - Sizes and plain arithmetic in a kernel ------------===//

#include "compiler/KernelAttributes.h"
#include "compiler/cpu/SoftmaxFormula.h"
#include "compiler/kernel/KernelEmitter.h"

using namespace mlir;

namespace mapsto {

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
      b, b.getIntegerAttr(signless(elementType), static_cast<int64_t>(v)));
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
  if (isVector(x) || machine.lanesAreInvocations)
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

Value KernelEmitter::softmaxExponential(Value x) {
  if (!machine.lanesAreInvocations)
    return softmaxExp(Float{&b, x}).v;
  auto exponential = math::ExpOp::create(b, x);
  exponential->setAttr(kOfSoftmaxAttr, b.getUnitAttr());
  return exponential;
}

static vector::CombiningKind combiningKind(ReduceKind kind, Type elementType) {
  bool isFloat = isa<FloatType>(elementType);
  bool isBool = elementType.isInteger(1);
  switch (kind) {
  case ReduceKind::sum:
    return vector::CombiningKind::ADD;
  case ReduceKind::prod:
    return vector::CombiningKind::MUL;
  case ReduceKind::max:
    return isFloat  ? vector::CombiningKind::MAXIMUMF
           : isBool ? vector::CombiningKind::OR
                    : vector::CombiningKind::MAXSI;
  case ReduceKind::min:
    return isFloat  ? vector::CombiningKind::MINIMUMF
           : isBool ? vector::CombiningKind::AND
                    : vector::CombiningKind::MINSI;
  case ReduceKind::any:
    return vector::CombiningKind::OR;
  case ReduceKind::all:
    return vector::CombiningKind::AND;
  }
  llvm_unreachable("every kind is listed");
}

Value KernelEmitter::combine(ReduceKind kind, Value x, Value y) {
  alike(x, y);
  return vector::makeArithReduction(
      b, b.getLoc(), combiningKind(kind, getElementTypeOrSelf(x)), x, y);
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

Value KernelEmitter::extreme(ReduceKind kind, Value x, Value y) {
  auto further = kind == ReduceKind::max ? arith::CmpFPredicate::OGT
                                         : arith::CmpFPredicate::OLT;
  return arith::SelectOp::create(b, arith::CmpFOp::create(b, further, x, y), x,
                                 y);
}

Value KernelEmitter::extremeLane(ReduceKind kind, Value v) {
  if (machine.lanesAreInvocations)
    return combineInvocations(kind, v);
  for (int64_t step = lanes / 2; step > 0; step /= 2) {
    SmallVector<int64_t> from;
    for (int64_t lane = 0; lane < lanes; ++lane)
      from.push_back((lane + step) % lanes);
    v = extreme(kind, vector::ShuffleOp::create(b, v, v, from), v);
  }
  return vector::ExtractOp::create(b, v, 0);
}

Value KernelEmitter::combineLanes(ReduceKind kind, Value v) {
  if (machine.lanesAreInvocations)
    return combineInvocations(kind, v);
  // The order of a sum's terms is ours to choose: a tree over the lanes.
  auto flags = kind == ReduceKind::sum || kind == ReduceKind::prod
                   ? arith::FastMathFlags::reassoc
                   : arith::FastMathFlags::none;
  return vector::ReductionOp::create(
      b, combiningKind(kind, getElementTypeOrSelf(v)), v, flags);
}

Type KernelEmitter::accumulatorType(Type type) {
  return type.isF16() || type.isBF16() ? Float32Type::get(type.getContext())
                                       : type;
}

Value KernelEmitter::convert(Value v, Type to, bool isUnsigned) {
  Type from = getElementTypeOrSelf(v);
  bool toUnsigned = to.isUnsignedInteger();
  to = signless(to);
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
    return convert(convert(v, b.getF32Type(), isUnsigned), to);
  isUnsigned |= from.isInteger(1);
  unsigned fromBits = from.getIntOrFloatBitWidth();
  unsigned toBits = to.getIntOrFloatBitWidth();
  if (fromFloat && toFloat) {
    if (fromBits < toBits)
      return arith::ExtFOp::create(b, type, v);
    return arith::TruncFOp::create(b, type, v);
  }
  if (fromFloat)
    return toUnsigned ? arith::FPToUIOp::create(b, type, v).getResult()
                      : arith::FPToSIOp::create(b, type, v).getResult();
  if (toFloat)
    return isUnsigned ? arith::UIToFPOp::create(b, type, v).getResult()
                      : arith::SIToFPOp::create(b, type, v).getResult();
  if (fromBits > toBits)
    return arith::TruncIOp::create(b, type, v);
  return isUnsigned ? arith::ExtUIOp::create(b, type, v).getResult()
                    : arith::ExtSIOp::create(b, type, v).getResult();
}

} // namespace mapsto
