//===- OpsResize.cpp - Tensors sampled at other sizes ---------------------===//
//
// Each axis is sampled for itself: an output element is a weighted sum of a few
// elements of that axis. Where they are and what they weigh follows from sizes
// alone, so both are tables. The formulas are those of ONNX's text on Resize
// (https://onnx.ai/onnx/operators/onnx__Resize.html).
//
//===----------------------------------------------------------------------===//

#include "frontends/onnx/Ops.h"

#include <cmath>

using namespace mlir;

namespace mapsto::onnx {
namespace {

/// What all axes have in common.
struct Sampling {
  std::string mode, coordinates, nearest;
  double cubic = -0.75, extrapolation = 0;
  bool antialias = false, excludeOutside = false;
};

struct AxisSizes {
  int64_t from = 0, to = 0;
  double scale = 1, start = 0, end = 1; ///< the region of tf_crop_and_resize
};

/// The samples of one output element.
struct Taps {
  int64_t first = 0; ///< may be outside: the nearest element stands there
  SmallVector<double> weights;
  bool outside = false; ///< of the region: the extrapolation value
};

double coordinateOf(const Sampling &s, const AxisSizes &axis, int64_t to) {
  double x = double(to), from = double(axis.from), length = axis.scale * from;
  if (s.coordinates == "align_corners")
    return length == 1 ? 0 : x * (from - 1) / (length - 1);
  if (s.coordinates == "asymmetric")
    return x / axis.scale;
  if (s.coordinates == "tf_crop_and_resize") {
    double width = (axis.end - axis.start) * (from - 1);
    return axis.start * (from - 1) +
           (length == 1 ? width / 2 : x * width / (length - 1));
  }
  if (s.coordinates == "tf_half_pixel_for_nn") // until opset 12
    return (x + 0.5) / axis.scale;
  double middle = (x + 0.5) / axis.scale - 0.5;
  if (s.coordinates == "pytorch_half_pixel")
    return length == 1 ? -0.5 : middle;
  if (s.coordinates == "half_pixel_symmetric")
    return from / 2 * (1 - double(axis.to) / length) + middle;
  return middle;
}

/// Keys's cubic convolution, by the distance from the sample.
double cubicWeight(double x, double a) {
  x = std::abs(x);
  if (x <= 1)
    return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

Taps tapsOf(const Sampling &s, const AxisSizes &axis, int64_t to) {
  Taps taps;
  double at = coordinateOf(s, axis, to);
  taps.outside = s.coordinates == "tf_crop_and_resize" &&
                 (at < 0 || at > double(axis.from - 1));
  // An element that is hit exactly is the right one of its pair.
  int64_t left = int64_t(std::ceil(at)) - 1;
  double ratio = at - double(left);
  if (s.mode == "nearest") {
    bool right = ratio == 1 || s.nearest == "ceil" ||
                 (s.nearest == "round_prefer_floor" && ratio > 0.5) ||
                 (s.nearest == "round_prefer_ceil" && ratio >= 0.5);
    taps.first = left + right;
    taps.weights = {1};
    return taps;
  }
  bool cubic = s.mode == "cubic";
  double shrink = s.antialias ? std::min(axis.scale, 1.0) : 1;
  int64_t start = int64_t(std::floor((cubic ? -2 : -1) / shrink)) + 1;
  double total = 0;
  for (int64_t k = start; k < 2 - start; ++k) {
    double distance = (double(k) - ratio) * shrink;
    double weight = cubic ? cubicWeight(distance, s.cubic)
                          : std::max(1 - std::abs(distance), 0.0);
    bool isThere = left + k >= 0 && left + k < axis.from;
    taps.weights.push_back(s.excludeOutside && !isThere ? 0 : weight);
    total += taps.weights.back();
  }
  for (double &weight : taps.weights)
    weight /= total;
  taps.first = left + start;
  return taps;
}

mlir::Value resizeAxis(Node &n, mlir::Value x, int64_t at,
                       const Sampling &sampling, const AxisSizes &axis) {
  std::vector<Taps> taps;
  for (int64_t i = 0; i < axis.to; ++i)
    taps.push_back(tapsOf(sampling, axis, i));
  Dims dims = dimsOf(x), along(dims.size(), Dim(1));
  dims[size_t(at)] = along[size_t(at)] = Dim(axis.to);
  Type element = elementTypeOf(x);
  auto table = [&](Type type, auto values) {
    return ConstantOp::create(
        n.b, n.loc,
        DenseElementsAttr::get(RankedTensorType::get({axis.to}, type),
                               ArrayRef(values)));
  };
  auto alongAxis = [&](mlir::Value list) {
    return broadcastTo(n.b, n.loc, reshape(n.b, n.loc, list, along), dims);
  };
  auto weights = [&](auto weightOf) {
    SmallVector<APFloat> values;
    for (const Taps &t : taps) {
      APFloat value(weightOf(t));
      bool exact;
      value.convert(cast<FloatType>(element).getFloatSemantics(),
                    APFloat::rmNearestTiesToEven, &exact);
      values.push_back(value);
    }
    return alongAxis(table(element, values));
  };
  mlir::Value sum;
  for (size_t k = 0; k < (taps.empty() ? 0 : taps[0].weights.size()); ++k) {
    SmallVector<int64_t> places;
    for (const Taps &t : taps)
      places.push_back(
          std::clamp<int64_t>(t.first + int64_t(k), 0, axis.from - 1));
    mlir::Value sample =
        TakeOp::create(n.b, n.loc, x, table(n.b.getI64Type(), places), at);
    if (taps[0].weights.size() > 1)
      sample =
          MulOp::create(n.b, n.loc, sample,
                        weights([&](const Taps &t) { return t.weights[k]; }));
    sum = sum ? mlir::Value(AddOp::create(n.b, n.loc, sum, sample)) : sample;
  }
  if (llvm::none_of(taps, [](const Taps &t) { return t.outside; }))
    return sum;
  SmallVector<bool> outside;
  for (const Taps &t : taps)
    outside.push_back(t.outside);
  return SelectOp::create(
      n.b, n.loc, alongAxis(table(n.b.getI1Type(), outside)),
      splat(n.b, n.loc, sampling.extrapolation, sum.getType()), sum);
}

/// Which inputs hold the scales and the sizes; -1: none.
struct Given {
  int scales = -1, sizes = -1, region = -1;
};

/// Sizes and scales of the axes that `axes` names.
LogicalResult readSizes(Node &n, const Given &given, ArrayRef<int64_t> axes,
                        MutableArrayRef<AxisSizes> all) {
  SmallVector<double> scales, region;
  SmallVector<int64_t> sizes;
  auto has = [&](int i) {
    return i >= 0 && n.has(size_t(i)) &&
           numElements(n.dims(size_t(i))) != Dim(0);
  };
  if (has(given.sizes)) {
    FailureOr<SmallVector<int64_t>> read = n.ints(size_t(given.sizes));
    if (failed(read))
      return failure();
    sizes = *read;
  } else if (has(given.scales)) {
    FailureOr<SmallVector<double>> read = n.floats(size_t(given.scales));
    if (failed(read))
      return failure();
    scales = *read;
  } else {
    scales = n.attrFloats("scales");
  }
  if (std::max(sizes.size(), scales.size()) != axes.size())
    return n.fail("it needs one size or scale for each of " +
                  Twine(axes.size()) + " axes");
  if (has(given.region)) {
    FailureOr<SmallVector<double>> read = n.floats(size_t(given.region));
    if (failed(read))
      return failure();
    region = *read;
  }
  std::string policy = n.attrString("keep_aspect_ratio_policy", "stretch");
  double common = 0;
  for (auto [i, axis] : llvm::enumerate(axes)) {
    AxisSizes &one = all[size_t(axis)];
    if (scales.empty()) {
      one.to = sizes[i];
      one.scale = double(one.to) / double(one.from);
      bool larger =
          common == 0 || (policy == "not_smaller") == (one.scale > common);
      common = larger ? one.scale : common;
    } else {
      one.scale = scales[i];
      one.to = int64_t(std::floor(double(one.from) * one.scale));
    }
    if (!(one.scale >= 0) || one.to < 0 || one.to > (int64_t(1) << 24))
      return n.fail("it has no size that a tensor can have");
    if (region.size() == 2 * axes.size()) {
      one.start = region[i];
      one.end = region[i + axes.size()];
    }
  }
  if (scales.empty() && policy != "stretch")
    for (int64_t axis : axes) {
      AxisSizes &one = all[size_t(axis)];
      one.scale = common;
      one.to = int64_t(std::floor(common * double(one.from) + 0.5));
    }
  return success();
}

LogicalResult sample(Node &n, const Sampling &sampling, const Given &given) {
  mlir::Value x = n.in(0);
  Dims dims = n.dims(0);
  if (!isa<FloatType>(n.type(0)) && sampling.mode != "nearest")
    return n.fail("whole numbers are sampled by mode nearest alone");
  SmallVector<int64_t> everyAxis;
  for (size_t i = 0; i < dims.size(); ++i)
    everyAxis.push_back(int64_t(i));
  FailureOr<SmallVector<int64_t>> axes =
      n.axes(n.attrInts("axes", everyAxis), int64_t(dims.size()));
  if (failed(axes))
    return failure();
  SmallVector<AxisSizes> all(dims.size());
  for (int64_t axis : *axes) {
    std::optional<int64_t> size = dims[size_t(axis)].constant();
    if (!size)
      return n.fail("axis " + Twine(axis) + " is of size " +
                        dims[size_t(axis)].str() + ", which must be a number",
                    "fix it with --dim");
    all[size_t(axis)].from = all[size_t(axis)].to = *size;
  }
  if (failed(readSizes(n, given, *axes, all)))
    return failure();
  for (int64_t axis : *axes) {
    const AxisSizes &sizes = all[size_t(axis)];
    bool crops = sampling.coordinates == "tf_crop_and_resize" &&
                 (sizes.start != 0 || sizes.end != 1);
    if (sizes.from == 0 && sizes.to != 0)
      return n.fail("axis " + Twine(axis) + " has nothing to sample");
    if (sizes.from != sizes.to || sizes.scale != 1 || crops)
      x = resizeAxis(n, x, axis, sampling, sizes);
  }
  return n.result(x, n.type(0));
}

LogicalResult resize(Node &n) {
  Sampling s;
  s.mode = n.attrString("mode", "nearest");
  if (n.opset() < 11) {
    s.coordinates = "asymmetric";
    s.nearest = "floor";
    return sample(n, s, {1, -1, -1});
  }
  s.coordinates = n.attrString("coordinate_transformation_mode", "half_pixel");
  s.nearest = n.attrString("nearest_mode", "round_prefer_floor");
  s.cubic = n.attrFloat("cubic_coeff_a", -0.75);
  s.extrapolation = n.attrFloat("extrapolation_value", 0);
  s.antialias = n.attr("antialias", 0) != 0;
  s.excludeOutside = n.attr("exclude_outside", 0) != 0;
  auto isOneOf = [&](const std::string &value,
                     std::initializer_list<StringRef> known) {
    return llvm::is_contained(known, value) ||
           succeeded(
               n.fail("`" + value + "` is no way to resize that is supported"));
  };
  if (!isOneOf(s.mode, {"nearest", "linear", "cubic"}) ||
      !isOneOf(s.nearest,
               {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"}) ||
      !isOneOf(s.coordinates,
               {"half_pixel", "half_pixel_symmetric", "pytorch_half_pixel",
                "align_corners", "asymmetric", "tf_half_pixel_for_nn",
                "tf_crop_and_resize"}))
    return failure();
  return sample(n, s, {2, 3, 1});
}

/// What Resize was until opset 9.
LogicalResult upsample(Node &n) {
  Sampling s;
  s.mode = n.attrString("mode", "nearest");
  s.coordinates = "asymmetric";
  s.nearest = "floor";
  return sample(n, s, {1, -1, -1});
}

} // namespace

void addResizeOps(OpTable &table) {
  table["Resize"] = resize;
  table["Upsample"] = upsample;
}

} // namespace mapsto::onnx
