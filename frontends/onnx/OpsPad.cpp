//===- OpsPad.cpp - Elements around a tensor ------------------------------===//

#include "frontends/onnx/Ops.h"
#include "frontends/onnx/Spatial.h"

#include "llvm/ADT/Sequence.h"

using namespace mlir;

namespace mapsto::onnx {
namespace {

enum class Mode { edge, reflect, wrap };

/// `count` places before (or behind) an axis of x, made from x's own elements.
mlir::Value border(Node &n, mlir::Value x, int64_t axis, const Dim &count,
                   bool before, Mode mode) {
  Dim extent = dimOf(x, axis);
  auto part = [&](const Dim &start, const Dim &size) {
    return slice(n.b, n.loc, x, axis, start, size);
  };
  if (mode == Mode::wrap)
    return part(before ? extent - count : Dim(0), count);
  if (mode == Mode::reflect)
    return FlipOp::create(
        n.b, n.loc, part(before ? Dim(1) : extent - count - Dim(1), count),
        ArrayRef<int64_t>{axis});
  Dims dims = dimsOf(x);
  dims[size_t(axis)] = count;
  return broadcastTo(n.b, n.loc, part(before ? Dim(0) : extent - Dim(1), 1),
                     dims);
}

/// What is wanted around an axis of a known size is made in rounds, each of at
/// most as many places as x then has to give.
FailureOr<mlir::Value> extend(Node &n, mlir::Value x, int64_t axis, Dim low,
                              Dim high, Mode mode) {
  if (dimOf(x, axis) == Dim(0) && (low != Dim(0) || high != Dim(0)))
    return n.fail("axis " + Twine(axis) + " of " + str(dimsOf(x)) +
                  " has no element to pad with");
  // A single element is its own mirror image.
  if (mode == Mode::reflect && dimOf(x, axis) == Dim(1))
    mode = Mode::edge;
  while (low != Dim(0) || high != Dim(0)) {
    Dim most = dimOf(x, axis) - Dim(mode == Mode::reflect);
    auto round = [&](const Dim &left) {
      auto over = (left - most).constant();
      return mode != Mode::edge && over && *over > 0 ? most : left;
    };
    Dim before = round(low), after = round(high);
    SmallVector<mlir::Value> parts{x};
    if (before != Dim(0))
      parts.insert(parts.begin(), border(n, x, axis, before, true, mode));
    if (after != Dim(0))
      parts.push_back(border(n, x, axis, after, false, mode));
    x = ConcatOp::create(n.b, n.loc, parts, axis);
    low = low - before;
    high = high - after;
  }
  return x;
}

LogicalResult pad(Node &n) {
  Dims dims = n.dims(0);
  int64_t rank = int64_t(dims.size());
  SmallVector<Dim> pads;
  mlir::Value value;
  mlir::Value x = n.in(0);
  if (n.opset() < 11) {
    StringRef name = n.opset() < 2 ? "paddings" : "pads";
    for (int64_t size : n.attrInts(name))
      pads.push_back(Dim(size));
    value = scalar(n.b, n.loc, n.attrFloat("value", 0), elementTypeOf(x));
  } else {
    FailureOr<SmallVector<Dim>> given = n.sizes(1);
    if (failed(given))
      return failure();
    pads = *given;
    if (n.has(2) && numElements(n.dims(2)) == Dim(1))
      value = mapsto::reshape(n.b, n.loc, n.in(2), {});
    else
      value = scalar(n.b, n.loc, 0, elementTypeOf(x));
  }
  SmallVector<int64_t> axes = llvm::to_vector(llvm::seq<int64_t>(0, rank));
  if (n.has(3)) {
    FailureOr<SmallVector<int64_t>> given = n.ints(3);
    if (failed(given))
      return failure();
    FailureOr<SmallVector<int64_t>> checked = n.axes(*given, rank);
    if (failed(checked))
      return failure();
    axes = *checked;
  }
  if (pads.size() != 2 * axes.size())
    return n.fail("it has " + Twine(pads.size()) + " pads for " +
                  Twine(axes.size()) + " axes");
  Dims low(dims.size()), high(dims.size());
  for (auto [i, axis] : llvm::enumerate(axes)) {
    low[size_t(axis)] = pads[i];
    high[size_t(axis)] = pads[axes.size() + i];
  }
  std::string name = n.attrString("mode", "constant");
  if (name == "constant") {
    FailureOr<mlir::Value> result = padOrCrop(n, x, value, low, high);
    return failed(result) ? failure() : n.result(*result, n.type(0));
  }
  auto mode = llvm::StringSwitch<std::optional<Mode>>(name)
                  .Case("edge", Mode::edge)
                  .Case("reflect", Mode::reflect)
                  .Case("wrap", Mode::wrap)
                  .Default(std::nullopt);
  if (!mode)
    return n.fail("mode `" + name + "` is not known");
  // What is cut off goes first, then every axis on its own.
  Dims cutLow(dims.size()), cutHigh(dims.size());
  for (auto [pads, cuts] : {std::pair(&low, &cutLow), {&high, &cutHigh}})
    for (auto [size, cut] : llvm::zip_equal(*pads, *cuts))
      if (size.constant().value_or(0) < 0)
        std::swap(size, cut);
  FailureOr<mlir::Value> result = padOrCrop(n, x, value, cutLow, cutHigh);
  for (int64_t axis = 0; axis < rank && succeeded(result); ++axis)
    result =
        extend(n, *result, axis, low[size_t(axis)], high[size_t(axis)], *mode);
  return failed(result) ? failure() : n.result(*result, n.type(0));
}

/// The middle of x where it is larger than asked for, x in the middle of zeros
/// where it is smaller; an odd place is behind.
LogicalResult centerCropPad(Node &n) {
  Dims dims = n.dims(0), low(dims.size()), high(dims.size());
  FailureOr<SmallVector<Dim>> sizes = n.sizes(1);
  FailureOr<SmallVector<int64_t>> axes = n.axes(
      n.attrInts("axes",
                 llvm::to_vector(llvm::seq<int64_t>(0, int64_t(dims.size())))),
      int64_t(dims.size()));
  if (failed(sizes) || failed(axes))
    return failure();
  if (sizes->size() != axes->size())
    return n.fail("it has " + Twine(sizes->size()) + " sizes for " +
                  Twine(axes->size()) + " axes");
  for (auto [axis, size] : llvm::zip_equal(*axes, *sizes)) {
    std::optional<int64_t> more = (size - dims[size_t(axis)]).constant();
    if (!more)
      return n.fail("axis " + Twine(axis) + " goes from " +
                        dims[size_t(axis)].str() + " to " + size.str(),
                    "fix the symbols with --dim NAME=SIZE");
    low[size_t(axis)] = Dim(*more / 2);
    high[size_t(axis)] = Dim(*more - *more / 2);
  }
  mlir::Value x = n.in(0);
  FailureOr<mlir::Value> result =
      padOrCrop(n, x, scalar(n.b, n.loc, 0, elementTypeOf(x)), low, high);
  return failed(result) ? failure() : n.result(*result, n.type(0));
}

} // namespace

void addPadOps(OpTable &table) {
  table["CenterCropPad"] = centerCropPad;
  table["Pad"] = pad;
}

} // namespace mapsto::onnx
