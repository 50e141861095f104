//===- OpsPooling.cpp - Windows reduced to one element --------------------===//
//
// The largest of a window, and the sum over one, are found an axis at a time.
//
//===----------------------------------------------------------------------===//

#include "frontends/onnx/Ops.h"
#include "frontends/onnx/Spatial.h"

#include "llvm/ADT/Sequence.h"

using namespace mlir;

namespace mapsto::onnx {
namespace {

mlir::Value combine(Node &n, ReduceKind kind, mlir::Value x, mlir::Value y) {
  if (kind == ReduceKind::max)
    return MaxOp::create(n.b, n.loc, x, y);
  return AddOp::create(n.b, n.loc, x, y);
}

/// Windows along one axis of x, which is padded, reduced: `places` of them.
mlir::Value reduceAxis(Node &n, ReduceKind kind, mlir::Value x, int64_t axis,
                       const Window &w, const Dim &places) {
  if (w.size == 1 && w.stride == 1)
    return slice(n.b, n.loc, x, axis, 0, places);
  // Windows side by side are an axis of their own.
  if (w.dilation == 1 && (w.stride == w.size || places == Dim(1))) {
    x = slice(n.b, n.loc, x, axis, 0, places * Dim(w.size));
    Dims apart = dimsOf(x);
    apart[size_t(axis)] = places;
    apart.insert(apart.begin() + axis + 1, Dim(w.size));
    return reduce(n.b, n.loc, kind, reshape(n.b, n.loc, x, apart), {axis + 1});
  }
  mlir::Value result;
  for (int64_t k = 0; k < w.size; ++k) {
    mlir::Value part = slice(n.b, n.loc, x, axis, k * w.dilation, places,
                             places == Dim(1) ? 1 : w.stride);
    result = result ? combine(n, kind, result, part) : part;
  }
  return result;
}

/// The windows' own padding, and what the last ones need beyond it.
struct Padding {
  SmallVector<Window> own, beyond;
  Dims places;
};

Padding paddingOf(ArrayRef<Dim> dims, ArrayRef<Window> windows) {
  Padding p;
  for (auto [i, w] : llvm::enumerate(windows)) {
    const Dim &extent = dims[i + 2];
    p.places.push_back(w.count(extent));
    p.own.push_back(w);
    Window rest = w;
    Dim needed = (p.places.back() - Dim(1)) * Dim(w.stride) + Dim(w.reach());
    rest.low = 0;
    rest.high = w.ceil ? Dim::max(needed - extent - w.low - w.high, 0) : Dim(0);
    p.beyond.push_back(rest);
  }
  return p;
}

/// Each window of x [N, C, spatial...] reduced; `outside` is what is around x.
FailureOr<mlir::Value> reduceWindows(Node &n, ReduceKind kind, mlir::Value x,
                                     double outside, ArrayRef<Window> windows) {
  Padding padding = paddingOf(dimsOf(x), windows);
  for (ArrayRef<Window> around : {padding.own, padding.beyond}) {
    FailureOr<mlir::Value> padded = padWindows(n, x, outside, around);
    if (failed(padded))
      return failure();
    x = *padded;
  }
  for (auto [i, w] : llvm::enumerate(windows))
    x = reduceAxis(n, kind, x, int64_t(i + 2), w, padding.places[i]);
  return x;
}

/// How many elements of x (and of the padding, if it counts) each window sees:
/// [1, 1, places...].
FailureOr<mlir::Value> countWindows(Node &n, Type type, ArrayRef<Dim> dims,
                                    ArrayRef<Window> windows,
                                    bool paddingCounts) {
  Padding padding = paddingOf(dims, windows);
  mlir::Value count;
  for (auto [i, w] : llvm::enumerate(windows)) {
    Dims axis(windows.size() + 2, Dim(1));
    axis[i + 2] = dims[i + 2];
    mlir::Value ones = splat(n.b, n.loc, 1, mapsto::tensorOf(axis, type));
    SmallVector<Window> own(windows.size()), beyond = own;
    own[i] = padding.own[i];
    beyond[i] = padding.beyond[i];
    auto padded = padWindows(n, ones, paddingCounts ? 1 : 0, own);
    if (succeeded(padded))
      padded = padWindows(n, *padded, 0, beyond);
    if (failed(padded))
      return failure();
    mlir::Value along = reduceAxis(n, ReduceKind::sum, *padded, int64_t(i + 2),
                                   w, padding.places[i]);
    count = count ? *binary<MulOp>(n.b, n.loc, count, along) : along;
  }
  return count;
}

FailureOr<SmallVector<Window>> poolWindows(Node &n) {
  if (!n.hasAttribute("kernel_shape"))
    return n.fail("it has no `kernel_shape`");
  return windowsOf(n, n.dims(0), n.attrInts("kernel_shape"));
}

/// What is less than any other number of the type.
double lowest(Type type) {
  if (isa<FloatType>(type))
    return -std::numeric_limits<double>::infinity();
  if (type.isUnsignedInteger())
    return 0;
  return -std::ldexp(1.0, int(type.getIntOrFloatBitWidth()) - 1);
}

LogicalResult maxPool(Node &n) {
  n.ignore("storage_order"); // decides on indices alone
  FailureOr<SmallVector<Window>> windows = poolWindows(n);
  if (failed(windows))
    return failure();
  FailureOr<mlir::Value> y =
      reduceWindows(n, ReduceKind::max, n.in(0), lowest(n.type(0)), *windows);
  return failed(y) ? failure() : n.result(*y, n.type(0));
}

mlir::Value divide(Node &n, mlir::Value x, mlir::Value by) {
  return DivOp::create(n.b, n.loc, x, broadcastTo(n.b, n.loc, by, dimsOf(x)));
}

LogicalResult averagePool(Node &n) {
  bool paddingCounts = n.attr("count_include_pad", 0) != 0;
  FailureOr<SmallVector<Window>> windows = poolWindows(n);
  if (failed(windows))
    return failure();
  mlir::Value x = n.in(0);
  Type type = elementTypeOf(x);
  FailureOr<mlir::Value> sum =
      reduceWindows(n, ReduceKind::sum, x, 0, *windows);
  FailureOr<mlir::Value> count =
      countWindows(n, type, dimsOf(x), *windows, paddingCounts);
  if (failed(sum) || failed(count))
    return failure();
  return n.result(divide(n, *sum, *count), n.type(0));
}

mlir::Value power(Node &n, mlir::Value x, double exponent) {
  if (exponent == 1)
    return x;
  if (exponent == 2)
    return MulOp::create(n.b, n.loc, x, x);
  if (exponent == 0.5)
    return SqrtOp::create(n.b, n.loc, x);
  return PowOp::create(n.b, n.loc, x, splat(n.b, n.loc, exponent, x.getType()));
}

/// |x| to the power p: `p` is a whole number from opset 2 on.
FailureOr<mlir::Value> magnitudes(Node &n, double &p) {
  p = n.opset() < 2 ? n.attrFloat("p", 2) : double(n.attr("p", 2));
  if (!(p > 0))
    return n.fail("`p` is " + Twine(int64_t(p)));
  mlir::Value x = n.in(0);
  return power(n, p == 2 ? x : mlir::Value(AbsOp::create(n.b, n.loc, x)), p);
}

LogicalResult lpPool(Node &n) {
  double p;
  FailureOr<SmallVector<Window>> windows = poolWindows(n);
  FailureOr<mlir::Value> x = magnitudes(n, p);
  if (failed(windows) || failed(x))
    return failure();
  FailureOr<mlir::Value> sum =
      reduceWindows(n, ReduceKind::sum, *x, 0, *windows);
  return failed(sum) ? failure() : n.result(power(n, *sum, 1 / p), n.type(0));
}

/// All axes of space reduced, and kept with size 1.
mlir::Value reduceSpace(Node &n, ReduceKind kind, mlir::Value x) {
  return reduce(n.b, n.loc, kind, x,
                llvm::to_vector(llvm::seq<int64_t>(
                    2, std::max<int64_t>(2, int64_t(dimsOf(x).size())))),
                /*keepDims=*/true);
}

LogicalResult globalMaxPool(Node &n) {
  return n.result(reduceSpace(n, ReduceKind::max, n.in(0)), n.type(0));
}

LogicalResult globalAveragePool(Node &n) {
  mlir::Value x = n.in(0);
  Dims dims = dimsOf(x);
  if (dims.size() < 3)
    return n.fail("x is " + str(dims) + ", without an axis of space");
  Value count;
  count.type = n.b.getI64Type();
  count.known = Known::scalar(numElements(ArrayRef<Dim>(dims).drop_front(2)));
  mlir::Value places =
      cast(n.b, n.loc, n.importer.materialise(count), elementTypeOf(x));
  return n.result(divide(n, reduceSpace(n, ReduceKind::sum, x), places),
                  n.type(0));
}

LogicalResult globalLpPool(Node &n) {
  double p;
  FailureOr<mlir::Value> x = magnitudes(n, p);
  if (failed(x))
    return failure();
  return n.result(power(n, reduceSpace(n, ReduceKind::sum, *x), 1 / p),
                  n.type(0));
}

} // namespace

void addPoolingOps(OpTable &table) {
  table["AveragePool"] = averagePool;
  table["GlobalAveragePool"] = globalAveragePool;
  table["GlobalLpPool"] = globalLpPool;
  table["GlobalMaxPool"] = globalMaxPool;
  table["LpPool"] = lpPool;
  table["MaxPool"] = maxPool;
}

} // namespace mapsto::onnx
