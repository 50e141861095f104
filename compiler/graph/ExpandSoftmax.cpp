//===- ExpandSoftmax.cpp - softmax as reductions and pointwise steps ------===//
//
// Writes softmax in the reductions and pointwise ops that a row kernel fuses:
//
//   %y = mapsto.softmax %x {axis = 1} : (tensor<8x16xf32>) -> tensor<8x16xf32>
// becomes
//   %m = mapsto.reduce max %x {axes = [1], of_softmax}
//   %d = mapsto.sub %x, (broadcast (reshape %m))
//   %e = mapsto.exp %d {of_softmax}
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

#include "compiler/KernelAttributes.h"
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
      Dims kept = dimsOf(x);
      kept[axis] = 1;
      auto spread = [&](Value row) {
        return b.broadcast(b.reshape(row, kept), dimsOf(x));
      };
      auto mark = [&](Value v) {
        v.getDefiningOp()->setAttr(kOfSoftmaxAttr, builder.getUnitAttr());
        return v;
      };
      Value top = mark(b.reduce(ReduceKind::max, x, axis));
      Value e = mark(b.create<ExpOp>(b.sub(x, spread(top))));
      Value sum = b.reduce(ReduceKind::sum, e, axis);
      Value inverse = b.div(b.splat(1, dimsOf(sum), elementTypeOf(sum)), sum);
      // The sum ahead of what it is taken of: its pass writes e down, which the
      // product then reads.
      Value y = b.mul(spread(inverse), e);
      op.replaceAllUsesWith(b.cast(y, element));
      op.erase();
    });
  }
};

} // namespace
} // namespace mapsto
