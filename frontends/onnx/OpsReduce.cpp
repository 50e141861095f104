//===- OpsReduce.cpp - Axes combined away ---------------------------------===//

#include "frontends/onnx/Folding.h"
#include "frontends/onnx/Formula.h"
#include "frontends/onnx/Ops.h"

#include "llvm/ADT/Sequence.h"

using namespace mlir;

namespace mapsto::onnx {
namespace {

//===----------------------------------------------------------------------===//
// Which axes
//===----------------------------------------------------------------------===//

/// In increasing order. They are an attribute until opset 12 (sums) or 17
/// (others), and an input from then on; none given means all, or none at all
/// with `noop_with_empty_axes`.
FailureOr<SmallVector<int64_t>> axesOf(Node &n) {
  int64_t rank = n.rank(0);
  bool asInput = n.opset() >= (n.op() == "ReduceSum" ? 13 : 18);
  SmallVector<int64_t> given;
  bool none = false;
  if (asInput) {
    none = n.attr("noop_with_empty_axes", 0) != 0;
    if (n.has(1)) {
      FailureOr<SmallVector<int64_t>> numbers = n.ints(1);
      if (failed(numbers))
        return failure();
      given = *numbers;
    }
  } else {
    given = n.attrInts("axes");
  }
  if (given.empty() && !none)
    return llvm::to_vector(llvm::seq<int64_t>(0, rank));
  FailureOr<SmallVector<int64_t>> axes = n.axes(given, rank);
  if (succeeded(axes))
    llvm::sort(*axes);
  return axes;
}

//===----------------------------------------------------------------------===//
// Numbers that are known
//===----------------------------------------------------------------------===//

using Combine = std::optional<Dim> (*)(const Dim &, const Dim &);

std::optional<Dim> addDims(const Dim &x, const Dim &y) { return x + y; }
std::optional<Dim> mulDims(const Dim &x, const Dim &y) { return x * y; }
std::optional<Dim> maxDims(const Dim &x, const Dim &y) {
  return Dim::max(x, y);
}
std::optional<Dim> minDims(const Dim &x, const Dim &y) {
  return Dim::min(x, y);
}

/// A whole list (or scalar) combined to one number.
std::optional<Known> foldList(Node &n, ArrayRef<int64_t> axes, bool keepDims,
                              Combine combine) {
  const Known *known = n.known(0);
  if (!known || known->elements.empty() || axes.size() != known->shape.size())
    return std::nullopt;
  std::optional<Dim> all = known->elements[0];
  for (const Dim &next : ArrayRef<Dim>(known->elements).drop_front())
    if (!(all = combine(*all, next)))
      return std::nullopt;
  Known result = Known::scalar(*all);
  if (keepDims)
    result.shape.assign(known->shape.size(), 1);
  assume(result, *known);
  return result;
}

//===----------------------------------------------------------------------===//
// Builders
//===----------------------------------------------------------------------===//

/// What an op makes of its input.
struct Reduction {
  Node &n;
  SmallVector<int64_t> axes;
  bool keepDims;

  Term operator()(ReduceKind kind, const Term &x) const {
    return {x, mapsto::reduce(n.b, n.loc, kind, x.v, axes, keepDims)};
  }
  Term sum(const Term &x) const { return (*this)(ReduceKind::sum, x); }
  /// How many elements become one.
  Term count(const Term &like) const {
    Dims dims = n.dims(0);
    Dim product = 1;
    for (int64_t axis : axes)
      product *= dims[size_t(axis)];
    return sizeAs(like, product);
  }
};

using Formula = Term (*)(const Reduction &, Term);

/// What it is of bool; there such a reduction is "any" or "all".
std::optional<ReduceKind> logicalKind(ReduceKind kind) {
  if (kind == ReduceKind::max)
    return ReduceKind::any;
  if (kind == ReduceKind::min)
    return ReduceKind::all;
  return std::nullopt;
}

template <ReduceKind kind, Combine combine> LogicalResult plain(Node &n) {
  FailureOr<SmallVector<int64_t>> axes = axesOf(n);
  bool keepDims = n.attr("keepdims", 1) != 0;
  if (failed(axes))
    return failure();
  if (axes->empty() && n.rank(0) != 0) {
    n.give(0, n.value(0));
    return success();
  }
  ReduceKind actual = kind;
  if (n.type(0).isInteger(1)) {
    auto logical = logicalKind(kind);
    if (!logical)
      return n.fail("it is of booleans");
    actual = *logical;
  }
  return n.resultOr(foldList(n, *axes, keepDims, combine), n.type(0),
                    [&]() -> FailureOr<mlir::Value> {
                      bool extreme = actual == ReduceKind::max ||
                                     actual == ReduceKind::min;
                      Type order = extreme ? n.type(0) : carrierOf(n.type(0));
                      Term x = ordered({n, n.in(0)}, order);
                      Reduction r{n, *axes, keepDims};
                      return ordered(r(actual, x), order).v;
                    });
}

/// A composition: of floats, computed `wide`; of whole numbers either in their
/// own arithmetic (`exact`), or in f64 and cut off.
template <Formula formula, bool exact = false> LogicalResult composed(Node &n) {
  FailureOr<SmallVector<int64_t>> axes = axesOf(n);
  bool keepDims = n.attr("keepdims", 1) != 0;
  if (failed(axes))
    return failure();
  bool whole = isa<IntegerType>(n.type(0));
  Term x = whole && exact ? Term(n, n.in(0)) : wide(n, 0);
  Term result = formula(Reduction{n, *axes, keepDims}, x);
  mlir::Value output = result.v;
  if (elementTypeOf(output) != carrierOf(n.type(0)))
    output = convert(n.b, n.loc, output, elementTypeOf(output), n.type(0));
  return n.result(output, n.type(0));
}

Term meanOf(const Reduction &r, Term x) {
  Term sum = r.sum(x);
  return isa<FloatType>(elementTypeOf(x.v))
             ? sum / r.count(sum)
             : divideTowardsZero(sum, r.count(sum), r.n.type(0));
}
Term l1Of(const Reduction &r, Term x) { return r.sum(abs(x)); }
Term l2Of(const Reduction &r, Term x) { return sqrt(r.sum(x * x)); }
Term logSumOf(const Reduction &r, Term x) { return log(r.sum(x)); }
Term sumSquareOf(const Reduction &r, Term x) { return r.sum(x * x); }

/// The largest is taken out of the exponentials, unless it is infinite.
Term logSumExpOf(const Reduction &r, Term x) {
  Reduction kept = r;
  kept.keepDims = true;
  Term largest = kept(ReduceKind::max, x);
  largest = select(abs(largest) < double(INFINITY), largest, 0);
  Term shift(x, broadcastTo(r.n.b, r.n.loc, largest.v, dimsOf(x.v)));
  Term sum = r.sum(exp(x - shift));
  Term back(x, reshape(r.n.b, r.n.loc, largest.v, dimsOf(sum.v)));
  return log(sum) + back;
}

//===----------------------------------------------------------------------===//
// Where the extreme is
//===----------------------------------------------------------------------===//

template <ReduceKind kind> LogicalResult argument(Node &n) {
  FailureOr<int64_t> axis = n.axis(n.attr("axis", 0), n.rank(0));
  bool keepDims = n.attr("keepdims", 1) != 0;
  bool last = n.attr("select_last_index", 0) != 0;
  if (failed(axis))
    return failure();
  mlir::Value x = ordered({n, n.in(0)}, n.type(0)).v;
  Dims dims = dimsOf(x);
  if (last)
    x = FlipOp::create(n.b, n.loc, x, ArrayRef<int64_t>{*axis});
  Term index(n, ArgReduceOp::create(n.b, n.loc, kind, x, *axis));
  if (last) {
    Reduction along{n, {*axis}, false};
    index = along.count(index) - 1 - index;
  }
  if (keepDims)
    dims[size_t(*axis)] = 1;
  else
    dims.erase(dims.begin() + *axis);
  return n.result(reshape(n.b, n.loc, index.v, dims), n.b.getI64Type());
}

} // namespace

void addReduceOps(OpTable &table) {
  table["ArgMax"] = argument<ReduceKind::max>;
  table["ArgMin"] = argument<ReduceKind::min>;
  table["ReduceL1"] = composed<l1Of, /*exact=*/true>;
  table["ReduceL2"] = composed<l2Of>;
  table["ReduceLogSum"] = composed<logSumOf>;
  table["ReduceLogSumExp"] = composed<logSumExpOf>;
  table["ReduceMax"] = plain<ReduceKind::max, maxDims>;
  table["ReduceMean"] = composed<meanOf, /*exact=*/true>;
  table["ReduceMin"] = plain<ReduceKind::min, minDims>;
  table["ReduceProd"] = plain<ReduceKind::prod, mulDims>;
  table["ReduceSum"] = plain<ReduceKind::sum, addDims>;
  table["ReduceSumSquare"] = composed<sumSquareOf, /*exact=*/true>;
}

} // namespace mapsto::onnx
