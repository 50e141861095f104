//===- BatchItems.cpp - Recurrences of a batch whose items are apart ------===//
//
// What lies outside of the body can be read at any item. What the body computes
// is there for the item at hand alone, if its first axis is the batch.
//
//===----------------------------------------------------------------------===//

#include "compiler/vulkan/BatchItems.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace mapsto {

namespace {

class Items {
public:
  Items(Block &body, const Dim &batch) : body(body), batch(batch) {}

  bool hasAll(ValueRange values) const {
    return llvm::all_of(values, [&](Value v) { return isOfItems(v); });
  }

  /// Is an item of what the op gives computed from that item alone?
  bool areApartIn(Operation *op) const {
    bool reads =
        llvm::any_of(op->getOperands(), [&](Value v) { return isPart(v); });
    bool readsInside = false;
    for (Region &region : op->getRegions())
      region.walk([&](Operation *inner) {
        readsInside |= llvm::any_of(inner->getOperands(),
                                    [&](Value v) { return isPart(v); });
      });
    if (!reads)
      return !readsInside;
    return !readsInside && hasAll(op->getResults()) && keepsItems(op);
  }

private:
  Block &body;
  Dim batch;

  bool isOfItems(Value v) const {
    Dims dims = dimsOf(v);
    return !dims.empty() && dims[0] == batch;
  }
  /// Is it there for the item at hand alone?
  bool isPart(Value v) const {
    return isa<RankedTensorType>(v.getType()) && isOfItems(v) &&
           v.getParentBlock() == &body;
  }

  /// Is the batch the first axis of all operands, and no axis that the op does
  /// anything along?
  bool keepsItems(Operation *op) const {
    auto along = [](int64_t axis) { return axis != 0; };
    auto rank = [](Value v) { return dimsOf(v).size(); };
    auto operandsOfItems = [&] { return hasAll(op->getOperands()); };
    if (op->hasTrait<OpTrait::Elementwise>())
      return operandsOfItems();
    return llvm::TypeSwitch<Operation *, bool>(op)
        .Case([&](BroadcastOp broadcast) {
          return rank(broadcast.getX()) == rank(broadcast.getResult());
        })
        .Case<ReshapeOp>([](auto) { return true; })
        .Case([&](TransposeOp transpose) {
          return transpose.getPermutation()[0] == 0;
        })
        .Case([&](SliceOp slice) {
          return slice.getStarts().getDims()[0] == Dim(0) &&
                 slice.getSteps()[0] == 1;
        })
        .Case([&](PadOp pad) {
          return pad.getLow().getDims()[0] == Dim(0) &&
                 pad.getHigh().getDims()[0] == Dim(0) &&
                 !isPart(pad.getValue());
        })
        .Case<ReduceOp, FlipOp>([&](auto reduce) {
          return !llvm::is_contained(reduce.getAxes(), 0);
        })
        .Case<ArgReduceOp, CumulativeOp>(
            [&](auto reduce) { return along(reduce.getAxis()); })
        .Case<ConcatOp, ScatterOp, TakeAlongOp>([&](auto indexed) {
          return along(indexed.getAxis()) && operandsOfItems();
        })
        .Case([&](UpdateOp update) {
          return along(update.getAxis()) &&
                 hasAll({update.getX(), update.getValues()}) &&
                 !isPart(update.getStart());
        })
        .Case([&](TopKOp top) { return rank(top.getX()) > 1; })
        .Case([&](TakeOp take) {
          return !isPart(take.getX()) && !along(take.getAxis());
        })
        .Case([&](MatmulOp matmul) {
          return !isPart(matmul.getRhs()) ||
                 (rank(matmul.getRhs()) > 2 && operandsOfItems());
        })
        .Case<PackedMatmulOp>(
            [&](auto matmul) { return !isPart(matmul.getRhs()); })
        .Case<Conv1dOp, ConvTranspose1dOp>(
            [&](auto conv) { return !isPart(conv.getWeight()); })
        .Case([&](AttentionOp attention) {
          return rank(attention.getValue()) > 2 && operandsOfItems();
        })
        .Default([](Operation *) { return false; });
  }
};

} // namespace

std::optional<Dim> independentItems(ScanOp op) {
  Block &body = op.getBody().front();
  ValueRange yielded = body.getTerminator()->getOperands();
  if (yielded.empty() || dimsOf(yielded.front()).empty())
    return std::nullopt;
  Dim batch = dimsOf(yielded.front())[0];
  Items items(body, batch);
  if (batch == Dim(1) || !items.hasAll(yielded) ||
      !llvm::all_of(body.without_terminator(),
                    [&](Operation &inner) { return items.areApartIn(&inner); }))
    return std::nullopt;
  return batch;
}

} // namespace mapsto
