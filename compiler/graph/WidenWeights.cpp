//===- WidenWeights.cpp - Narrow weights, widened where they are used -----===//
//
//   %w = mapsto.weight "fc.weight" {stored = #mapsto.storage<i8, channels = 0>}
//          : tensor<64x16xf32>
//   %y = mapsto.matmul %x, %w {transposed}
// becomes
//   %q = mapsto.weight "fc.weight" {stored = ...} : tensor<64x16xi8>
//   %s = mapsto.weight "fc.weight" {stored = ..., scales} : tensor<64xf32>
//   %m = mapsto.matmul %x, (mapsto.cast %q : to f32) {transposed}
//   %y = mapsto.mul %m, (mapsto.broadcast %s)
//
// Scales are taken out of sums, so that a product pays for one multiplication
// per result, and a lookup is of the stored rows. The casts join the kernels
// that read them. f16 and bf16 have no scales.
//
//===----------------------------------------------------------------------===//

#include "compiler/Passes.h"
#include "compiler/graph/Build.h"

namespace mapsto {

#define GEN_PASS_DEF_WIDENWEIGHTS
#include "compiler/Passes.h.inc"

using namespace mlir;

namespace {

class Widening {
public:
  explicit Widening(WeightOp weight)
      : weight(weight), stored(weight.getStoredAttr()) {}

  void run() {
    // Each step takes a use away; a product of the weight by itself has two.
    while (!weight->use_empty()) {
      OpOperand &use = *weight->use_begin();
      OpBuilder builder(use.getOwner());
      GraphBuilder b(builder, use.getOwner()->getLoc());
      auto matmul = dyn_cast<MatmulOp>(use.getOwner());
      auto take = dyn_cast<TakeOp>(use.getOwner());
      if (matmul && use.getOperandNumber() == 1 &&
          (!hasScales() ||
           *stored.getChannels() == (matmul.getTransposed() ? 0 : 1)))
        inProduct(b, matmul);
      else if (take && take.getAxis() == 0)
        inLookup(b, take);
      else
        use.set(values(b));
    }
    weight.erase();
  }

private:
  WeightOp weight;
  StorageAttr stored;

  bool hasScales() const { return stored.getChannels().has_value(); }

  /// The matrix as it is stored.
  Value narrow(GraphBuilder &b) {
    auto type =
        RankedTensorType::get(weight.getType().getShape(), stored.getType());
    return b.create<WeightOp>(
        type, weight.getNameAttr(), weight.getRowStartAttr(), IntegerAttr(),
        UnitAttr(), DenseI64ArrayAttr(), stored, UnitAttr());
  }

  Value scales(GraphBuilder &b) {
    int64_t axis = *stored.getChannels();
    auto type = RankedTensorType::get({weight.getType().getDimSize(axis)},
                                      weight.getType().getElementType());
    return b.create<WeightOp>(
        type, weight.getNameAttr(),
        axis == 0 ? weight.getRowStartAttr() : IntegerAttr(), IntegerAttr(),
        UnitAttr(), DenseI64ArrayAttr(), stored, b.builder.getUnitAttr());
  }

  Value widened(GraphBuilder &b, Value narrow) {
    return b.cast(narrow, weight.getType().getElementType());
  }

  /// The values, where nothing better is known to do with the use.
  Value values(GraphBuilder &b) {
    Value wide = widened(b, narrow(b));
    if (!hasScales())
      return wide;
    Dims dims = dimsOf(wide);
    Value factors = scales(b);
    if (*stored.getChannels() == 0)
      factors = b.reshape(factors, {dims[0], Dim(1)});
    return b.mul(wide, b.broadcast(factors, dims));
  }

  void inProduct(GraphBuilder &b, MatmulOp matmul) {
    Value product = b.matmul(matmul.getLhs(), widened(b, narrow(b)),
                             matmul.getTransposed());
    if (hasScales())
      product = b.mul(product, b.broadcast(scales(b), dimsOf(product)));
    matmul.replaceAllUsesWith(product);
    matmul.erase();
  }

  void inLookup(GraphBuilder &b, TakeOp take) {
    auto rowsOf = [&](Value table) {
      return b.create<TakeOp>(table, take.getIndices(), int64_t(0));
    };
    Value rows = widened(b, rowsOf(narrow(b)));
    if (hasScales()) {
      Dims dims = dimsOf(rows);
      Value factors = scales(b);
      if (*stored.getChannels() == 0) {
        Dims column(dims);
        column.back() = 1;
        factors = b.reshape(rowsOf(factors), column);
      }
      rows = b.mul(rows, b.broadcast(factors, dims));
    }
    take.replaceAllUsesWith(rows);
    take.erase();
  }
};

struct WidenWeights : public impl::WidenWeightsBase<WidenWeights> {
  void runOnOperation() override {
    SmallVector<WeightOp> weights;
    getOperation().walk([&](WeightOp weight) {
      if (weight.getStored() && weight.getType().getRank() == 2 &&
          weight.getType().getElementType().isF32())
        weights.push_back(weight);
    });
    for (WeightOp weight : weights)
      Widening(weight).run();
  }
};

} // namespace
} // namespace mapsto
