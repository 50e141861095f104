//===- Fold.cpp - Ops that are known before they run ----------------------===//
//
// Folders: literals are evaluated by the interpreter's rules, so that folding
// cannot mean anything else than running; and ops that change nothing give
// their operand. See Canonicalize.cpp for rewrites that build new ops.
//
//===----------------------------------------------------------------------===//

#include "dialect/Builders.h"
#include "dialect/interpreter/Interpreter.h"

using namespace mlir;

namespace mapsto {

//===----------------------------------------------------------------------===//
// Literals
//===----------------------------------------------------------------------===//

// Larger tables stay ops: they would be stored in the artifact.
static constexpr int64_t kMaxFoldedElements = 4096;

// The first element as a scalar, where it stands for all.
static Tensor oneOf(DenseElementsAttr splat) {
  auto type = cast<ShapedType>(splat.getType());
  return tensorFrom(
      splat.resizeSplat(RankedTensorType::get({}, type.getElementType())));
}

// Evaluates an op whose operands are all literals.
static OpFoldResult foldLiterals(Operation *op, ArrayRef<Attribute> operands) {
  auto resultType = cast<RankedTensorType>(op->getResult(0).getType());
  if (operands.empty() || !resultType.hasStaticShape())
    return {};
  SmallVector<DenseElementsAttr> literals;
  for (Attribute operand : operands) {
    auto literal = dyn_cast_or_null<DenseElementsAttr>(operand);
    if (!literal)
      return {};
    literals.push_back(literal);
  }
  bool allSplat = op->hasTrait<OpTrait::Elementwise>() &&
                  llvm::all_of(literals, [](DenseElementsAttr literal) {
                    return literal.isSplat();
                  });
  auto tooLarge = [](DenseElementsAttr literal) {
    return literal.getNumElements() > kMaxFoldedElements;
  };
  if (!allSplat && (resultType.getNumElements() > kMaxFoldedElements ||
                    llvm::any_of(literals, tooLarge)))
    return {};
  std::vector<Tensor> tensors;
  for (DenseElementsAttr literal : literals)
    tensors.push_back(allSplat ? oneOf(literal) : tensorFrom(literal));
  FailureOr<std::vector<Tensor>> results = evaluateOp(op, tensors);
  if (failed(results))
    return {};
  DenseElementsAttr value = literalFrom(results->front());
  return allSplat ? value.resizeSplat(resultType) : value;
}

OpFoldResult ConstantOp::fold(FoldAdaptor) { return getValue(); }

OpFoldResult SizeOp::fold(FoldAdaptor) {
  std::optional<int64_t> size = Dim::parse(getDim())->constant();
  if (!size)
    return {};
  return DenseElementsAttr::get(cast<ShapedType>(getType()),
                                ArrayRef<int64_t>(*size));
}

//===----------------------------------------------------------------------===//
// Pointwise
//===----------------------------------------------------------------------===//

static bool isUniform(Value x, double value) {
  return uniformValue(x) == value;
}
static bool isInteger(Value x) { return !isa<FloatType>(elementTypeOf(x)); }

#define MAPSTO_FOLD_LITERALS(Op)                                               \
  OpFoldResult Op::fold(FoldAdaptor adaptor) {                                 \
    return foldLiterals(*this, adaptor.getOperands());                         \
  }
MAPSTO_FOLD_LITERALS(AbsOp)
MAPSTO_FOLD_LITERALS(SignOp)
MAPSTO_FOLD_LITERALS(ExpOp)
MAPSTO_FOLD_LITERALS(Expm1Op)
MAPSTO_FOLD_LITERALS(LogOp)
MAPSTO_FOLD_LITERALS(Log1pOp)
MAPSTO_FOLD_LITERALS(SqrtOp)
MAPSTO_FOLD_LITERALS(RsqrtOp)
MAPSTO_FOLD_LITERALS(TanhOp)
MAPSTO_FOLD_LITERALS(SigmoidOp)
MAPSTO_FOLD_LITERALS(ErfOp)
MAPSTO_FOLD_LITERALS(SinOp)
MAPSTO_FOLD_LITERALS(CosOp)
MAPSTO_FOLD_LITERALS(TanOp)
MAPSTO_FOLD_LITERALS(AtanOp)
MAPSTO_FOLD_LITERALS(FloorOp)
MAPSTO_FOLD_LITERALS(CeilOp)
MAPSTO_FOLD_LITERALS(RoundOp)
MAPSTO_FOLD_LITERALS(CompareOp)
#undef MAPSTO_FOLD_LITERALS

OpFoldResult NegOp::fold(FoldAdaptor adaptor) {
  if (auto inner = getX().getDefiningOp<NegOp>())
    return inner.getX();
  return foldLiterals(*this, adaptor.getOperands());
}

OpFoldResult NotOp::fold(FoldAdaptor adaptor) {
  if (auto inner = getX().getDefiningOp<NotOp>())
    return inner.getX();
  return foldLiterals(*this, adaptor.getOperands());
}

// x op `neutral` is x.
template <typename Op>
static OpFoldResult foldNeutral(Op op, ArrayRef<Attribute> operands,
                                double neutral) {
  if (isUniform(op.getRhs(), neutral))
    return op.getLhs();
  bool commutes = Op::template hasTrait<OpTrait::IsCommutative>();
  if (commutes && isUniform(op.getLhs(), neutral))
    return op.getRhs();
  return foldLiterals(op, operands);
}

// x op x is x.
template <typename Op>
static OpFoldResult foldIdempotent(Op op, ArrayRef<Attribute> operands) {
  if (op.getLhs() == op.getRhs())
    return op.getLhs();
  return foldLiterals(op, operands);
}

OpFoldResult AddOp::fold(FoldAdaptor adaptor) {
  return foldNeutral(*this, adaptor.getOperands(), 0);
}
OpFoldResult SubOp::fold(FoldAdaptor adaptor) {
  return foldNeutral(*this, adaptor.getOperands(), 0);
}
OpFoldResult MulOp::fold(FoldAdaptor adaptor) {
  // Not of floats: NaN and infinity times 0 are NaN.
  if (isInteger(getLhs())) {
    if (isUniform(getRhs(), 0))
      return getRhs();
    if (isUniform(getLhs(), 0))
      return getLhs();
  }
  return foldNeutral(*this, adaptor.getOperands(), 1);
}
OpFoldResult DivOp::fold(FoldAdaptor adaptor) {
  return foldNeutral(*this, adaptor.getOperands(), 1);
}
OpFoldResult ModOp::fold(FoldAdaptor adaptor) {
  return foldLiterals(*this, adaptor.getOperands());
}
OpFoldResult PowOp::fold(FoldAdaptor adaptor) {
  return foldNeutral(*this, adaptor.getOperands(), 1);
}
OpFoldResult MinOp::fold(FoldAdaptor adaptor) {
  return foldIdempotent(*this, adaptor.getOperands());
}
OpFoldResult MaxOp::fold(FoldAdaptor adaptor) {
  return foldIdempotent(*this, adaptor.getOperands());
}

// Every bit set: of a boolean, true.
static double allBits(Value x) {
  return elementTypeOf(x).isInteger(1) ? 1 : -1;
}

// x op `neutral` is x, x op `absorbing` is that value.
template <typename Op>
static OpFoldResult foldBits(Op op, ArrayRef<Attribute> operands,
                             double neutral, double absorbing) {
  for (Value side : {op.getLhs(), op.getRhs()})
    if (isUniform(side, absorbing))
      return side;
  if (op.getLhs() == op.getRhs())
    return op.getLhs();
  return foldNeutral(op, operands, neutral);
}

OpFoldResult AndOp::fold(FoldAdaptor adaptor) {
  return foldBits(*this, adaptor.getOperands(), allBits(getLhs()), 0);
}
OpFoldResult OrOp::fold(FoldAdaptor adaptor) {
  return foldBits(*this, adaptor.getOperands(), 0, allBits(getLhs()));
}
OpFoldResult XorOp::fold(FoldAdaptor adaptor) {
  return foldNeutral(*this, adaptor.getOperands(), 0);
}

OpFoldResult SelectOp::fold(FoldAdaptor adaptor) {
  if (getX() == getY())
    return getX();
  if (std::optional<double> condition = uniformValue(getCondition()))
    return *condition ? getX() : getY();
  return foldLiterals(*this, adaptor.getOperands());
}

OpFoldResult CastOp::fold(FoldAdaptor adaptor) {
  if (getX().getType() == getType())
    return getX();
  return foldLiterals(*this, adaptor.getOperands());
}

//===----------------------------------------------------------------------===//
// Shapes
//===----------------------------------------------------------------------===//

// A broadcast literal stays a broadcast: `uniformValue` sees through it, and
// it takes no memory.
OpFoldResult BroadcastOp::fold(FoldAdaptor) {
  return getX().getType() == getType() ? OpFoldResult(getX()) : OpFoldResult();
}

OpFoldResult ReshapeOp::fold(FoldAdaptor adaptor) {
  if (getX().getType() == getType())
    return getX();
  auto literal = dyn_cast_or_null<DenseElementsAttr>(adaptor.getX());
  auto type = cast<RankedTensorType>(getType());
  if (literal && type.hasStaticShape())
    return literal.reshape(type);
  return {};
}

OpFoldResult TransposeOp::fold(FoldAdaptor adaptor) {
  ArrayRef<int64_t> permutation = getPermutation();
  if (llvm::equal(permutation, llvm::seq<int64_t>(0, permutation.size())))
    return getX();
  return foldLiterals(*this, adaptor.getOperands());
}

OpFoldResult SliceOp::fold(FoldAdaptor adaptor) {
  bool unitSteps =
      llvm::all_of(getSteps(), [](int64_t step) { return step == 1; });
  if (unitSteps && getX().getType() == getType())
    return getX();
  return foldLiterals(*this, adaptor.getOperands());
}

OpFoldResult ConcatOp::fold(FoldAdaptor adaptor) {
  if (getParts().size() == 1)
    return getParts().front();
  return foldLiterals(*this, adaptor.getOperands());
}

OpFoldResult ReduceOp::fold(FoldAdaptor adaptor) {
  if (getAxes().empty())
    return getX();
  return foldLiterals(*this, adaptor.getOperands());
}

} // namespace mapsto
