//===- Formula.h - Formulas on tensors, written as formulas -----*- C++ -*-===//
//
// What ops that are compositions are built with: `x * sigmoid(x)`. Tensors of
// one formula have one shape and type; a number among them is of their type.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_FRONTENDS_ONNX_FORMULA_H
#define MAPSTO_FRONTENDS_ONNX_FORMULA_H

#include "frontends/onnx/Node.h"

namespace mapsto::onnx {

/// A tensor in a formula.
struct Term {
  mlir::OpBuilder *b;
  mlir::Location loc;
  mlir::Value v;

  Term(Node &n, mlir::Value v) : b(&n.b), loc(n.loc), v(v) {}
  Term(const Term &like, mlir::Value v) : b(like.b), loc(like.loc), v(v) {}
  /// A number in every place.
  Term operator()(double number) const {
    return {*this, splat(*b, loc, number, v.getType())};
  }
};

template <typename Op> Term apply(const Term &x) {
  return {x, Op::create(*x.b, x.loc, x.v)};
}
template <typename Op> Term apply(const Term &x, const Term &y) {
  return {x, Op::create(*x.b, x.loc, x.v, y.v)};
}
inline Term compare(ComparePredicate predicate, const Term &x, const Term &y) {
  return {x, CompareOp::create(*x.b, x.loc, predicate, x.v, y.v)};
}

// Each with a number on either side too.
#define MAPSTO_ONNX_BINARY(NAME, EXPRESSION)                                   \
  inline Term NAME(const Term &x, const Term &y) { return EXPRESSION; }        \
  inline Term NAME(const Term &x, double y) { return NAME(x, x(y)); }          \
  inline Term NAME(double x, const Term &y) { return NAME(y(x), y); }
MAPSTO_ONNX_BINARY(operator+, apply<AddOp>(x, y))
MAPSTO_ONNX_BINARY(operator-, apply<SubOp>(x, y))
MAPSTO_ONNX_BINARY(operator*, apply<MulOp>(x, y))
MAPSTO_ONNX_BINARY(operator/, apply<DivOp>(x, y))
MAPSTO_ONNX_BINARY(operator%, apply<ModOp>(x, y))
MAPSTO_ONNX_BINARY(min, apply<MinOp>(x, y))
MAPSTO_ONNX_BINARY(max, apply<MaxOp>(x, y))
MAPSTO_ONNX_BINARY(pow, apply<PowOp>(x, y))
MAPSTO_ONNX_BINARY(operator<, compare(ComparePredicate::lt, x, y))
MAPSTO_ONNX_BINARY(operator>, compare(ComparePredicate::gt, x, y))
MAPSTO_ONNX_BINARY(operator<=, compare(ComparePredicate::le, x, y))
MAPSTO_ONNX_BINARY(operator>=, compare(ComparePredicate::ge, x, y))
MAPSTO_ONNX_BINARY(operator==, compare(ComparePredicate::eq, x, y))
MAPSTO_ONNX_BINARY(operator!=, compare(ComparePredicate::ne, x, y))
#undef MAPSTO_ONNX_BINARY

inline Term operator-(const Term &x) { return apply<NegOp>(x); }
inline Term operator!(const Term &x) { return apply<NotOp>(x); }
/// Of booleans.
inline Term operator&(const Term &x, const Term &y) {
  return apply<AndOp>(x, y);
}
inline Term operator|(const Term &x, const Term &y) {
  return apply<OrOp>(x, y);
}
inline Term abs(const Term &x) { return apply<AbsOp>(x); }
inline Term atan(const Term &x) { return apply<AtanOp>(x); }
inline Term cos(const Term &x) { return apply<CosOp>(x); }
inline Term erf(const Term &x) { return apply<ErfOp>(x); }
inline Term exp(const Term &x) { return apply<ExpOp>(x); }
inline Term expm1(const Term &x) { return apply<Expm1Op>(x); }
inline Term log(const Term &x) { return apply<LogOp>(x); }
inline Term log1p(const Term &x) { return apply<Log1pOp>(x); }
inline Term sigmoid(const Term &x) { return apply<SigmoidOp>(x); }
inline Term sign(const Term &x) { return apply<SignOp>(x); }
inline Term sqrt(const Term &x) { return apply<SqrtOp>(x); }
inline Term tanh(const Term &x) { return apply<TanhOp>(x); }

inline Term select(const Term &condition, const Term &x, const Term &y) {
  return {x, SelectOp::create(*x.b, x.loc, condition.v, x.v, y.v)};
}
inline Term select(const Term &condition, const Term &x, double y) {
  return select(condition, x, x(y));
}
inline Term select(const Term &condition, double x, const Term &y) {
  return select(condition, y(x), y);
}

// The carriers of uint64 are signed: what is 2^63 and more is below zero there.
/// A tensor of elements of `type` in their order: of uint64, 2^63 less, which
/// undoes itself.
inline Term ordered(const Term &x, mlir::Type type) {
  return type.isUnsignedInteger(64) ? x + -0x1p63 : x;
}
/// x / 2 of uint64.
Term unsignedHalf(const Term &x);
/// x / y of whole numbers of `type`, towards zero (`mapsto.div` rounds down).
Term divideTowardsZero(const Term &x, const Term &y, mlir::Type type);

/// A size, in every place of a tensor like `like`.
Term sizeAs(const Term &like, const Dim &size);

/// Whole numbers as a tensor of i64.
mlir::Value list(Node &n, llvm::ArrayRef<int64_t> numbers);

/// What a composition computes with: f32 for f16 and bf16, so that only its
/// result is rounded to them; f64 for whole numbers; else the type itself.
mlir::Type widened(mlir::Type type);
/// Input `i` of a node as that.
Term wide(Node &n, size_t i);

/// Output 0 from input 0, a tensor of floats, computed as `wide`.
LogicalResult give(Node &n, llvm::function_ref<Term(Term)> formula);

/// The input is of floats; reported otherwise.
LogicalResult needFloats(Node &n, size_t i);
/// The inputs are of one type; reported otherwise.
LogicalResult needOneType(Node &n);
/// Whether attributes say where the second input is broadcast, as until opset
/// 6.
bool hasOldBroadcast(Node &n);
/// All inputs broadcast to their common shape; reported where they clash. The
/// axes of the second are those of the first from `axis` on, if it is given
/// (here or by an attribute, as until opset 6).
FailureOr<llvm::SmallVector<mlir::Value>>
broadcastInputs(Node &n, std::optional<int64_t> axis = std::nullopt);

} // namespace mapsto::onnx

#endif // MAPSTO_FRONTENDS_ONNX_FORMULA_H
