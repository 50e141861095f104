//===- OpsLoss.cpp - Losses of classifiers --------------------------------===//

#include "frontends/onnx/Ops.h"

using namespace mlir;

namespace mapsto::onnx {
namespace {

/// x [N, C, d...] without the maximum of its classes, less the logarithm of the
/// sum of its exponentials.
mlir::Value logSoftmax(Node &n, mlir::Value x) {
  Dims dims = dimsOf(x);
  auto overClasses = [&](ReduceKind kind, mlir::Value v) {
    return broadcastTo(
        n.b, n.loc, reduce(n.b, n.loc, kind, v, {1}, /*keepDims=*/true), dims);
  };
  mlir::Value shifted =
      SubOp::create(n.b, n.loc, x, overClasses(ReduceKind::max, x));
  mlir::Value total =
      overClasses(ReduceKind::sum, ExpOp::create(n.b, n.loc, shifted));
  return SubOp::create(n.b, n.loc, shifted, LogOp::create(n.b, n.loc, total));
}

/// -weight[label] * logProbability[n, label, d...], combined as `reduction`
/// asks. The labels are input 1, the classes' weights input 2. A label that is
/// `ignore_index` has the weight 0, and need not be one of the classes.
LogicalResult likelihood(Node &n, mlir::Value logProbability) {
  Dims dims = dimsOf(logProbability);
  if (dims.size() < 2 || n.rank(1) + 1 != int64_t(dims.size()))
    return n.fail("scores " + str(dims) + " need labels of " +
                  (dims.size() < 2 ? "[N]" : str(n.dims(0))) +
                  " without the axis of classes, not " + str(n.dims(1)));
  Type element = elementTypeOf(logProbability);
  mlir::Value labels = n.in(1), kept;
  Dims perLabel = n.dims(1);
  if (n.hasAttribute("ignore_index")) {
    mlir::Value ignored =
        splat(n.b, n.loc, double(n.attr("ignore_index", 0)), labels.getType());
    kept = CompareOp::create(n.b, n.loc, ComparePredicate::ne, labels, ignored);
    labels = SelectOp::create(n.b, n.loc, kept, labels,
                              splat(n.b, n.loc, 0, labels.getType()));
  }
  Dims oneClass = perLabel;
  oneClass.insert(oneClass.begin() + 1, Dim(1));
  mlir::Value picked = TakeAlongOp::create(
      n.b, n.loc, logProbability, reshape(n.b, n.loc, labels, oneClass), 1);
  mlir::Value loss =
      NegOp::create(n.b, n.loc, reshape(n.b, n.loc, picked, perLabel));
  mlir::Value weight;
  if (n.has(2))
    weight = TakeOp::create(n.b, n.loc, n.in(2), labels, 0).getResult();
  if (kept) {
    mlir::Value all = weight ? weight : splat(n.b, n.loc, 1, loss.getType());
    weight = SelectOp::create(n.b, n.loc, kept, all,
                              splat(n.b, n.loc, 0, loss.getType()));
  }
  if (weight)
    loss = MulOp::create(n.b, n.loc, loss, weight);
  std::string reduction = n.attrString("reduction", "mean");
  SmallVector<int64_t> axes;
  for (size_t i = 0; i < perLabel.size(); ++i)
    axes.push_back(int64_t(i));
  auto total = [&](mlir::Value v) {
    return reduce(n.b, n.loc, ReduceKind::sum, v, axes);
  };
  if (reduction == "none")
    return n.result(loss);
  if (reduction == "sum")
    return n.result(total(loss));
  if (reduction != "mean")
    return n.fail("reduction `" + reduction + "` is none of none, sum, mean");
  mlir::Value share =
      total(weight ? weight : splat(n.b, n.loc, 1, loss.getType()));
  if (!isa<FloatType>(element))
    return n.fail("its scores must be floating-point numbers");
  return n.result(DivOp::create(n.b, n.loc, total(loss), share));
}

LogicalResult negativeLogLikelihood(Node &n) { return likelihood(n, n.in(0)); }

LogicalResult softmaxCrossEntropy(Node &n) {
  if (n.rank(0) < 2)
    return n.fail("scores " + str(n.dims(0)) + " have no axis of classes");
  mlir::Value logProbability = logSoftmax(n, n.in(0));
  if (n.wants(1))
    n.give(1, logProbability);
  return likelihood(n, logProbability);
}

} // namespace

void addLossOps(OpTable &table) {
  table["NegativeLogLikelihoodLoss"] = negativeLogLikelihood;
  table["SoftmaxCrossEntropyLoss"] = softmaxCrossEntropy;
}

} // namespace mapsto::onnx
