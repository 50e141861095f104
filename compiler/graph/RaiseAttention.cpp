//===- RaiseAttention.cpp - Attention that was taken apart ----------------===//
//
// What exporters write as products, a mask and a softmax is one op again:
//
//   %s = mapsto.matmul %q, %k {transposed}
//   %t = mapsto.mul %s, (broadcast 0.125)
//   %m = mapsto.select %causal, %t, (broadcast -inf)
//   %p = mapsto.softmax %m {axis = 3}
//   %o = mapsto.matmul %p, %v
// becomes
//   %o = mapsto.attention queries(%q) keys(%k) value(%v)
//        attributes {scale = 0.125} score {} modify {} mask {
//     ^bb0(%b, %h, %i, %j): mapsto.yield (mapsto.compare le %j, %i)
//   }
//
// Between the product and the softmax may be anything pointwise: what removes
// pairs for certain becomes the mask, all else the modify region. Keys and
// values that were repeated for groups of queries are used as they were. What
// looks like attention and stays is noted, with the reason.
//
//===----------------------------------------------------------------------===//

#include "compiler/Passes.h"
#include "compiler/graph/AttentionCandidate.h"
#include "compiler/graph/Remarks.h"

#include "llvm/ADT/MapVector.h"

namespace mapsto {

#define GEN_PASS_DEF_RAISEATTENTION
#include "compiler/Passes.h.inc"

using namespace mlir;

namespace {

bool carriesElements(Operation *op) {
  return isPointwise(op) || isa<ReshapeOp, TransposeOp, BroadcastOp>(op);
}

/// Whether a product is reached from `op` through what carries elements.
bool reachesProduct(Operation *op, bool upwards) {
  llvm::SetVector<Operation *> seen;
  auto step = [&](Operation *from) {
    if (!upwards)
      seen.insert(from->user_begin(), from->user_end());
    else
      for (Value operand : from->getOperands())
        if (Operation *definition = operand.getDefiningOp())
          seen.insert(definition);
  };
  step(op);
  constexpr size_t kFar = 64;
  for (size_t i = 0; i < seen.size() && i < kFar; ++i) {
    if (isa<MatmulOp>(seen[i]))
      return true;
    if (carriesElements(seen[i]))
      step(seen[i]);
  }
  return false;
}

constexpr llvm::StringLiteral kUnnamed = "a softmax";

struct RaiseAttention : public impl::RaiseAttentionBase<RaiseAttention> {
  void runOnOperation() override {
    llvm::MapVector<Operation *, std::string> kept; // softmax: why
    SmallVector<MatmulOp> outputs;
    getOperation().walk([&](Operation *op) {
      if (!isa_and_nonnull<func::FuncOp, RepeatOp>(op->getParentOp()))
        return;
      if (auto matmul = dyn_cast<MatmulOp>(op))
        outputs.push_back(matmul);
      else if (auto softmax = dyn_cast<SoftmaxOp>(op);
               softmax && reachesProduct(softmax, /*upwards=*/true) &&
               reachesProduct(softmax, /*upwards=*/false))
        kept[op] = "its weights are changed before they meet the values";
    });
    SmallVector<std::string> raised;
    for (MatmulOp output : outputs) {
      SoftmaxOp softmax = softmaxOf(output);
      if (!softmax || !kept.contains(softmax))
        continue;
      AttentionCandidate candidate(output, softmax);
      if (auto why = candidate.match()) {
        kept[softmax] = *why;
        continue;
      }
      raised.push_back(nameOf(softmax, kUnnamed));
      kept.erase(softmax);
      candidate.raise();
    }
    note(raised, kept.takeVector());
  }

  void note(ArrayRef<std::string> raised,
            ArrayRef<std::pair<Operation *, std::string>> kept) {
    SmallVector<std::string> remarks;
    for (const std::string &name : raised)
      remarks.push_back(name + " is one attention");
    for (const auto &[softmax, why] : kept)
      remarks.push_back(nameOf(softmax, kUnnamed) +
                        " looks like attention and stays apart: " + why);
    addRemarks(getOperation(), remarks);
  }
};

} // namespace
} // namespace mapsto
