//===- AnnotateCosts.cpp - A kernel's operations and bytes ----------------===//
//
// Notes on each kernel how many floating-point operations a launch does and how
// many bytes it must read and write at least, as expressions of the sizes:
//
//   mapsto.kernel @k matmul : (tensor<?x16xf32, [T, 16]>, ..) -> .. { .. }
// becomes
//   mapsto.kernel @k matmul attributes {mapsto.flops = "1024*T",
//                                       mapsto.bytes = "192*T + 2048"} ..
//
// What is counted: an element computed is one operation, a multiply-add two;
// moving elements is none; every input and result crosses memory once. These
// are the model's own operations: what a kernel pads or computes twice is not
// among them, nor are pairs of a query and a key that a causal or windowed mask
// leaves out.
//
//===----------------------------------------------------------------------===//

#include "compiler/Passes.h"
#include "compiler/graph/MaskBounds.h"

namespace mapsto {

#define GEN_PASS_DEF_ANNOTATECOSTS
#include "compiler/Passes.h.inc"

using namespace mlir;

namespace {

Dim elements(Value value) { return numElements(dimsOf(value)); }

Dim bytesOf(Type type) {
  unsigned bits = cast<RankedTensorType>(type).getElementTypeBitWidth();
  return numElements(dimsOf(type)) * Dim(std::max(bits / 8, 1u));
}

Dim flopsOf(Region &region);

/// softmax of a score: its maximum, the difference, exp, the sum, the quotient.
constexpr int64_t kFlopsPerWeight = 5;

/// The sum of i + first, where that is above 0, over i in [0, count).
Dim sumAboveZero(const Dim &first, const Dim &count) {
  auto upTo = [](const Dim &last) { // 1 + 2 + ... + last
    Dim n = Dim::max(last, 0);
    return Dim::floorDiv(n * (n + Dim(1)), 2);
  };
  return upTo(first + count - Dim(1)) - upTo(first - Dim(1));
}

/// Over all queries, how many of the keys lie at positions below i + first.
Dim keysBelow(const Dim &first, const Dim &queries, const Dim &keys) {
  return sumAboveZero(first, queries) - sumAboveZero(first - keys, queries);
}

/// Pairs of a query and a key, in one head, that the mask's bounds leave.
Dim pairsOf(AttentionOp op, const Dim &queries, const Dim &keys) {
  Dim pairs = queries * keys;
  if (op.getMask().empty())
    return pairs;
  MaskBounds bounds = analyzeMask(op.getMask(), /*sharedArguments=*/0);
  auto nearest = [](ArrayRef<Dim> all) {
    Dim least = all.front();
    for (const Dim &other : all.drop_front())
      least = Dim::min(least, other);
    return least;
  };
  if (!bounds.ahead.empty())
    pairs = keysBelow(nearest(bounds.ahead) + Dim(1), queries, keys);
  if (bounds.behind.empty())
    return pairs;
  // Where the bounds cross, they do for every query.
  return Dim::max(
      pairs - keysBelow(Dim(0) - nearest(bounds.behind), queries, keys), 0);
}

Dim flopsOf(AttentionOp op) {
  Dims query = dimsOf(op.getQueries()[0]), key = dimsOf(op.getKeys()[0]);
  Dim pairs = numElements(ArrayRef(query).drop_back(2)) *
              pairsOf(op, query[query.size() - 2], key[key.size() - 2]);
  Dim pair =
      op.getScore().empty() ? Dim(2) * query.back() : flopsOf(op.getScore());
  pair += flopsOf(op.getModify()) + flopsOf(op.getMask());
  pair += Dim(kFlopsPerWeight) + Dim(2) * dimsOf(op.getValue()).back();
  return pairs * pair;
}

Dim flopsOf(Operation *op) {
  return llvm::TypeSwitch<Operation *, Dim>(op)
      .Case([](MatmulOp matmul) {
        return Dim(2) * elements(matmul.getResult()) *
               dimsOf(matmul.getLhs()).back();
      })
      .Case([](PackedMatmulOp matmul) {
        return Dim(2) * elements(matmul.getResult()) *
               dimsOf(matmul.getLhs()).back();
      })
      .Case([](Conv1dOp conv) {
        Dims weight = dimsOf(conv.getWeight()); // [O, C / groups, k]
        return Dim(2) * elements(conv.getResult()) * weight[1] * weight[2];
      })
      .Case([](ConvTranspose1dOp conv) {
        Dims weight = dimsOf(conv.getWeight()); // [C, O / groups, k]
        return Dim(2) * elements(conv.getX()) * weight[1] * weight[2];
      })
      .Case([](AttentionOp attention) { return flopsOf(attention); })
      .Case([](ScanOp scan) {
        return *Dim::parse(scan.getCount()) * flopsOf(scan.getBody());
      })
      .Case([](SoftmaxOp softmax) {
        return Dim(kFlopsPerWeight) * elements(softmax.getX());
      })
      .Case<ReduceOp, ArgReduceOp, CumulativeOp>(
          [](auto reduction) { return elements(reduction.getX()); })
      .Case<CastOp, YieldOp>([](auto) { return Dim(); })
      .Default([](Operation *other) {
        bool computes = other->hasTrait<OpTrait::SameOperandsAndResultShape>();
        return computes ? elements(other->getResult(0)) : Dim();
      });
}

Dim flopsOf(Region &region) {
  Dim sum;
  if (!region.empty())
    for (Operation &op : region.front())
      sum += flopsOf(&op);
  return sum;
}

struct AnnotateCosts : public impl::AnnotateCostsBase<AnnotateCosts> {
  void runOnOperation() override {
    Builder b(&getContext());
    for (auto kernel : getOperation().getOps<KernelOp>()) {
      Dim bytes;
      for (Type type : kernel.getFunctionType().getInputs())
        bytes += bytesOf(type);
      for (Type type : kernel.getFunctionType().getResults())
        bytes += bytesOf(type);
      kernel->setAttr("mapsto.flops",
                      b.getStringAttr(flopsOf(kernel.getBody()).str()));
      kernel->setAttr("mapsto.bytes", b.getStringAttr(bytes.str()));
    }
  }
};

} // namespace
} // namespace mapsto
