#include "dialect/MapstoDialect.h"

using namespace mlir;
namespace mapsto {
#define F(O) OpFoldResult O::fold(FoldAdaptor) { return {}; }
F(ConstantOp) F(SizeOp) F(NegOp) F(AbsOp) F(SignOp) F(NotOp) F(ExpOp) F(Expm1Op) F(LogOp) F(Log1pOp) F(SqrtOp) F(RsqrtOp) F(TanhOp) F(SigmoidOp) F(ErfOp) F(SinOp) F(CosOp) F(TanOp) F(AtanOp) F(FloorOp) F(CeilOp) F(RoundOp)
F(AddOp) F(SubOp) F(MulOp) F(DivOp) F(ModOp) F(PowOp) F(MinOp) F(MaxOp) F(AndOp) F(OrOp) F(XorOp) F(CompareOp) F(SelectOp) F(CastOp) F(BroadcastOp) F(ReshapeOp) F(TransposeOp) F(SliceOp) F(ConcatOp) F(ReduceOp)
#define C(O) void O::getCanonicalizationPatterns(RewritePatternSet &, MLIRContext *) {}
C(BroadcastOp) C(ReshapeOp) C(TransposeOp) C(SliceOp) C(MatmulOp)
}
