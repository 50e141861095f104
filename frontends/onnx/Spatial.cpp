#include "frontends/onnx/Spatial.h"

using namespace mlir;

namespace mapsto::onnx {

Dim Window::count(const Dim &extent) const {
  Dim free = extent + low + high - Dim(reach());
  if (!ceil)
    return Dim::floorDiv(free, Dim(stride)) + Dim(1);
  // Every window begins on x or on the places before it.
  return Dim::min(Dim::ceilDiv(free, Dim(stride)) + Dim(1),
                  Dim::ceilDiv(extent + low, Dim(stride)));
}

FailureOr<SmallVector<int64_t>> perAxis(Node &n, StringRef name, size_t count,
                                        int64_t least) {
  SmallVector<int64_t> numbers =
      n.attrInts(name, SmallVector<int64_t>(count, 1));
  if (numbers.size() != count)
    return n.fail("`" + name + "` has " + Twine(numbers.size()) +
                  " numbers for " + Twine(count) + " axes");
  for (int64_t number : numbers)
    if (number < least || number > std::numeric_limits<int32_t>::max())
      return n.fail("`" + name + "` has " + Twine(number));
  return numbers;
}

LogicalResult checkWritten(Node &n, const Window &w) {
  constexpr int64_t kMostWritten = 1024;
  if (w.size <= kMostWritten)
    return success();
  return n.fail("its kernel has size " + Twine(w.size) + ", and more than " +
                Twine(kMostWritten) + " are not supported");
}

FailureOr<SmallVector<Window>> windowsOf(Node &n, ArrayRef<Dim> dims,
                                         ArrayRef<int64_t> sizes) {
  size_t count = sizes.size();
  if (count == 0 || dims.size() != count + 2)
    return n.fail("x is " + str(dims) + ", its kernel has " + Twine(count) +
                  " axes");
  auto strides = perAxis(n, "strides", count, 1);
  auto dilations = perAxis(n, "dilations", count, 1);
  if (failed(strides) || failed(dilations))
    return failure();
  std::string automatic = n.attrString("auto_pad", "NOTSET");
  SmallVector<int64_t> pads =
      n.attrInts("pads", SmallVector<int64_t>(2 * count, 0));
  if (automatic != "NOTSET")
    pads.assign(2 * count, 0);
  if (pads.size() != 2 * count)
    return n.fail("`pads` has " + Twine(pads.size()) + " numbers for " +
                  Twine(count) + " axes");
  bool ceil = n.attr("ceil_mode", 0) != 0;
  SmallVector<Window> windows;
  for (size_t i = 0; i < count; ++i) {
    if (sizes[i] < 1 || sizes[i] > std::numeric_limits<int32_t>::max())
      return n.fail("its kernel has size " + Twine(sizes[i]));
    Window w{sizes[i],     (*strides)[i],        (*dilations)[i],
             Dim(pads[i]), Dim(pads[count + i]), ceil};
    const Dim &extent = dims[i + 2];
    if (automatic == "SAME_UPPER" || automatic == "SAME_LOWER") {
      Dim windowCount = Dim::ceilDiv(extent, Dim(w.stride));
      Dim total = w.stride == 1
                      ? Dim(w.reach() - 1)
                      : Dim::max((windowCount - Dim(1)) * Dim(w.stride) +
                                     Dim(w.reach()) - extent,
                                 0);
      Dim less = Dim::floorDiv(total, 2);
      w.low = automatic == "SAME_UPPER" ? less : total - less;
      w.high = total - w.low;
      w.ceil = false;
    } else if (automatic != "NOTSET" && automatic != "VALID") {
      return n.fail("`auto_pad` " + automatic + " is not known");
    }
    if (w.count(extent).constant().value_or(0) < 0)
      return n.fail("a window of " + Twine(w.reach()) + " does not fit into " +
                    extent.str() + " places padded by " + w.low.str() +
                    " and " + w.high.str());
    windows.push_back(w);
  }
  return windows;
}

FailureOr<mlir::Value> padOrCrop(Node &n, mlir::Value x, mlir::Value value,
                                 ArrayRef<Dim> low, ArrayRef<Dim> high) {
  Dims starts, sizes = dimsOf(x), before, after;
  for (auto [axis, size] : llvm::enumerate(sizes)) {
    auto part = [](const Dim &d, bool cut) {
      bool negative = d.constant().value_or(0) < 0;
      return negative == cut ? (cut ? Dim(0) - d : d) : Dim(0);
    };
    starts.push_back(part(low[axis], true));
    size = size - starts.back() - part(high[axis], true);
    if (size.constant().value_or(0) < 0)
      return n.fail("axis " + Twine(axis) + " of " + str(dimsOf(x)) +
                    " is cut by more than it has");
    before.push_back(part(low[axis], false));
    after.push_back(part(high[axis], false));
  }
  x = slice(n.b, n.loc, x, starts, sizes,
            SmallVector<int64_t>(sizes.size(), 1));
  auto isZero = [](const Dim &d) { return d == Dim(0); };
  if (llvm::all_of(before, isZero) && llvm::all_of(after, isZero))
    return x;
  MLIRContext *context = n.b.getContext();
  return mlir::Value(PadOp::create(n.b, n.loc, x, value,
                                   DimsAttr::get(context, before),
                                   DimsAttr::get(context, after)));
}

FailureOr<mlir::Value> padWindows(Node &n, mlir::Value x, double value,
                                  ArrayRef<Window> windows) {
  Dims low(2), high(2);
  for (const Window &w : windows) {
    low.push_back(w.low);
    high.push_back(w.high);
  }
  return padOrCrop(n, x, scalar(n.b, n.loc, value, elementTypeOf(x)), low,
                   high);
}

} // namespace mapsto::onnx
