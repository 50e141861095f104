//===- ApproximateMath.cpp - Math functions at full vector width ----------===//
//
// libm works on one number at a time. For f32 (and f16, bf16 by way of it) the
// functions that models use are evaluated by MLIR's polynomial approximations
// on whole vectors; f64 stays with libm, which is correct to the last place. So
// do sin and cos: MLIR's reduce the argument in one step, which loses it beyond
// a few turns (1330 ulp within |x| <= 12, infinite at 1e30).
//
//===----------------------------------------------------------------------===//

#include "compiler/Passes.h"
#include "mlir/Dialect/Math/Transforms/Approximation.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;

namespace mapsto {

#define GEN_PASS_DEF_APPROXIMATEMATH
#include "compiler/Passes.h.inc"

namespace {

struct ApproximateMath : impl::ApproximateMathBase<ApproximateMath> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    auto isGood = [](StringRef name) {
      return name != math::SinOp::getOperationName() &&
             name != math::CosOp::getOperationName();
    };
    populateMathF32ExpansionPatterns(patterns, isGood);
    populateMathPolynomialApproximationPatterns(patterns, isGood);
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace

} // namespace mapsto
