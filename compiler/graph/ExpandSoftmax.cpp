//===- ExpandSoftmax.cpp - softmax as reductions and pointwise steps ------===//
//
// Writes softmax in the reductions and pointwise ops that a row kernel fuses:
//
//   %y = mapsto.softmax %x {axis = 1} : (tensor<8x16xf32>) -> tensor<8x16xf32>
// becomes
//   %m = mapsto.reduce max %x {axes = [1]}
//   %d = mapsto.sub %x, (broadcast (reshape %m))
//   %e = mapsto.exp %d
//   %s = mapsto.reduce sum %e {axes = [1]}
//   %r = mapsto.div 1, %s
//   %y = mapsto.mul (broadcast (reshape %r)), %e
//
// One division a row: the sum is at least 1, so its inverse is exact to the
// last place or so.
//
// Halves are widened to f32 in between, as the op's meaning has it.
//
//===----------------------------------------------------------------------===//

#include "compiler/Passes.h"
#include "compiler/graph/Build.h"

namespace mapsto {

#define GEN_PASS_DEF_EXPANDSOFTMAX
#include "compiler/Passes.h.inc"

using namespace mlir;

namespace {

struct ExpandSoftmax : public impl::ExpandSoftmaxBase<ExpandSoftmax> {
  void runOnOperation() override {
    getOperation().walk([](SoftmaxOp op) {
      OpBuilder builder(op);
      GraphBuilder b(builder, op.getLoc());
      Type element = elementTypeOf(op.getX());
      bool narrow = element.isF16() || element.isBF16();
      Value x = b.cast(op.getX(), narrow ? builder.getF32Type() : element);
      int64_t axis = op.getAxis();
      Value shifted = b.sub(x, b.reduceAndSpread(ReduceKind::max, x, axis));
      Value e = b.create<ExpOp>(shifted);
      Value sum = b.reduce(ReduceKind::sum, e, axis);
      Value inverse = b.div(b.splat(1, dimsOf(sum), elementTypeOf(sum)), sum);
      Dims kept = dimsOf(x);
      kept[axis] = 1;
      // The sum ahead of what it is taken of: its pass writes e down, which the
      // product then reads.
      Value y = b.mul(b.broadcast(b.reshape(inverse, kept), dimsOf(x)), e);
      op.replaceAllUsesWith(b.cast(y, element));
      op.erase();
    });
  }
};

} // namespace
} // namespace mapsto
