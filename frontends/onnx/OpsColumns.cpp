//===- OpsColumns.cpp - Windows of an image as columns of a matrix
//---------===//

#include "frontends/onnx/Ops.h"
#include "frontends/onnx/Sampling.h"
#include "frontends/onnx/Spatial.h"

using namespace mlir;

namespace mapsto::onnx {
namespace {

/// All combinations of places along two axes, flat: a[i] * stride + b[j].
SmallVector<int64_t> combine(ArrayRef<int64_t> a, int64_t stride,
                             ArrayRef<int64_t> b) {
  SmallVector<int64_t> all;
  for (int64_t i : a)
    for (int64_t j : b)
      all.push_back(i * stride + j);
  return all;
}

/// Columns [N, C * window, windows] added up where they overlap in an image
/// (https://onnx.ai/onnx/operators/onnx__Col2Im.html).
LogicalResult col2Im(Node &n) {
  FailureOr<SmallVector<int64_t>> image = n.ints(1), block = n.ints(2);
  if (failed(image) || failed(block))
    return failure();
  Dims dims = n.dims(0);
  if (dims.size() != 3 || image->size() != block->size() || image->empty())
    return n.fail("its columns are " + str(dims) + " for an image of " +
                  Twine(image->size()) + " axes and windows of " +
                  Twine(block->size()));
  int64_t area = 1;
  for (int64_t size : *block)
    area *= std::clamp<int64_t>(size, 1, 1 << 20);
  std::optional<Dim> channels = Dim::exactDiv(dims[1], Dim(area));
  if (!channels)
    return n.fail("its columns are " + str(dims) + " for windows of " +
                  Twine(area));
  Dims to{dims[0], *channels};
  for (int64_t size : *image)
    to.push_back(Dim(size));
  auto windows = windowsOf(n, to, *block);
  if (failed(windows))
    return failure();
  // Where each element of the first window is in the padded image, flat, and
  // where each window begins.
  SmallVector<int64_t> within{0}, starts{0};
  Dims whole{dims[0], *channels}, low(2), high(2);
  int64_t size = 1;
  for (auto [w, extent] : llvm::zip_equal(*windows, *image)) {
    int64_t all = extent + *w.low.constant() + *w.high.constant();
    if (all < 0 || size * all > std::numeric_limits<int32_t>::max())
      return n.fail("its image has no size that a tensor can have");
    size *= all;
    SmallVector<int64_t> steps, places;
    for (int64_t i = 0; i < w.size; ++i)
      steps.push_back(i * w.dilation);
    for (int64_t i = 0; i < *w.count(Dim(extent)).constant(); ++i)
      places.push_back(i * w.stride);
    within = combine(within, all, steps);
    starts = combine(starts, all, places);
    whole.push_back(Dim(all));
    low.push_back(Dim(0) - w.low);
    high.push_back(Dim(0) - w.high);
  }
  Dim count = int64_t(starts.size());
  if (!n.equal({dims[2]}, {count}))
    return n.fail("its columns are " + str(dims) + " for " + count.str() +
                  " windows");
  Dims places{area, count};
  Term place =
      Term(n, broadcastTo(n.b, n.loc,
                          reshape(n.b, n.loc, list(n, within), Dims{area, 1}),
                          places)) +
      Term(n, broadcastTo(n.b, n.loc, list(n, starts), places));
  Dim rows = dims[0] * *channels, columns = count * Dim(area);
  mlir::Value index =
      broadcastTo(n.b, n.loc, reshape(n.b, n.loc, place.v, Dims{columns}),
                  Dims{rows, columns});
  mlir::Value x = reshape(n.b, n.loc, n.in(0), Dims{rows, columns});
  mlir::Value zeros =
      splat(n.b, n.loc, 0, tensorOf(Dims{rows, Dim(size)}, elementTypeOf(x)));
  mlir::Value sum =
      ScatterOp::create(n.b, n.loc, ScatterKind::add, zeros, index, x, 1);
  auto cut = padOrCrop(n, reshape(n.b, n.loc, sum, whole),
                       scalar(n.b, n.loc, 0, elementTypeOf(x)), low, high);
  return failed(cut) ? failure() : n.result(*cut, n.type(0));
}

/// Where a bent window looks along space's axis `axis`: the plain window's
/// places and their offsets, [N, groups, window..., to...].
Term bentPlaces(Node &n, const Window &w, size_t axis, size_t rank,
                const Term &offsets) {
  RankedTensorType type = tensorOf(dimsOf(offsets.v), elementTypeOf(offsets.v));
  auto count = [&](size_t at) -> Term {
    return {n, IotaOp::create(n.b, n.loc, type, int64_t(at))};
  };
  Term place = count(2 + rank + axis) * double(w.stride) +
               count(2 + axis) * double(w.dilation);
  return place - sizeAs(place, w.low) + offsets;
}

/// A convolution whose windows look where offsets say, each element weighed by
/// a mask (https://onnx.ai/onnx/operators/onnx__DeformConv.html).
LogicalResult deformConv(Node &n) {
  for (size_t i = 0; i < n.numInputs(); ++i)
    if (n.has(i) && failed(needFloats(n, i)))
      return failure();
  Dims dims = n.dims(0), kernel = n.dims(1);
  int64_t groups = n.attr("group", 1), bends = n.attr("offset_group", 1);
  n.ignore("kernel_shape"); // the weight's
  SmallVector<int64_t> sizes;
  for (const Dim &size :
       ArrayRef<Dim>(kernel).drop_front(std::min<size_t>(2, kernel.size())))
    sizes.push_back(size.constant().value_or(0));
  auto windows = windowsOf(n, dims, sizes);
  if (failed(windows))
    return failure();
  size_t rank = sizes.size();
  std::optional<Dim> perGroup, perBend, out;
  if (groups > 0 && bends > 0) {
    perGroup = Dim::exactDiv(dims[1], Dim(groups));
    perBend = Dim::exactDiv(dims[1], Dim(bends));
    out = Dim::exactDiv(kernel[0], Dim(groups));
  }
  if (!perGroup || !perBend || !out || kernel[1] != *perGroup)
    return n.fail("its weight is " + str(kernel) + " for x " + str(dims) +
                  " in " + Twine(groups) + " groups, " + Twine(bends) +
                  " of offsets");
  int64_t area = 1;
  Dims bent{dims[0], bends}, to;
  for (int64_t size : sizes) {
    area *= size;
    bent.push_back(Dim(size));
  }
  for (size_t i = 0; i < rank; ++i)
    to.push_back((*windows)[i].count(dims[i + 2]));
  bent.append(to);
  Dims offsetDims{dims[0], bends * area * int64_t(rank)};
  offsetDims.append(to);
  if (!n.equal(n.dims(2), offsetDims))
    return n.fail("its offsets are " + str(n.dims(2)) + ", must be " +
                  str(offsetDims));
  Dim points = numElements(to), columns = points * Dim(area),
      items = dims[0] * Dim(bends);
  mlir::Value offsets =
      reshape(n.b, n.loc, wide(n, 2).v,
              Dims{dims[0], bends, area, int64_t(rank), points});
  SmallVector<SmallVector<Tap>> axes;
  for (size_t i = 0; i < rank; ++i) {
    mlir::Value one = slice(n.b, n.loc, offsets, 3, int64_t(i), 1);
    Term place = bentPlaces(n, (*windows)[i], i, rank,
                            {n, reshape(n.b, n.loc, one, bent)});
    axes.push_back(
        linearTaps({n, reshape(n.b, n.loc, place.v, Dims{items, columns})}));
  }
  Dims image{items, *perBend};
  image.append(dims.begin() + 2, dims.end());
  Term x(n, reshape(n.b, n.loc, wide(n, 0).v, image));
  Term samples = sampled(n, x, axes, [](Term a, Term b) { return a + b; });
  if (n.has(4)) {
    Dims masks{dims[0], bends * area};
    masks.append(to);
    if (!n.equal(n.dims(4), masks))
      return n.fail("its mask is " + str(n.dims(4)) + ", must be " +
                    str(masks));
    mlir::Value mask =
        reshape(n.b, n.loc, wide(n, 4).v, Dims{items, 1, columns});
    samples =
        samples * Term(n, broadcastTo(n.b, n.loc, mask, dimsOf(samples.v)));
  }
  Dim rows = *perGroup * Dim(area);
  mlir::Value weight =
      reshape(n.b, n.loc, wide(n, 1).v, Dims{1, groups, *out, rows});
  auto product = matrixProduct(
      n, weight,
      reshape(n.b, n.loc, samples.v, Dims{dims[0], groups, rows, points}));
  if (failed(product))
    return failure();
  Dims flat{dims[0], kernel[0], points};
  mlir::Value y = reshape(n.b, n.loc, *product, flat);
  if (n.has(3)) {
    if (n.dims(3) != Dims{kernel[0]})
      return n.fail("its bias is " + str(n.dims(3)));
    mlir::Value bias = reshape(n.b, n.loc, wide(n, 3).v, Dims{kernel[0], 1});
    y = AddOp::create(n.b, n.loc, y, broadcastTo(n.b, n.loc, bias, flat));
  }
  Dims result{dims[0], kernel[0]};
  result.append(to);
  return n.result(cast(n.b, n.loc, reshape(n.b, n.loc, y, result), n.type(0)));
}

} // namespace

void addColumnOps(OpTable &table) {
  table["Col2Im"] = col2Im;
  table["DeformConv"] = deformConv;
}

} // namespace mapsto::onnx
