//===- ApproximateMath.cpp - Math functions at full vector width ----------===//
//
// libm works on one number at a time. For f32 (and f16, bf16 by way of it) the
// functions that models use most are evaluated here on whole vectors, over the
// whole range: denormals, infinities and NaN come out as they should
// (tests/math compares every f32 with libm in double). What is left to MLIR's
// own approximations: expm1, log1p, atan and pow. f64 stays with libm.
//
// So do sin and cos: MLIR's reduce the argument in one step, which loses it
// beyond a few turns (1330 ulp within |x| <= 12, infinite at 1e30).
//
// The polynomials of exp and log are N. Juffa's, within 1 ulp with fused
// multiply-adds; the quotients of tanh and erf were fitted to tanh(x)/x and
// erf(x)/x in x*x, their coefficients then moved by single bits until the
// largest error with roundings was least: 6 ulp, in half the time that a
// polynomial of 1 ulp by way of exp takes (erf: 2.1 us instead of 4.3 for 8192
// elements on one core of a Zen 4 EPYC, x86-64-v3, November 2026).
//
//===----------------------------------------------------------------------===//

#include "compiler/Passes.h"
#include "compiler/cpu/FloatFormula.h"

#include "mlir/Dialect/Math/Transforms/Approximation.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

#include <limits>

using namespace mlir;

namespace mapsto {

#define GEN_PASS_DEF_APPROXIMATEMATH
#include "compiler/Passes.h.inc"

namespace {

/// Rounds to a whole number when added: 1.5 * 2^23 leaves no bits for fractions
/// of anything within +-2^22. The 254 is for `scaled`.
constexpr double kRounder = 12582912 + 254;

/// p * 2^n, for p about 1 and n + kRounder in `t`. The low bits of t are
/// n + 254; half of that each is the biased exponent of a factor, so what is
/// denormal or beyond the range is rounded once, by the last product.
Float scaled(Float p, Float t) {
  Whole both = t.bits();
  Whole half = both >> 1;
  Float first = Float::ofBits(half << 23);
  Float second = Float::ofBits((both - half) << 23);
  return p * first * second;
}

/// exp(r) for |r| <= ln(2)/2.
Float expNearZero(Float r) {
  return r.polynomial({1.37805939e-3, 8.37312452e-3, 4.16695364e-2,
                       1.66664720e-1, 4.99999851e-1, 1, 1});
}

constexpr double kLog2e = 1.442695040888963;
/// ln 2 in two parts, the first with zeros at its end: n times it is exact.
constexpr double kLn2High = 0x1.62e4p-1, kLn2Low = 0x1.7f7d1cp-20;

/// 2^n exp(r), n = round(x / ln 2). Beyond the limits it is 0 and infinity.
Float exponential(Float x) {
  x = x.atLeast(-104).atMost(89);
  Float t = x * kLog2e + kRounder;
  Float n = t - kRounder;
  Float r = x - n * kLn2High - n * kLn2Low;
  return scaled(expNearZero(r), t);
}

Float exponential2(Float x) {
  x = x.atLeast(-151).atMost(129);
  Float t = x + kRounder;
  Float r = x - (t - kRounder);
  return scaled(expNearZero(r * 0.6931471805599453), t);
}

/// m 2^e with m in [2/3, 4/3): log(m) as a polynomial in m - 1, plus e ln 2.
Float logarithm(Float x) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  constexpr double smallestNormal = 0x1p-126;
  Value denormal = x < smallestNormal;
  Float a = (x * 0x1p23).select(denormal, x);
  Whole exponent = (a.bits() - a.bits().constant(0x3f2aaaab)) & int(0xff800000);
  Float m = Float::ofBits(a.bits() - exponent) - 1;
  Float e = Float::ofWhole(exponent) * 0x1p-23 +
            x.constant(-23).select(denormal, x.constant(0));
  Float s = m * m;
  Float odd =
      s.polynomial({-0.130310059, -0.121489234, -0.166845024, -0.249996305});
  Float even = s.polynomial({0.140869141, 0.139809728, 0.200121149});
  Float p = even * m + odd;
  p = p * m + 0.333331972;
  p = p * m - 0.5;
  Float y = e * 0.693147182 + (p * s + m);
  // Infinity and NaN as they are, -infinity for 0, NaN below.
  y = y.select(x.compare(arith::CmpFPredicate::OLT, x.constant(infinity)), x);
  y = x.constant(-infinity).select(
      x.compare(arith::CmpFPredicate::OEQ, x.constant(0)), y);
  return x.constant(std::numeric_limits<double>::quiet_NaN()).select(x < 0, y);
}

/// From 9.02 on tanh rounds to 1.
Float tanhOf(Float x) {
  Float a = x.atLeast(-9.02).atMost(9.02);
  Float s = a * a;
  Float p = s.polynomial({0x1.c9a304p-27, 0x1.59557p-16, 0x1.c9f872p-9,
                          0x1.120446p-3, 0x1.fffffep-1});
  Float q = s.polynomial(
      {0x1.a0b84cp-21, 0x1.5841eep-12, 0x1.a7df36p-6, 0x1.de576ap-2, 1});
  return a * p / q;
}

/// From 3.93 on erf rounds to 1.
Float erfOf(Float x) {
  Float a = x.atLeast(-3.93).atMost(3.93);
  Float s = a * a;
  Float p = s.polynomial({0x1.121254p-19, 0x1.2a988ep-12, 0x1.ef37dp-9,
                          0x1.b06bd4p-5, 0x1.86a9a8p-3, 0x1.20dd74p+0});
  Float q = s.polynomial({0x1.3ec8acp-15, 0x1.315be4p-10, 0x1.eb57d2p-7,
                          0x1.d3f204p-4, 0x1.013868p-1, 1});
  return a * p / q;
}

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

struct ApproximateMath : impl::ApproximateMathBase<ApproximateMath> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns
        .add<ByFormula<math::ExpOp, exponential>,
             ByFormula<math::Exp2Op, exponential2>,
             ByFormula<math::LogOp, logarithm>, ByFormula<math::TanhOp, tanhOf>,
             ByFormula<math::ErfOp, erfOf>>(&getContext());
    auto isGood = [](StringRef name) {
      return !llvm::is_contained(
          {math::ExpOp::getOperationName(), math::Exp2Op::getOperationName(),
           math::LogOp::getOperationName(), math::TanhOp::getOperationName(),
           math::ErfOp::getOperationName(), math::SinOp::getOperationName(),
           math::CosOp::getOperationName()},
          name);
    };
    populateMathF32ExpansionPatterns(patterns, isGood);
    populateMathPolynomialApproximationPatterns(patterns, isGood);
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace

} // namespace mapsto
