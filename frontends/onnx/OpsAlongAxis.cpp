//===- OpsAlongAxis.cpp - Running, ordered and normalised along an axis ---===//

#include "frontends/onnx/Formula.h"
#include "frontends/onnx/Ops.h"

#include "llvm/ADT/Sequence.h"

#include <cmath>

using namespace mlir;

namespace mapsto::onnx {
namespace {

//===----------------------------------------------------------------------===//
// Running
//===----------------------------------------------------------------------===//

template <ReduceKind kind> LogicalResult cumulative(Node &n) {
  FailureOr<SmallVector<int64_t>> given = n.ints(1);
  if (failed(given))
    return failure();
  if (given->size() != 1)
    return n.fail("it runs along one axis");
  FailureOr<int64_t> axis = n.axis((*given)[0], n.rank(0));
  if (failed(axis))
    return failure();
  bool exclusive = n.attr("exclusive", 0) != 0;
  bool reverse = n.attr("reverse", 0) != 0;
  mlir::Value result = CumulativeOp::create(n.b, n.loc, kind, n.in(0), *axis,
                                            exclusive, reverse);
  return n.result(result, n.type(0));
}

//===----------------------------------------------------------------------===//
// Ordered
//===----------------------------------------------------------------------===//

/// k is an attribute until opset 9. Results that need no order are in order
/// all the same.
LogicalResult topk(Node &n) {
  FailureOr<int64_t> axis = n.axis(n.attr("axis", -1), n.rank(0));
  bool smallest = n.attr("largest", 1) == 0;
  n.ignore("sorted");
  if (failed(axis))
    return failure();
  int64_t k = 0;
  if (n.opset() < 10) {
    k = n.attr("k", 0);
  } else {
    FailureOr<SmallVector<int64_t>> given = n.ints(1);
    if (failed(given))
      return failure();
    if (given->size() != 1)
      return n.fail("its k is not one number");
    k = (*given)[0];
  }
  Dim length = n.dims(0)[size_t(*axis)];
  if (k < 0 || k > length.constant().value_or(INT64_MAX))
    return n.fail("k is " + Twine(k) + " of " + length.str() + " elements");
  SmallVector<int64_t> swapped =
      llvm::to_vector(llvm::seq<int64_t>(0, n.rank(0)));
  std::swap(swapped.back(), swapped[size_t(*axis)]);
  Term whole = ordered({n, n.in(0)}, n.type(0));
  mlir::Value x = mapsto::transpose(n.b, n.loc, whole.v, swapped);
  auto best = TopKOp::create(n.b, n.loc, x, k, smallest);
  Term values(n, mapsto::transpose(n.b, n.loc, best.getValues(), swapped));
  n.give(0, ordered(values, n.type(0)).v, n.type(0));
  n.give(1, mapsto::transpose(n.b, n.loc, best.getIndices(), swapped));
  return success();
}

//===----------------------------------------------------------------------===//
// Softmax and its kin
//===----------------------------------------------------------------------===//

/// Along one axis; until opset 12 along `axis` and all that follow, as one.
LogicalResult giveAlongAxis(Node &n,
                            llvm::function_ref<Term(Term, int64_t)> formula) {
  bool flattens = n.opset() < 13;
  FailureOr<int64_t> axis = n.axis(n.attr("axis", flattens ? 1 : -1),
                                   std::max<int64_t>(n.rank(0), 1));
  if (failed(axis) || failed(needFloats(n, 0)))
    return failure();
  Dims dims = n.dims(0), worked = dims;
  if (dims.empty()) {
    worked = {1};
  } else if (flattens && *axis + 1 != int64_t(dims.size())) {
    worked.resize(size_t(*axis));
    worked.push_back(
        numElements(ArrayRef<Dim>(dims).drop_front(size_t(*axis))));
  }
  Term x = wide(n, 0);
  Term result = formula({x, reshape(n.b, n.loc, x.v, worked)}, *axis);
  return n.result(
      cast(n.b, n.loc, reshape(n.b, n.loc, result.v, dims), n.type(0)));
}

/// Combined along an axis, and broadcast back over it.
Term along(ReduceKind kind, const Term &x, int64_t axis) {
  mlir::Value one = mapsto::reduce(*x.b, x.loc, kind, x.v, {axis}, true);
  return {x, broadcastTo(*x.b, x.loc, one, dimsOf(x.v))};
}

LogicalResult softmax(Node &n) {
  return giveAlongAxis(n, [](Term x, int64_t axis) -> Term {
    return {x, SoftmaxOp::create(*x.b, x.loc, x.v, axis)};
  });
}

LogicalResult logSoftmax(Node &n) {
  return giveAlongAxis(n, [](Term x, int64_t axis) {
    Term below = x - along(ReduceKind::max, x, axis);
    return below - log(along(ReduceKind::sum, exp(below), axis));
  });
}

/// 1 at the first largest, 0 elsewhere.
LogicalResult hardmax(Node &n) {
  return giveAlongAxis(n, [](Term x, int64_t axis) -> Term {
    Dims dims = dimsOf(x.v), one = dims;
    one[size_t(axis)] = 1;
    mlir::Value first =
        ArgReduceOp::create(*x.b, x.loc, ReduceKind::max, x.v, axis);
    first = broadcastTo(*x.b, x.loc, reshape(*x.b, x.loc, first, one), dims);
    mlir::Value place =
        IotaOp::create(*x.b, x.loc, tensorOf(dims, x.b->getI64Type()), axis);
    return select(Term(x, place) == Term(x, first), 1, x(0));
  });
}

/// Divided by the norm; where that is 0, so is all it was made of.
LogicalResult lpNormalization(Node &n) {
  FailureOr<int64_t> axis = n.axis(n.attr("axis", -1), n.rank(0));
  int64_t p = n.attr("p", 2);
  if (failed(axis))
    return failure();
  if (p != 1 && p != 2)
    return n.fail("`p` is " + Twine(p) + ", and must be 1 or 2");
  return give(n, [&](Term x) {
    Term norm = p == 1 ? along(ReduceKind::sum, abs(x), *axis)
                       : sqrt(along(ReduceKind::sum, x * x, *axis));
    return x / select(norm == 0, 1, norm);
  });
}

LogicalResult meanVarianceNormalization(Node &n) {
  FailureOr<SmallVector<int64_t>> axes =
      n.axes(n.attrInts("axes", {0, 2, 3}), n.rank(0));
  if (failed(axes))
    return failure();
  Dims dims = n.dims(0);
  Dim count = 1;
  for (int64_t axis : *axes)
    count *= dims[size_t(axis)];
  return give(n, [&](Term x) {
    auto meanOf = [&](const Term &y) -> Term {
      Term sum(y,
               mapsto::reduce(n.b, n.loc, ReduceKind::sum, y.v, *axes, true));
      return sum / sizeAs(sum, count);
    };
    auto spread = [&](const Term &y) -> Term {
      return {y, broadcastTo(n.b, n.loc, y.v, dims)};
    };
    Term centred = x - spread(meanOf(x));
    return centred / spread(sqrt(meanOf(centred * centred)) + 1e-9);
  });
}

} // namespace

void addAlongAxisOps(OpTable &table) {
  table["CumProd"] = cumulative<ReduceKind::prod>;
  table["CumSum"] = cumulative<ReduceKind::sum>;
  table["Hardmax"] = hardmax;
  table["LogSoftmax"] = logSoftmax;
  table["LpNormalization"] = lpNormalization;
  table["MeanVarianceNormalization"] = meanVarianceNormalization;
  table["Softmax"] = softmax;
  table["TopK"] = topk;
}

} // namespace mapsto::onnx
