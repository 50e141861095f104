//===- PointwiseRules.cpp - One element of a pointwise op -----------------===//

#include "compiler/KernelAttributes.h"
#include "compiler/kernel/KernelEmitter.h"
#include "dialect/Builders.h"

using namespace mlir;

namespace mapsto {

namespace {

/// Operands of one op, scalars or vectors alike, f16 and bf16 as f32.
struct Operands {
  KernelEmitter &e;
  SmallVector<Value> v;
  bool isFloat;

  Value x() { return v[0]; }
  Value y() { return v[1]; }
  Type elementType() { return getElementTypeOrSelf(v[0]); }
  Value constant(double c) {
    Value s = e.constant(getElementTypeOrSelf(v[0]), c);
    return e.isVector(v[0]) ? e.splat(s) : s;
  }
  template <typename FloatOp> Value unary() {
    return FloatOp::create(e.b, v[0]);
  }
  template <typename FloatOp, typename IntOp> Value binary() {
    return isFloat ? FloatOp::create(e.b, v[0], v[1]).getResult()
                   : IntOp::create(e.b, v[0], v[1]).getResult();
  }
};

Value sign(Operands &o) {
  Value zero = o.constant(0), one = o.constant(1), minusOne = o.constant(-1);
  Value positive, negative;
  auto &b = o.e.b;
  if (o.isFloat) {
    positive = arith::CmpFOp::create(b, arith::CmpFPredicate::OGT, o.x(), zero);
    negative = arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, o.x(), zero);
  } else {
    positive = arith::CmpIOp::create(b, arith::CmpIPredicate::sgt, o.x(), zero);
    negative = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, o.x(), zero);
  }
  // 0 and NaN are their own sign.
  Value v = arith::SelectOp::create(b, negative, minusOne, o.x());
  return arith::SelectOp::create(b, positive, one, v);
}

/// exp(x) / (1 + exp(x)): what is tiny for x far below 0 is right to the last
/// denormal. From the limit on, where exp is about to overflow, it is 1.
Value sigmoid(Operands &o) {
  auto &b = o.e.b;
  Value limit = o.constant(getElementTypeOrSelf(o.x()).isF64() ? 709 : 88);
  Value above =
      arith::CmpFOp::create(b, arith::CmpFPredicate::OGT, o.x(), limit);
  Value x = arith::SelectOp::create(b, above, limit, o.x());
  Value e = math::ExpOp::create(b, x);
  return arith::DivFOp::create(b, e,
                               arith::AddFOp::create(b, o.constant(1), e));
}

/// A divisor that no division traps at: of 0 it is reported, and the least
/// number over -1 is out of range. `isMinusOne` says where 1 stands for -1
/// (null: nowhere).
Value safeDivisor(Operands &o, Location loc, Value &isMinusOne) {
  Value y = o.e.checkedDivisor(o.y(), loc);
  APInt literal;
  if (matchPattern(y, m_ConstantInt(&literal)) && !literal.isAllOnes())
    return y;
  auto &b = o.e.b;
  isMinusOne =
      arith::CmpIOp::create(b, arith::CmpIPredicate::eq, y, o.constant(-1));
  return arith::SelectOp::create(b, isMinusOne, o.constant(1), y);
}

/// Rounded down; wraps as other integer arithmetic does.
Value divide(Operands &o, Location loc) {
  auto &b = o.e.b;
  Value isMinusOne;
  Value y = safeDivisor(o, loc, isMinusOne);
  Value quotient = arith::FloorDivSIOp::create(b, o.x(), y);
  if (!isMinusOne)
    return quotient;
  return arith::SelectOp::create(b, isMinusOne,
                                 o.e.sub(o.constant(0), quotient), quotient);
}

/// x - floor(x / y) * y, which has the divisor's sign.
Value mod(Operands &o) {
  auto &b = o.e.b;
  Value zero = o.constant(0);
  if (!o.isFloat) {
    Value r = arith::RemSIOp::create(b, o.x(), o.y());
    Value isZero = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, r, zero);
    Value mixed = arith::XOrIOp::create(b, r, o.y());
    Value differ =
        arith::CmpIOp::create(b, arith::CmpIPredicate::slt, mixed, zero);
    Value moved = arith::SelectOp::create(b, differ, o.e.add(r, o.y()), r);
    return arith::SelectOp::create(b, isZero, r, moved);
  }
  Value r = arith::RemFOp::create(b, o.x(), o.y());
  Value rNegative =
      arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, r, zero);
  Value yNegative =
      arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, o.y(), zero);
  Value nonzero = arith::CmpFOp::create(b, arith::CmpFPredicate::UNE, r, zero);
  Value differ = arith::AndIOp::create(
      b, arith::XOrIOp::create(b, rNegative, yNegative), nonzero);
  return arith::SelectOp::create(b, differ, arith::AddFOp::create(b, r, o.y()),
                                 r);
}

/// Squares and cubes are products, the cube within 1 ulp.
Value floatPower(Operands &o, Value exponent) {
  auto &b = o.e.b;
  std::optional<double> uniform = uniformValue(exponent);
  if (uniform != 2.0 && uniform != 3.0)
    return math::PowFOp::create(b, o.x(), o.y());
  Value square = arith::MulFOp::create(b, o.x(), o.x());
  return uniform == 2.0 ? square : arith::MulFOp::create(b, square, o.x());
}

/// By squaring; a negative power of a whole number is truncated to a whole one,
/// so it is 0 unless the number is 1 or -1, whose powers repeat.
Value integerPower(Operands &o) {
  auto &b = o.e.b;
  Value zero = o.constant(0), one = o.constant(1);
  auto equal = [&](Value x, Value y) {
    return arith::CmpIOp::create(b, arith::CmpIPredicate::eq, x, y);
  };
  auto odd = [&](Value n) {
    return equal(arith::AndIOp::create(b, n, one), one);
  };
  unsigned bits = getElementTypeOrSelf(o.x()).getIntOrFloatBitWidth();
  SmallVector<Value> last = o.e.loop(
      o.e.idx(0), o.e.idx(bits - 1), 1, {one, o.x(), o.y()},
      [&](Value, ValueRange carried) {
        Value result = carried[0], square = carried[1];
        Value next = arith::SelectOp::create(b, odd(carried[2]),
                                             o.e.mul(result, square), result);
        return SmallVector<Value>{next, o.e.mul(square, square),
                                  arith::ShRSIOp::create(b, carried[2], one)};
      });
  Value negative =
      arith::CmpIOp::create(b, arith::CmpIPredicate::slt, o.y(), zero);
  Value unit =
      arith::OrIOp::create(b, equal(o.x(), one), equal(o.x(), o.constant(-1)));
  Value repeated = arith::SelectOp::create(b, odd(o.y()), o.x(), one);
  Value truncated = arith::SelectOp::create(b, unit, repeated, zero);
  return arith::SelectOp::create(b, negative, truncated, last[0]);
}

Value compare(Operands &o, ComparePredicate predicate, bool isBool) {
  using F = arith::CmpFPredicate;
  using I = arith::CmpIPredicate;
  static constexpr F floats[] = {F::OEQ, F::UNE, F::OLT,
                                 F::OLE, F::OGT, F::OGE};
  static constexpr I ints[] = {I::eq, I::ne, I::slt, I::sle, I::sgt, I::sge};
  static constexpr I bools[] = {I::eq, I::ne, I::ult, I::ule, I::ugt, I::uge};
  int p = static_cast<int>(predicate);
  if (o.isFloat)
    return arith::CmpFOp::create(o.e.b, floats[p], o.x(), o.y());
  // Positions are compared as they are, which on a GPU is in 32 bits.
  auto position = [](Value v) -> Value {
    auto cast = v.getDefiningOp<arith::IndexCastOp>();
    return cast && getElementTypeOrSelf(cast.getIn()).isIndex() ? cast.getIn()
                                                                : Value();
  };
  Value x = position(o.x()), y = position(o.y());
  if (x && y)
    return arith::CmpIOp::create(o.e.b, ints[p], x, y);
  return arith::CmpIOp::create(o.e.b, isBool ? bools[p] : ints[p], o.x(),
                               o.y());
}

} // namespace

Value emitPointwise(KernelEmitter &e, Operation *op, ArrayRef<Value> operands) {
  Operands o{e, SmallVector<Value>(operands), false};
  bool anyVector = llvm::any_of(o.v, [&](Value v) { return e.isVector(v); });
  for (Value &v : o.v) {
    v = e.convert(v, KernelEmitter::accumulatorType(getElementTypeOrSelf(v)));
    if (anyVector)
      v = e.splat(v);
  }
  o.isFloat = isa<FloatType>(getElementTypeOrSelf(o.v.front()));
  auto &b = e.b;

  Value result =
      TypeSwitch<Operation *, Value>(op)
          .Case([&](NegOp) -> Value {
            if (o.isFloat)
              return arith::NegFOp::create(b, o.x());
            return e.sub(o.constant(0), o.x());
          })
          .Case([&](AbsOp) -> Value {
            if (o.isFloat)
              return math::AbsFOp::create(b, o.x());
            return math::AbsIOp::create(b, o.x());
          })
          .Case([&](SignOp) { return sign(o); })
          .Case([&](NotOp) -> Value {
            return arith::XOrIOp::create(b, o.x(), o.constant(1));
          })
          .Case([&](ExpOp) -> Value {
            if (op->hasAttr(kOfSoftmaxAttr) && o.elementType().isF32())
              return e.softmaxExponential(o.x());
            return o.unary<math::ExpOp>();
          })
          .Case([&](Expm1Op) { return o.unary<math::ExpM1Op>(); })
          .Case([&](LogOp) { return o.unary<math::LogOp>(); })
          .Case([&](Log1pOp) { return o.unary<math::Log1pOp>(); })
          .Case([&](SqrtOp) { return o.unary<math::SqrtOp>(); })
          .Case([&](RsqrtOp) -> Value {
            return arith::DivFOp::create(b, o.constant(1),
                                         o.unary<math::SqrtOp>());
          })
          .Case([&](TanhOp) { return o.unary<math::TanhOp>(); })
          .Case([&](SigmoidOp) { return sigmoid(o); })
          .Case([&](ErfOp) { return o.unary<math::ErfOp>(); })
          .Case([&](SinOp) { return o.unary<math::SinOp>(); })
          .Case([&](CosOp) { return o.unary<math::CosOp>(); })
          .Case([&](TanOp) -> Value {
            return arith::DivFOp::create(b, o.unary<math::SinOp>(),
                                         o.unary<math::CosOp>());
          })
          .Case([&](AtanOp) { return o.unary<math::AtanOp>(); })
          .Case([&](FloorOp) { return o.unary<math::FloorOp>(); })
          .Case([&](CeilOp) { return o.unary<math::CeilOp>(); })
          .Case([&](RoundOp) { return o.unary<math::RoundEvenOp>(); })
          .Case([&](IsNanOp) -> Value {
            return arith::CmpFOp::create(b, arith::CmpFPredicate::UNO, o.x(),
                                         o.x());
          })
          .Case([&](AddOp) { return o.binary<arith::AddFOp, arith::AddIOp>(); })
          .Case([&](SubOp) { return o.binary<arith::SubFOp, arith::SubIOp>(); })
          .Case([&](MulOp) { return o.binary<arith::MulFOp, arith::MulIOp>(); })
          .Case([&](DivOp) -> Value {
            if (o.isFloat)
              return arith::DivFOp::create(b, o.x(), o.y());
            return divide(o, op->getLoc());
          })
          .Case([&](ModOp) {
            Value isMinusOne; // what remains is 0 as of 1
            if (!o.isFloat)
              o.v[1] = safeDivisor(o, op->getLoc(), isMinusOne);
            return mod(o);
          })
          .Case([&](PowOp pow) {
            return o.isFloat ? floatPower(o, pow.getRhs()) : integerPower(o);
          })
          .Case([&](MinOp) { return e.combine(ReduceKind::min, o.x(), o.y()); })
          .Case([&](MaxOp) { return e.combine(ReduceKind::max, o.x(), o.y()); })
          .Case([&](AndOp) -> Value {
            return arith::AndIOp::create(b, o.x(), o.y());
          })
          .Case([&](OrOp) -> Value {
            return arith::OrIOp::create(b, o.x(), o.y());
          })
          .Case([&](XorOp) -> Value {
            return arith::XOrIOp::create(b, o.x(), o.y());
          })
          .Case([&](CompareOp c) {
            return compare(o, c.getPredicate(),
                           elementTypeOf(c.getLhs()).isInteger(1));
          })
          .Case([&](SelectOp) -> Value {
            return arith::SelectOp::create(b, o.v[0], o.v[1], o.v[2]);
          })
          .Case([&](CastOp c) {
            return e.convert(o.x(), elementTypeOf(c.getResult()),
                             elementTypeOf(c.getX()).isUnsignedInteger());
          })
          .Default([](Operation *) { return Value(); });
  if (!result)
    return result;
  return e.convert(result, elementTypeOf(op->getResult(0)));
}

} // namespace mapsto
