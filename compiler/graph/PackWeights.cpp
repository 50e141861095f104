//===- PackWeights.cpp - Constant matmul operands in panels ---------------===//
//
// A matmul kernel reads its right side in panels as wide as a register tile,
// each with the rows of the matrix one after the other. Parameters are laid out
// so once, when the artifact is written:
//
//   %w = mapsto.weight "fc.weight" : tensor<40x8xf32>
//   %y = mapsto.matmul %x, %w {transposed}
// becomes
//   %p = mapsto.weight "fc.weight" {panel = 16, transposed,
//                                   source_shape = [40, 8]} :
//                                   tensor<3x8x16xf32>
//   %y = mapsto.packed_matmul %x, %p {columns = 40}
//
// A parameter used by several matmuls is packed once. One that is cast to f32
// is packed as it is stored: the kernel widens what it reads. One of more axes
// is read as a matrix of its first axis by the others. Matmuls in the
// regions of an attention are left alone: its kernel reads one key's row at a
// time.
//
//===----------------------------------------------------------------------===//

#include "compiler/Passes.h"
#include "compiler/graph/Build.h"

namespace mapsto {

#define GEN_PASS_DEF_PACKWEIGHTS
#include "compiler/Passes.h.inc"

using namespace mlir;

namespace {

/// A packed parameter: name, first row, transposed, type before, storage.
using PackedKey = std::tuple<Attribute, int64_t, unsigned, Type, Attribute>;

/// The parameter that a matmul reads on the right, through the reshape that
/// makes it a matrix and the cast that widens it, if any.
WeightOp weightOf(MatmulOp op) {
  Value rhs = op.getRhs();
  Dims matrix = dimsOf(rhs);
  if (auto reshape = rhs.getDefiningOp<ReshapeOp>())
    rhs = reshape.getX();
  if (auto cast = rhs.getDefiningOp<CastOp>()) {
    Type from = elementTypeOf(cast.getX());
    bool widens = from.isF16() || from.isBF16() || from.isInteger(8);
    if (widens && elementTypeOf(rhs).isF32())
      rhs = cast.getX();
  }
  auto weight = rhs.getDefiningOp<WeightOp>();
  bool isMatrix = weight && !weight.getPanel() && matrix.size() == 2 &&
                  weight.getType().getRank() >= 2 &&
                  matrix[0] == dimsOf(weight.getType())[0] &&
                  isa<FloatType>(elementTypeOf(op.getRhs()));
  return isMatrix ? weight : WeightOp();
}

struct PackWeights : public impl::PackWeightsBase<PackWeights> {
  using PackWeightsBase::PackWeightsBase;

  void runOnOperation() override {
    for (auto function : getOperation().getOps<func::FuncOp>())
      if (!function.isDeclaration())
        packIn(function);
  }

  void packIn(func::FuncOp function) {
    llvm::DenseMap<PackedKey, Value> packed;
    OpBuilder top = OpBuilder::atBlockBegin(&function.getBody().front());
    llvm::SetVector<Operation *> sources;
    function.walk([&](MatmulOp op) {
      WeightOp weight = weightOf(op);
      if (!weight || op->getParentOfType<AttentionOp>())
        return;
      PackedKey key{weight.getNameAttr(), weight.getRowStart().value_or(0),
                    op.getTransposed(), weight.getType(),
                    weight.getStoredAttr()};
      Value &panels = packed[key];
      if (!panels)
        panels = pack(top, weight, op.getTransposed());
      int64_t columns = *dimsOf(op.getResult()).back().constant();
      OpBuilder builder(op);
      Value result =
          PackedMatmulOp::create(builder, op.getLoc(), op.getLhs(), panels,
                                 builder.getI64IntegerAttr(columns));
      sources.insert(op.getRhs().getDefiningOp());
      sources.insert(weight);
      op.replaceAllUsesWith(result);
      op.erase();
    });
    for (Operation *source : sources)
      if (source->use_empty())
        source->erase();
  }

  Value pack(OpBuilder &builder, WeightOp weight, bool transposed) {
    RankedTensorType type = weight.getType();
    int64_t rows = type.getDimSize(0);
    int64_t columns = llvm::product_of(type.getShape().drop_front());
    if (transposed)
      std::swap(rows, columns);
    int64_t panels = (columns + panel - 1) / panel;
    auto packedType =
        RankedTensorType::get({panels, rows, panel}, type.getElementType());
    return WeightOp::create(builder, weight.getLoc(), packedType,
                            weight.getNameAttr(), weight.getRowStartAttr(),
                            builder.getI64IntegerAttr(panel),
                            transposed ? builder.getUnitAttr() : UnitAttr(),
                            builder.getDenseI64ArrayAttr(type.getShape()),
                            weight.getStoredAttr(), UnitAttr());
  }
};

} // namespace
} // namespace mapsto
