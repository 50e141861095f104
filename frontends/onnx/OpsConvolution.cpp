//===- OpsConvolution.cpp - Convolutions of any rank ----------------------===//
//
// A convolution over several axes is one over the last of them: the windows of
// the other axes become channels, their places a batch.
//
//===----------------------------------------------------------------------===//

#include "frontends/onnx/Ops.h"
#include "frontends/onnx/Spatial.h"

#include "llvm/ADT/Sequence.h"

#include <numeric>

using namespace mlir;

namespace mapsto::onnx {
namespace {

/// x [..., size, ...] as [..., k, places, ...]: what each place's window along
/// the axis sees. `x` is padded already.
mlir::Value unfold(Node &n, mlir::Value x, int64_t axis, const Window &w,
                   const Dim &places) {
  SmallVector<mlir::Value> parts;
  for (int64_t k = 0; k < w.size; ++k) {
    mlir::Value part = slice(n.b, n.loc, x, axis, k * w.dilation, places,
                             places == Dim(1) ? 1 : w.stride);
    Dims dims = dimsOf(part);
    dims.insert(dims.begin() + axis, Dim(1));
    parts.push_back(reshape(n.b, n.loc, part, dims));
  }
  return parts.size() == 1
             ? parts[0]
             : mlir::Value(ConcatOp::create(n.b, n.loc, parts, axis));
}

/// x [N, C, spatial...] with weight [O, C / groups, kernel...].
FailureOr<mlir::Value> convolve(Node &n, mlir::Value x, mlir::Value weight,
                                SmallVector<Window> windows, int64_t groups) {
  Dims from = dimsOf(x), kernel = dimsOf(weight);
  size_t count = windows.size();
  Dims places;
  for (size_t i = 0; i < count; ++i)
    places.push_back(windows[i].count(from[i + 2]));
  // The last axis is padded by conv1d where its padding is known.
  Window last = windows.back();
  bool within = last.low.constant().value_or(-1) >= 0 &&
                last.high.constant().value_or(-1) >= 0;
  int64_t low = 0, high = 0;
  if (within) {
    low = *last.low.constant();
    high = *last.high.constant();
    windows.back().low = windows.back().high = 0;
  }
  FailureOr<mlir::Value> padded = padWindows(n, x, 0, windows);
  if (failed(padded))
    return failure();
  x = *padded;
  Dim channels = from[1], batch = from[0];
  // [N, C, k1, k2, ..., p1, p2, ..., W]: kernels gather behind the channels.
  for (size_t i = 0; i + 1 < count; ++i) {
    if (failed(checkWritten(n, windows[i])))
      return failure();
    int64_t axis = int64_t(2 + 2 * i);
    x = unfold(n, x, axis, windows[i], places[i]);
    SmallVector<int64_t> order =
        llvm::to_vector(llvm::seq<int64_t>(0, int64_t(dimsOf(x).size())));
    std::rotate(order.begin() + int64_t(2 + i), order.begin() + axis,
                order.begin() + axis + 1);
    x = transpose(n.b, n.loc, x, order);
    channels *= Dim(windows[i].size);
    batch *= places[i];
  }
  // The places of all axes but the last join the batch.
  size_t outer = count - 1;
  SmallVector<int64_t> order{0};
  for (size_t i = 0; i < outer; ++i)
    order.push_back(int64_t(2 + outer + i));
  for (size_t i = 0; i <= outer; ++i)
    order.push_back(int64_t(1 + i));
  order.push_back(int64_t(2 + 2 * outer));
  x = transpose(n.b, n.loc, x, order);
  x = reshape(n.b, n.loc, x, Dims{batch, channels, dimsOf(x).back()});
  Dim perGroup = numElements(ArrayRef<Dim>(kernel).slice(1, count));
  weight = reshape(n.b, n.loc, weight, Dims{kernel[0], perGroup, last.size});
  mlir::Value y = Conv1dOp::create(n.b, n.loc, x, weight, last.stride, low,
                                   high, last.dilation, groups);
  Dims apart{from[0]};
  apart.append(places.begin(), places.end() - 1);
  apart.append({kernel[0], places.back()});
  y = reshape(n.b, n.loc, y, apart);
  SmallVector<int64_t> back{0, int64_t(count)};
  for (size_t i = 0; i < outer; ++i)
    back.push_back(int64_t(1 + i));
  back.push_back(int64_t(count + 1));
  return transpose(n.b, n.loc, y, back);
}

/// The weight's spatial sizes, which must be numbers.
FailureOr<SmallVector<int64_t>> kernelOf(Node &n, ArrayRef<Dim> weight) {
  SmallVector<int64_t> sizes;
  if (weight.size() < 3)
    return n.fail("its weight is " + str(weight) +
                  ", without an axis of space");
  for (const Dim &dim : weight.drop_front(2)) {
    if (!dim.isConstant())
      return n.fail("its weight is " + str(weight) +
                        ", and a kernel's size must be a number",
                    "fix the symbols with --dim NAME=SIZE");
    sizes.push_back(*dim.constant());
  }
  SmallVector<int64_t> given = n.attrInts("kernel_shape", sizes);
  if (given != sizes)
    return n.fail("`kernel_shape` is not that of its weight " + str(weight));
  return sizes;
}

/// y [N, O, spatial...] plus the bias [O] of input 2, if there is one.
LogicalResult withBias(Node &n, mlir::Value y) {
  if (!n.has(2))
    return n.result(y, n.type(0));
  Dims dims = dimsOf(y);
  Dims column(dims.size() - 1, Dim(1));
  column[0] = dims[1];
  if (n.dims(2).size() != 1 || n.dims(2)[0] != dims[1])
    return n.fail("its bias is " + str(n.dims(2)) + " for " + dims[1].str() +
                  " channels");
  mlir::Value bias = reshape(n.b, n.loc, n.in(2), column);
  return n.result(
      AddOp::create(n.b, n.loc, y, broadcastTo(n.b, n.loc, bias, dims)),
      n.type(0));
}

LogicalResult checkChannels(Node &n, ArrayRef<Dim> x, ArrayRef<Dim> weight,
                            const Dim &wanted, int64_t groups,
                            const Dim &outputs) {
  if (x[1] != wanted)
    return n.fail("x has " + x[1].str() + " channels, its weight " +
                  str(weight) + " is for " + wanted.str());
  if (!Dim::exactDiv(outputs, Dim(groups)))
    return n.fail(outputs.str() + " channels are not " + Twine(groups) +
                  " groups");
  return success();
}

LogicalResult convolution(Node &n) {
  FailureOr<mlir::Value> y = convolved(n, n.in(0), n.in(1));
  return failed(y) ? failure() : withBias(n, *y);
}

//===----------------------------------------------------------------------===//
// Transposed
//===----------------------------------------------------------------------===//

/// x with `stride - 1` zeros between the elements of an axis.
mlir::Value spread(Node &n, mlir::Value x, int64_t axis, int64_t stride) {
  if (stride == 1)
    return x;
  Dims dims = dimsOf(x), apart = dims;
  Dim size = dims[size_t(axis)];
  apart.insert(apart.begin() + axis + 1, Dim(1));
  x = reshape(n.b, n.loc, x, apart);
  Dims none(apart.size()), zeros(apart.size());
  zeros[size_t(axis) + 1] = Dim(stride - 1);
  MLIRContext *context = n.b.getContext();
  x = PadOp::create(n.b, n.loc, x, scalar(n.b, n.loc, 0, elementTypeOf(x)),
                    DimsAttr::get(context, none),
                    DimsAttr::get(context, zeros));
  dims[size_t(axis)] = size * Dim(stride);
  x = reshape(n.b, n.loc, x, dims);
  return slice(n.b, n.loc, x, axis, 0, (size - Dim(1)) * Dim(stride) + Dim(1));
}

/// [C, O / groups, k...] as the weight [O, C / groups, k...] of the
/// convolution that is the other's adjoint.
mlir::Value adjointWeight(Node &n, mlir::Value weight, int64_t groups) {
  Dims from = dimsOf(weight);
  Dim in = *Dim::exactDiv(from[0], Dim(groups));
  Dims apart{Dim(groups), in, from[1]};
  apart.append(from.begin() + 2, from.end());
  weight = reshape(n.b, n.loc, weight, apart);
  SmallVector<int64_t> order =
      llvm::to_vector(llvm::seq<int64_t>(0, int64_t(apart.size())));
  std::swap(order[1], order[2]);
  weight = transpose(n.b, n.loc, weight, order);
  Dims dims{from[1] * Dim(groups), in};
  dims.append(from.begin() + 2, from.end());
  weight = reshape(n.b, n.loc, weight, dims);
  return FlipOp::create(
      n.b, n.loc, weight,
      llvm::to_vector(llvm::seq<int64_t>(2, int64_t(dims.size()))));
}

LogicalResult convTranspose(Node &n) {
  Dims weight = n.dims(1), x = n.dims(0);
  FailureOr<SmallVector<int64_t>> kernel = kernelOf(n, weight);
  if (failed(kernel))
    return failure();
  size_t count = kernel->size();
  std::string automatic = n.attrString("auto_pad", "NOTSET");
  SmallVector<int64_t> extra =
      n.attrInts("output_padding", SmallVector<int64_t>(count, 0));
  SmallVector<int64_t> shape = n.attrInts("output_shape");
  // Taken from the end: some models name all axes.
  if (shape.size() > count)
    shape.erase(shape.begin(), shape.end() - long(count));
  SmallVector<int64_t> pads =
      n.attrInts("pads", SmallVector<int64_t>(2 * count, 0));
  auto strides = perAxis(n, "strides", count, 1);
  auto dilations = perAxis(n, "dilations", count, 1);
  int64_t groups = n.attr("group", 1);
  if (failed(strides) || failed(dilations))
    return failure();
  if (x.size() != count + 2 || extra.size() != count ||
      pads.size() != 2 * count || groups < 1 ||
      (!shape.empty() && shape.size() != count))
    return n.fail("its attributes do not fit x " + str(x) +
                  " and a kernel of " + Twine(count) + " axes");
  if (failed(checkChannels(n, x, weight, weight[0], groups, weight[0])))
    return failure();
  mlir::Value spreadOut = n.in(0);
  SmallVector<Window> windows;
  for (size_t i = 0; i < count; ++i) {
    Window w{(*kernel)[i], 1, (*dilations)[i], 0, 0, false};
    int64_t stride = (*strides)[i];
    Dim extent = x[i + 2], low(pads[i]), high(pads[count + i]);
    // Without padding the result has `whole` places.
    Dim whole = (extent - Dim(1)) * Dim(stride) + Dim(w.reach() + extra[i]);
    bool same = automatic == "SAME_UPPER" || automatic == "SAME_LOWER";
    if (automatic == "VALID")
      low = high = Dim(0);
    if (!shape.empty() || same) {
      Dim wanted = shape.empty() ? extent * Dim(stride) : Dim(shape[i]);
      Dim total = whole - wanted;
      Dim less = Dim::floorDiv(total, 2);
      low = automatic == "SAME_UPPER" ? less : total - less;
      high = total - low;
    }
    if ((whole - low - high).constant().value_or(0) < 0 || extra[i] < 0)
      return n.fail("its pads are more than the result has");
    // Over one axis the dialect has the op itself.
    if (count == 1 && low == high && low.constant().value_or(-1) >= 0) {
      mlir::Value y = ConvTranspose1dOp::create(n.b, n.loc, n.in(0), n.in(1),
                                                stride, *low.constant(),
                                                extra[i], w.dilation, groups);
      return withBias(n, y);
    }
    w.low = Dim(w.reach() - 1) - low;
    w.high = Dim(w.reach() - 1) - high + Dim(extra[i]);
    windows.push_back(w);
    spreadOut = spread(n, spreadOut, int64_t(i + 2), stride);
  }
  FailureOr<mlir::Value> y = convolve(
      n, spreadOut, adjointWeight(n, n.in(1), groups), windows, groups);
  return failed(y) ? failure() : withBias(n, *y);
}

} // namespace

FailureOr<mlir::Value> convolved(Node &n, mlir::Value x, mlir::Value weight) {
  Dims from = dimsOf(x), sizes = dimsOf(weight);
  FailureOr<SmallVector<int64_t>> kernel = kernelOf(n, sizes);
  if (failed(kernel))
    return failure();
  FailureOr<SmallVector<Window>> windows = windowsOf(n, from, *kernel);
  int64_t groups = n.attr("group", 1);
  if (failed(windows))
    return failure();
  if (groups < 1)
    return n.fail("`group` is " + Twine(groups));
  if (failed(checkChannels(n, from, sizes, sizes[1] * Dim(groups), groups,
                           sizes[0])))
    return failure();
  return convolve(n, x, weight, *windows, groups);
}

void addConvolutionOps(OpTable &table) {
  table["Conv"] = convolution;
  table["ConvTranspose"] = convTranspose;
}

} // namespace mapsto::onnx
