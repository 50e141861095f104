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

/// Wider windows are an axis that is reduced, narrower ones slices combined:
/// slices of several axes multiply in the kernel that they become.
constexpr int64_t kMostSlices = 4;

/// x [..., size, ...] as [..., places, window, ...].
mlir::Value gatherWindows(Node &n, mlir::Value x, int64_t axis, const Window &w,
                          const Dim &places) {
  RankedTensorType type =
      mapsto::tensorOf({places, Dim(w.size)}, n.b.getI64Type());
  auto count = [&](int64_t along, int64_t by) {
    return MulOp::create(n.b, n.loc, IotaOp::create(n.b, n.loc, type, along),
                         splat(n.b, n.loc, double(by), type));
  };
  mlir::Value from =
      AddOp::create(n.b, n.loc, count(0, w.stride), count(1, w.dilation));
  return TakeOp::create(n.b, n.loc, x, from, axis);
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
  if (w.size > kMostSlices)
    return reduce(n.b, n.loc, kind, gatherWindows(n, x, axis, w, places),
                  {axis + 1});
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

/// Where in x each element is: row-major, or with the last axis of space
/// outermost where `columnMajor`.
mlir::Value placesOf(Node &n, ArrayRef<Dim> dims, bool columnMajor) {
  Dims order(dims);
  SmallVector<int64_t> permutation =
      llvm::to_vector(llvm::seq<int64_t>(0, int64_t(dims.size())));
  if (columnMajor) {
    std::reverse(order.begin() + 2, order.end());
    std::reverse(permutation.begin() + 2, permutation.end());
  }
  mlir::Value places = IotaOp::create(
      n.b, n.loc, mapsto::tensorOf({numElements(dims)}, n.b.getI64Type()), 0);
  return transpose(n.b, n.loc, reshape(n.b, n.loc, places, order), permutation);
}

/// The largest of each window and where it is; of equals the first.
LogicalResult maxPoolWithPlaces(Node &n, ArrayRef<Window> windows,
                                bool columnMajor) {
  mlir::Value x = n.in(0), at = placesOf(n, dimsOf(x), columnMajor);
  Padding padding = paddingOf(dimsOf(x), windows);
  for (ArrayRef<Window> around : {padding.own, padding.beyond}) {
    FailureOr<mlir::Value> values = padWindows(n, x, lowest(n.type(0)), around);
    FailureOr<mlir::Value> places = padWindows(n, at, 0, around);
    if (failed(values) || failed(places))
      return failure();
    x = *values;
    at = *places;
  }
  // The last axis first: so the first of equals is that of the first row.
  for (size_t i = windows.size(); i-- > 0;) {
    const Window &w = windows[i];
    if (failed(checkWritten(n, w)))
      return failure();
    mlir::Value best, bestAt;
    for (int64_t k = 0; k < w.size; ++k) {
      auto part = [&](mlir::Value v) {
        return slice(n.b, n.loc, v, int64_t(i + 2), k * w.dilation,
                     padding.places[i],
                     padding.places[i] == Dim(1) ? 1 : w.stride);
      };
      mlir::Value candidate = part(x), candidateAt = part(at);
      if (best) {
        mlir::Value better = CompareOp::create(n.b, n.loc, ComparePredicate::gt,
                                               candidate, best);
        candidate = SelectOp::create(n.b, n.loc, better, candidate, best);
        candidateAt = SelectOp::create(n.b, n.loc, better, candidateAt, bestAt);
      }
      best = candidate;
      bestAt = candidateAt;
    }
    x = best;
    at = bestAt;
  }
  n.give(0, x, n.type(0));
  n.give(1, at);
  return success();
}

LogicalResult maxPool(Node &n) {
  bool columnMajor = n.attr("storage_order", 0) != 0;
  FailureOr<SmallVector<Window>> windows = poolWindows(n);
  if (failed(windows))
    return failure();
  if (n.wants(1))
    return maxPoolWithPlaces(n, *windows, columnMajor);
  FailureOr<mlir::Value> y =
      reduceWindows(n, ReduceKind::max, n.in(0), lowest(n.type(0)), *windows);
  return failed(y) ? failure() : n.result(*y, n.type(0));
}

/// The largest elements back where they were, zeros elsewhere.
LogicalResult maxUnpool(Node &n) {
  mlir::Value x = n.in(0);
  FailureOr<SmallVector<Window>> windows = poolWindows(n);
  if (failed(windows))
    return failure();
  Dims dims = dimsOf(x);
  for (auto [i, w] : llvm::enumerate(*windows))
    dims[i + 2] =
        (dims[i + 2] - Dim(1)) * Dim(w.stride) + Dim(w.size) - w.low - w.high;
  // The places count within the shape that the windows give; what an output
  // shape has beyond it is zeros.
  Dims wanted = dims;
  if (n.has(2)) {
    FailureOr<SmallVector<Dim>> given = n.sizes(2);
    if (failed(given))
      return failure();
    if (given->size() != dims.size())
      return n.fail("its output shape is " + str(*given) + " for x " +
                    str(dimsOf(x)));
    wanted.assign(given->begin(), given->end());
  }
  if (n.dims(1) != dimsOf(x))
    return n.fail("its indices are " + str(n.dims(1)) + " for x " +
                  str(dimsOf(x)));
  Dim count = numElements(dimsOf(x));
  mlir::Value zeros = splat(
      n.b, n.loc, 0, mapsto::tensorOf({numElements(dims)}, elementTypeOf(x)));
  mlir::Value y = ScatterOp::create(n.b, n.loc, ScatterKind::set, zeros,
                                    reshape(n.b, n.loc, n.in(1), Dims{count}),
                                    reshape(n.b, n.loc, x, Dims{count}), 0);
  Dims low(dims.size()), high;
  for (auto [from, to] : llvm::zip_equal(dims, wanted))
    high.push_back(to - from);
  FailureOr<mlir::Value> whole =
      padOrCrop(n, reshape(n.b, n.loc, y, dims),
                scalar(n.b, n.loc, 0, elementTypeOf(x)), low, high);
  if (failed(whole))
    return failure();
  return n.result(*whole, n.type(0));
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
  table["MaxUnpool"] = maxUnpool;
}

} // namespace mapsto::onnx
