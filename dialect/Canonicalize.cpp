//===- Canonicalize.cpp - The one form of what can be written in many -----===//
//
// Rewrites that leave fewer or cheaper ops. Passes may rely on their results:
// shape changes in a row are one, a broadcast scalar is computed as a scalar,
// a matmul reads its right side as it lies.
//
//===----------------------------------------------------------------------===//

#include "dialect/Builders.h"

#include "mlir/IR/PatternMatch.h"

using namespace mlir;

namespace mapsto {
namespace {

//===----------------------------------------------------------------------===//
// Literals
//===----------------------------------------------------------------------===//

/// A table of equal elements is one scalar, broadcast: it takes no memory, and
/// there is one form of it whatever the sizes.
LogicalResult shrinkSplat(ConstantOp op, PatternRewriter &rewriter) {
  auto literal = dyn_cast<DenseElementsAttr>(op.getValue());
  auto type = cast<RankedTensorType>(op.getType());
  if (!literal || !literal.isSplat() || type.getRank() == 0)
    return failure();
  auto scalarType = RankedTensorType::get({}, type.getElementType());
  Value one = ConstantOp::create(rewriter, op.getLoc(),
                                 literal.resizeSplat(scalarType));
  rewriter.replaceOpWithNewOp<BroadcastOp>(op, type, one);
  return success();
}

//===----------------------------------------------------------------------===//
// Broadcast and reshape
//===----------------------------------------------------------------------===//

/// broadcast(broadcast(x)) is one broadcast.
LogicalResult mergeBroadcasts(BroadcastOp op, PatternRewriter &rewriter) {
  auto inner = op.getX().getDefiningOp<BroadcastOp>();
  if (!inner)
    return failure();
  rewriter.replaceOpWithNewOp<BroadcastOp>(op, op.getType(), inner.getX());
  return success();
}

/// A reshape that only puts axes of size 1 in front is part of broadcasting.
LogicalResult dropLeadingUnits(BroadcastOp op, PatternRewriter &rewriter) {
  auto inner = op.getX().getDefiningOp<ReshapeOp>();
  if (!inner)
    return failure();
  Dims from = dimsOf(inner.getX()), to = dimsOf(inner.getResult());
  if (from.size() >= to.size())
    return failure();
  ArrayRef<Dim> added = ArrayRef(to).drop_back(from.size());
  bool onlyUnits =
      ArrayRef(to).take_back(from.size()) == ArrayRef(from) &&
      llvm::all_of(added, [](const Dim &d) { return d == Dim(1); });
  if (!onlyUnits)
    return failure();
  rewriter.replaceOpWithNewOp<BroadcastOp>(op, op.getType(), inner.getX());
  return success();
}

/// reshape(reshape(x)) is one reshape.
LogicalResult mergeReshapes(ReshapeOp op, PatternRewriter &rewriter) {
  auto inner = op.getX().getDefiningOp<ReshapeOp>();
  if (!inner)
    return failure();
  rewriter.replaceOp(
      op, reshape(rewriter, op.getLoc(), inner.getX(), dimsOf(op.getResult())));
  return success();
}

/// Any movement of a broadcast scalar is that scalar, broadcast.
template <typename Op>
LogicalResult moveScalar(Op op, PatternRewriter &rewriter) {
  auto inner = op.getX().template getDefiningOp<BroadcastOp>();
  if (!inner || !dimsOf(inner.getX()).empty())
    return failure();
  rewriter.replaceOp(op, broadcastTo(rewriter, op.getLoc(), inner.getX(),
                                     dimsOf(op.getResult())));
  return success();
}

//===----------------------------------------------------------------------===//
// Transpose
//===----------------------------------------------------------------------===//

/// transpose(transpose(x)) is one transpose.
LogicalResult mergeTransposes(TransposeOp op, PatternRewriter &rewriter) {
  auto inner = op.getX().getDefiningOp<TransposeOp>();
  if (!inner)
    return failure();
  SmallVector<int64_t> permutation;
  for (int64_t axis : op.getPermutation())
    permutation.push_back(inner.getPermutation()[axis]);
  rewriter.replaceOp(
      op, transpose(rewriter, op.getLoc(), inner.getX(), permutation));
  return success();
}

/// Moving only axes of size 1 moves no element.
LogicalResult transposeToReshape(TransposeOp op, PatternRewriter &rewriter) {
  Dims dims = dimsOf(op.getX());
  SmallVector<int64_t> moved;
  for (int64_t axis : op.getPermutation())
    if (dims[axis] != Dim(1))
      moved.push_back(axis);
  if (!llvm::is_sorted(moved))
    return failure();
  rewriter.replaceOp(
      op, reshape(rewriter, op.getLoc(), op.getX(), dimsOf(op.getResult())));
  return success();
}

//===----------------------------------------------------------------------===//
// Slice
//===----------------------------------------------------------------------===//

/// slice(slice(x)) is one slice.
LogicalResult mergeSlices(SliceOp op, PatternRewriter &rewriter) {
  auto inner = op.getX().getDefiningOp<SliceOp>();
  if (!inner)
    return failure();
  Dims starts = inner.getStarts().getDims();
  SmallVector<int64_t> steps;
  for (auto [axis, start] : llvm::enumerate(op.getStarts().getDims())) {
    starts[axis] += start * Dim(inner.getSteps()[axis]);
    int64_t step;
    if (__builtin_mul_overflow(inner.getSteps()[axis], op.getSteps()[axis],
                               &step))
      return failure();
    steps.push_back(step);
  }
  rewriter.replaceOpWithNewOp<SliceOp>(
      op, inner.getX(), DimsAttr::get(op.getContext(), starts), op.getSizes(),
      rewriter.getDenseI64ArrayAttr(steps));
  return success();
}

/// Rows of a parameter are read as such: nothing is copied.
LogicalResult sliceOfWeight(SliceOp op, PatternRewriter &rewriter) {
  auto weight = op.getX().getDefiningOp<WeightOp>();
  if (!weight || weight.getPanel() || dimsOf(op.getX()).empty())
    return failure();
  Dims from = dimsOf(op.getX()), starts = op.getStarts().getDims();
  Dims to = op.getSizes().getDims();
  std::optional<int64_t> start = starts[0].constant();
  if (!start || !to[0].isConstant() ||
      ArrayRef(from).drop_front() != ArrayRef(to).drop_front() ||
      llvm::any_of(op.getSteps(), [](int64_t step) { return step != 1; }))
    return failure();
  rewriter.replaceOpWithNewOp<WeightOp>(op, op.getType(), weight, *start);
  return success();
}

//===----------------------------------------------------------------------===//
// Matmul
//===----------------------------------------------------------------------===//

/// A right side whose last two axes were exchanged is read the other way.
LogicalResult foldTransposeIntoMatmul(MatmulOp op, PatternRewriter &rewriter) {
  auto transposed = op.getRhs().getDefiningOp<TransposeOp>();
  if (!transposed)
    return failure();
  SmallVector<int64_t> permutation(transposed.getPermutation());
  size_t rank = permutation.size();
  std::swap(permutation[rank - 1], permutation[rank - 2]);
  if (!llvm::equal(permutation, llvm::seq<int64_t>(0, rank)))
    return failure();
  rewriter.replaceOpWithNewOp<MatmulOp>(op, op.getLhs(), transposed.getX(),
                                        /*transposed=*/!op.getTransposed());
  return success();
}

//===----------------------------------------------------------------------===//
// Cast
//===----------------------------------------------------------------------===//

// Whether every value of one element type is a value of the other.
bool isExact(Type from, Type to) {
  unsigned fromBits = from.getIntOrFloatBitWidth();
  unsigned toBits = to.getIntOrFloatBitWidth();
  if (to.isInteger()) {
    // One more bit than an unsigned integer has; a sign has no place in one.
    bool fits = from.isUnsignedInteger() == to.isUnsignedInteger()
                    ? toBits >= fromBits
                    : toBits > fromBits && !to.isUnsignedInteger();
    return from.isInteger() && fits && toBits > 1;
  }
  auto toFloat = cast<FloatType>(to);
  if (from.isInteger())
    return toFloat.getFPMantissaWidth() >= fromBits;
  auto fromFloat = cast<FloatType>(from);
  return from == to ||
         (toBits > fromBits &&
          toFloat.getFPMantissaWidth() >= fromFloat.getFPMantissaWidth());
}

/// cast(cast(x)) is one cast where the first loses nothing.
LogicalResult mergeCasts(CastOp op, PatternRewriter &rewriter) {
  auto inner = op.getX().getDefiningOp<CastOp>();
  if (!inner ||
      !isExact(elementTypeOf(inner.getX()), elementTypeOf(inner.getResult())))
    return failure();
  rewriter.replaceOp(op, cast(rewriter, op.getLoc(), inner.getX(),
                              elementTypeOf(op.getResult())));
  return success();
}

//===----------------------------------------------------------------------===//
// Pointwise ops on broadcast scalars
//===----------------------------------------------------------------------===//

/// The scalar that x repeats, or nothing.
Value scalarOf(Value x) {
  auto broadcast = x.getDefiningOp<BroadcastOp>();
  if (broadcast && dimsOf(broadcast.getX()).empty())
    return broadcast.getX();
  return nullptr;
}

/// Computes once what would be the same in every place:
///   exp(broadcast(s)) is broadcast(exp(s)).
struct ComputeOnScalars : public RewritePattern {
  explicit ComputeOnScalars(MLIRContext *context)
      : RewritePattern(MatchAnyOpTypeTag(), /*benefit=*/1, context) {}

  LogicalResult matchAndRewrite(Operation *op,
                                PatternRewriter &rewriter) const override {
    if (!op->hasTrait<OpTrait::Elementwise>() ||
        !isa<MapstoDialect>(op->getDialect()) || op->getNumResults() != 1 ||
        dimsOf(op->getResult(0)).empty())
      return failure();
    SmallVector<Value> scalars;
    for (Value operand : op->getOperands()) {
      scalars.push_back(scalarOf(operand));
      if (!scalars.back())
        return failure();
    }
    Value result = op->getResult(0);
    Operation *small = rewriter.clone(*op);
    rewriter.modifyOpInPlace(small, [&] {
      small->setOperands(scalars);
      small->getResult(0).setType(
          RankedTensorType::get({}, elementTypeOf(result)));
    });
    rewriter.replaceOp(op, broadcastTo(rewriter, op->getLoc(),
                                       small->getResult(0), dimsOf(result)));
    return success();
  }
};

} // namespace

void ConstantOp::getCanonicalizationPatterns(RewritePatternSet &patterns,
                                             MLIRContext *) {
  patterns.add(shrinkSplat);
}

void BroadcastOp::getCanonicalizationPatterns(RewritePatternSet &patterns,
                                              MLIRContext *) {
  patterns.add(mergeBroadcasts);
  patterns.add(dropLeadingUnits);
}

void ReshapeOp::getCanonicalizationPatterns(RewritePatternSet &patterns,
                                            MLIRContext *) {
  patterns.add(mergeReshapes);
  patterns.add(moveScalar<ReshapeOp>);
}

void TransposeOp::getCanonicalizationPatterns(RewritePatternSet &patterns,
                                              MLIRContext *) {
  patterns.add(mergeTransposes);
  patterns.add(transposeToReshape);
  patterns.add(moveScalar<TransposeOp>);
}

void SliceOp::getCanonicalizationPatterns(RewritePatternSet &patterns,
                                          MLIRContext *) {
  patterns.add(mergeSlices);
  patterns.add(sliceOfWeight);
  patterns.add(moveScalar<SliceOp>);
}

void MatmulOp::getCanonicalizationPatterns(RewritePatternSet &patterns,
                                           MLIRContext *) {
  patterns.add(foldTransposeIntoMatmul);
}

void MapstoDialect::getCanonicalizationPatterns(
    RewritePatternSet &patterns) const {
  patterns.add(mergeCasts);
  patterns.add<ComputeOnScalars>(getContext());
}

} // namespace mapsto
