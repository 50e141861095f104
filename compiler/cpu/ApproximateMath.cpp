//===- ApproximateMath.cpp - Math functions at full vector width ----------===//
//
// libm works on one number at a time. For f32 (and f16, bf16 by way of it) the
// functions are evaluated here on whole vectors, by the formulas of
// MathFormulas.h (tests/math compares every f32 with libm in double). f64 stays
// with libm.
//
// A product and a sum stay one operation for targets that have it, and become
// two for those that do not: math.fma would be a call of libm there.
//
//===----------------------------------------------------------------------===//

#include "compiler/Passes.h"
#include "compiler/cpu/MathFormulas.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

#include <array>
#include <cmath>

using namespace mlir;

namespace mapsto {

#define GEN_PASS_DEF_APPROXIMATEMATH
#include "compiler/Passes.h.inc"

namespace {

template <typename Op, Float (*formula)(Float)>
struct ByFormula : OpRewritePattern<Op> {
  using OpRewritePattern<Op>::OpRewritePattern;
  LogicalResult matchAndRewrite(Op op,
                                PatternRewriter &rewriter) const override {
    if (!getElementTypeOrSelf(op.getType()).isF32())
      return failure();
    Builder b(op.getLoc(), rewriter);
    rewriter.replaceOp(op, formula(Float{&b, op.getOperand()}).v);
    return success();
  }
};

/// sin or cos. Vectors with an angle of more turns than the formula reduces go
/// to libm lane by lane, as single numbers do.
template <typename Op, Float (*formula)(Float)>
struct OfAngle : OpRewritePattern<Op> {
  using OpRewritePattern<Op>::OpRewritePattern;
  LogicalResult matchAndRewrite(Op op,
                                PatternRewriter &rewriter) const override {
    auto type = dyn_cast<VectorType>(op.getType());
    if (!type || type.getRank() != 1 || !type.getElementType().isF32())
      return failure();
    Builder b(op.getLoc(), rewriter);
    Float x{&b, op.getOperand()};
    Value far = vector::ReductionOp::create(b, vector::CombiningKind::OR,
                                            x.abs() > kMostAngle);
    auto lanes = [&](OpBuilder &at, Location loc) {
      Builder inner(loc, at);
      Value result = x.v;
      for (int64_t lane = 0; lane < type.getNumElements(); ++lane) {
        Value one = vector::ExtractOp::create(inner, x.v, lane);
        result = vector::InsertOp::create(inner, Op::create(inner, one), result,
                                          lane);
      }
      scf::YieldOp::create(inner, result);
    };
    auto whole = [&](OpBuilder &at, Location loc) {
      Builder inner(loc, at);
      scf::YieldOp::create(inner, formula(Float{&inner, x.v}).v);
    };
    auto choice = scf::IfOp::create(b, far, lanes, whole);
    rewriter.replaceOp(op, choice.getResults());
    return success();
  }
};

struct PowerByFormula : OpRewritePattern<math::PowFOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(math::PowFOp op,
                                PatternRewriter &rewriter) const override {
    if (!getElementTypeOrSelf(op.getType()).isF32())
      return failure();
    Builder b(op.getLoc(), rewriter);
    Float x{&b, op.getLhs()}, y{&b, op.getRhs()};
    rewriter.replaceOp(op, power(x, y).v);
    return success();
  }
};

struct FusedWhereItCan : OpRewritePattern<math::FmaOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(math::FmaOp op,
                                PatternRewriter &rewriter) const override {
    rewriter.replaceOpWithNewOp<LLVM::FMulAddOp>(op, op.getA(), op.getB(),
                                                 op.getC());
    return success();
  }
};

std::optional<double> constantOf(Value v) {
  APFloat c(0.0);
  if (!matchPattern(v, m_ConstantFloat(&c)))
    return std::nullopt;
  return c.convertToDouble();
}

/// The coefficients of `v` as a cubic polynomial in `x`, the constant first.
using Cubic = std::array<double, 4>;
std::optional<Cubic> asCubic(Value v, Value x, int depth = 6) {
  if (v == x)
    return Cubic{0, 1, 0, 0};
  if (std::optional<double> c = constantOf(v))
    return Cubic{*c, 0, 0, 0};
  Operation *op = v.getDefiningOp();
  if (!isa_and_nonnull<arith::AddFOp, arith::MulFOp, arith::DivFOp>(op) ||
      depth == 0)
    return std::nullopt;
  std::optional<Cubic> p = asCubic(op->getOperand(0), x, depth - 1);
  std::optional<Cubic> q = asCubic(op->getOperand(1), x, depth - 1);
  if (!p || !q)
    return std::nullopt;
  Cubic result{};
  if (isa<arith::AddFOp>(op)) {
    for (int i = 0; i < 4; ++i)
      result[i] = (*p)[i] + (*q)[i];
    return result;
  }
  if (isa<arith::DivFOp>(op)) {
    if ((*q)[1] != 0 || (*q)[2] != 0 || (*q)[3] != 0)
      return std::nullopt;
    (*q)[0] = 1 / (*q)[0];
  }
  for (int i = 0; i < 4; ++i)
    for (int j = 0; j < 4; ++j) {
      double term = (*p)[i] * (*q)[j];
      if (i + j < 4)
        result[i + j] += term;
      else if (term != 0)
        return std::nullopt;
    }
  return result;
}

/// Equal but for roundings of the constants.
bool isCubic(Value v, Value x, Cubic wanted) {
  std::optional<Cubic> found = asCubic(v, x);
  if (!found)
    return false;
  for (int i = 0; i < 4; ++i)
    if (std::abs((*found)[i] - wanted[i]) > 1e-6 * wanted[i])
      return false;
  return true;
}

/// The factors of `v`: a product is taken apart if nothing else reads it or it
/// is one half of a number, which both forms of gelu may share.
void factorsOf(Value v, SmallVectorImpl<Value> &factors) {
  auto product = v.getDefiningOp<arith::MulFOp>();
  if (!product || !(v.hasOneUse() || constantOf(product.getLhs()) == 0.5 ||
                    constantOf(product.getRhs()) == 0.5))
    return factors.push_back(v);
  for (Value x : product->getOperands())
    factorsOf(x, factors);
}

/// 1 + f(u), read once: u.
template <typename Op> Value operandOf1Plus(Value v) {
  auto sum = v.getDefiningOp<arith::AddFOp>();
  if (!sum || !v.hasOneUse())
    return {};
  for (int i : {0, 1})
    if (auto f = sum->getOperand(i).getDefiningOp<Op>())
      if (f->hasOneUse() && constantOf(sum->getOperand(1 - i)) == 1.0)
        return f.getOperand();
  return {};
}

/// x/2 (1 + erf(x / sqrt 2)), and x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715
/// x^3))). Written so, x far below 0 leaves nothing of a sum of 1 and almost
/// -1.
struct GeluByFormula : OpRewritePattern<arith::MulFOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(arith::MulFOp op,
                                PatternRewriter &rewriter) const override {
    if (!getElementTypeOrSelf(op.getType()).isF32())
      return failure();
    SmallVector<Value> factors;
    for (Value x : op->getOperands())
      factorsOf(x, factors);
    Value ofErf, ofTanh, x;
    double constant = 1;
    for (Value factor : factors) {
      if (std::optional<double> c = constantOf(factor))
        constant *= *c;
      else if (Value u = operandOf1Plus<math::ErfOp>(factor); u && !ofErf)
        ofErf = u;
      else if (Value u = operandOf1Plus<math::TanhOp>(factor); u && !ofTanh)
        ofTanh = u;
      else if (!x)
        x = factor;
      else
        return failure();
    }
    if (!x || constant != 0.5 || !ofErf == !ofTanh)
      return failure();
    constexpr double root2OverPi = 0.7978845608028654;
    bool matches =
        ofErf ? isCubic(ofErf, x, {0, 0.7071067811865476, 0, 0})
              : isCubic(ofTanh, x, {0, root2OverPi, 0, root2OverPi * 0.044715});
    if (!matches)
      return failure();
    Builder b(op.getLoc(), rewriter);
    Float of{&b, x};
    rewriter.replaceOp(op, (ofErf ? geluOf(of) : geluByTanhOf(of)).v);
    return success();
  }
};

struct ApproximateMath : impl::ApproximateMathBase<ApproximateMath> {
  void runOnOperation() override {
    RewritePatternSet combined(&getContext());
    combined.add<GeluByFormula>(&getContext());
    RewritePatternSet single(&getContext());
    single.add<
        ByFormula<math::ExpOp, exponential>,
        ByFormula<math::Exp2Op, exponential2>,
        ByFormula<math::ExpM1Op, exponentialMinus1>,
        ByFormula<math::LogOp, logarithm>,
        ByFormula<math::Log1pOp, logarithmOf1Plus>,
        ByFormula<math::TanhOp, tanhOf>, ByFormula<math::ErfOp, erfOf>,
        ByFormula<math::AtanOp, arcTangent>, OfAngle<math::SinOp, sineWithin>,
        OfAngle<math::CosOp, cosineWithin>, PowerByFormula, FusedWhereItCan>(
        &getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(combined))) ||
        failed(applyPatternsGreedily(getOperation(), std::move(single))))
      signalPassFailure();
  }
};

} // namespace

} // namespace mapsto
