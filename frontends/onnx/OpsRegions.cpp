//===- OpsRegions.cpp - Boxes of an image
//----------------------------------===//

#include "frontends/onnx/Ops.h"
#include "frontends/onnx/Sampling.h"

#include <cmath>

using namespace mlir;

namespace mapsto::onnx {
namespace {

//===----------------------------------------------------------------------===//
// RoiAlign (https://onnx.ai/onnx/operators/onnx__RoiAlign.html)
//===----------------------------------------------------------------------===//

/// How regions are divided along one axis: into bins, each with some samples.
struct Bins {
  int64_t count = 1, samples = 1;
};

/// The places of all samples along one axis of regions that begin and end at
/// `start` and `end`, [R, 1]: [R, bins * samples].
Term placesOf(Node &n, const Bins &bins, const Term &start, const Term &end,
              bool halfPixel) {
  Term length = end - start;
  if (!halfPixel)
    length = max(length, 1);
  Dims to{dimsOf(start.v)[0], bins.count * bins.samples};
  auto spread = [&](const Term &x) -> Term {
    return {n, broadcastTo(n.b, n.loc, x.v, to)};
  };
  Term step(
      n, IotaOp::create(n.b, n.loc, tensorOf(to, elementTypeOf(start.v)), 1));
  double steps = double(bins.count * bins.samples);
  return spread(start) + (step + 0.5) * spread(length / steps);
}

/// Up to one element beyond the border the border stands for what is outside;
/// from there on there are zeros.
SmallVector<Tap> tapsOf(const Term &place, const Dim &extent) {
  Term last = sizeAs(place, extent - Dim(1));
  Term beyond = (place < -1) | (place > last + 1);
  Term inside = max(min(place, last), 0);
  Term left = apply<FloorOp>(inside), after = inside - left;
  return {{select(beyond, -1, left), 1 - after, true},
          {select(beyond, -1, min(left + 1, last)), after, true}};
}

/// The region's image, and within it every combination of the samples' rows
/// and columns.
LogicalResult roiAlign(Node &n) {
  if (failed(needFloats(n, 0)) || failed(needFloats(n, 1)))
    return failure();
  Dims dims = n.dims(0), rois = n.dims(1);
  if (dims.size() != 4 || rois.size() != 2 || rois[1] != Dim(4) ||
      !n.equal(n.dims(2), {rois[0]}))
    return n.fail("x is " + str(dims) + ", its regions " + str(rois) +
                  " of images " + str(n.dims(2)));
  std::string mode = n.attrString("mode", "avg");
  std::string coordinates =
      n.attrString("coordinate_transformation_mode",
                   n.opset() < 16 ? "output_half_pixel" : "half_pixel");
  double scale = n.attrFloat("spatial_scale", 1);
  int64_t samples = n.attr("sampling_ratio", 0);
  Bins bins[2] = {{n.attr("output_height", 1), samples},
                  {n.attr("output_width", 1), samples}};
  if ((mode != "avg" && mode != "max") ||
      (coordinates != "half_pixel" && coordinates != "output_half_pixel"))
    return n.fail("mode `" + mode + "` with coordinates `" + coordinates +
                  "` is not known");
  if (samples <= 0)
    return n.fail("its number of samples depends on the regions' sizes",
                  "export it with a `sampling_ratio` above 0");
  if (bins[0].count < 1 || bins[1].count < 1 ||
      std::max(bins[0].count, bins[1].count) > (1 << 20) ||
      bins[0].count * bins[1].count > (1 << 20) || samples > 1024)
    return n.fail("it has no size that a tensor can have");

  bool halfPixel = coordinates == "half_pixel";
  Term corners = wide(n, 1) * scale - (halfPixel ? 0.5 : 0.0);
  auto corner = [&](int64_t i) -> Term {
    return {n, slice(n.b, n.loc, corners.v, 1, i, 1)};
  };
  Dim height = bins[0].count * samples, width = bins[1].count * samples;
  Dims all{rois[0], height, width}, flat{rois[0], height * width};
  SmallVector<SmallVector<Tap>> axes;
  for (int64_t axis : {0, 1}) {
    Term places =
        placesOf(n, bins[axis], corner(1 - axis), corner(3 - axis), halfPixel);
    Dims along{rois[0], 1, 1};
    along[size_t(1 + axis)] = axis == 0 ? height : width;
    mlir::Value each = reshape(n.b, n.loc, places.v, along);
    each = reshape(n.b, n.loc, broadcastTo(n.b, n.loc, each, all), flat);
    axes.push_back(tapsOf({n, each}, dims[size_t(2 + axis)]));
  }
  Term images(n, TakeOp::create(n.b, n.loc, wide(n, 0).v, n.in(2), 0));
  bool average = mode == "avg";
  Term y = sampled(n, images, axes, [&](Term a, Term b) {
    return average ? a + b : max(a, b); // of weighted elements, as ONNX has it
  });
  mlir::Value apart = reshape(
      n.b, n.loc, y.v,
      Dims{rois[0], dims[1], bins[0].count, samples, bins[1].count, samples});
  Term result(n, mapsto::reduce(n.b, n.loc,
                                average ? ReduceKind::sum : ReduceKind::max,
                                apart, {3, 5}));
  if (average)
    result = result / double(samples * samples);
  return n.result(cast(n.b, n.loc, result.v, n.type(0)));
}

//===----------------------------------------------------------------------===//
// NonMaxSuppression (https://onnx.ai/onnx/operators/
// onnx__NonMaxSuppression.html): how many boxes are left depends on their
// places, so that these must be known
//===----------------------------------------------------------------------===//

struct Box {
  double low[2], high[2];

  double area() const {
    return std::max(high[0] - low[0], 0.0) * std::max(high[1] - low[1], 0.0);
  }
};

/// Of two opposite corners, or of a middle and a size.
Box boxOf(ArrayRef<double> numbers, bool ofMiddle) {
  Box box;
  for (size_t i : {0, 1}) {
    double a = numbers[i], b = numbers[i + 2];
    box.low[i] = ofMiddle ? a - b / 2 : std::min(a, b);
    box.high[i] = ofMiddle ? a + b / 2 : std::max(a, b);
  }
  return box;
}

/// The share of two boxes' union that both of them cover.
double overlap(const Box &a, const Box &b) {
  Box common;
  for (size_t i : {0, 1}) {
    common.low[i] = std::max(a.low[i], b.low[i]);
    common.high[i] = std::min(a.high[i], b.high[i]);
  }
  double both = common.area(), either = a.area() + b.area() - both;
  return both > 0 && either > 0 ? both / either : 0;
}

/// From the highest score on, boxes that overlap no box chosen before them.
SmallVector<int64_t> choose(ArrayRef<Box> boxes, ArrayRef<double> scores,
                            int64_t most, double overlapMost,
                            std::optional<double> scoreAbove) {
  SmallVector<int64_t> order, chosen;
  for (size_t i = 0; i < boxes.size(); ++i)
    if (!scoreAbove || scores[i] > *scoreAbove)
      order.push_back(int64_t(i));
  llvm::sort(order, [&](int64_t a, int64_t b) {
    return std::pair(scores[size_t(b)], a) < std::pair(scores[size_t(a)], b);
  });
  for (int64_t next : order) {
    if (int64_t(chosen.size()) >= most)
      break;
    auto covers = [&](int64_t other) {
      return overlap(boxes[size_t(next)], boxes[size_t(other)]) > overlapMost;
    };
    if (llvm::none_of(chosen, covers))
      chosen.push_back(next);
  }
  return chosen;
}

LogicalResult nonMaxSuppression(Node &n) {
  Dims dims = n.dims(0), scored = n.dims(1);
  FailureOr<SmallVector<double>> boxes = n.floats(0), scores = n.floats(1);
  if (failed(boxes) || failed(scores))
    return failure();
  if (dims.size() != 3 || dims[2] != Dim(4) ||
      scored != Dims{dims[0], scored[1], dims[1]})
    return n.fail("its boxes are " + str(dims) + ", their scores " +
                  str(scored));
  auto limit = [&](size_t i) -> FailureOr<std::optional<double>> {
    if (!n.has(i))
      return std::optional<double>();
    FailureOr<SmallVector<double>> number = n.floats(i);
    if (failed(number))
      return failure();
    return number->empty() ? std::nullopt : std::optional(number->front());
  };
  auto most = limit(2), overlapMost = limit(3), scoreAbove = limit(4);
  if (failed(most) || failed(overlapMost) || failed(scoreAbove))
    return failure();
  bool ofMiddle = n.attr("center_point_box", 0) != 0;
  int64_t batches = *dims[0].constant(), classes = *scored[1].constant();
  size_t count = size_t(*dims[1].constant());
  Known result{{0, 3}, {}, {}};
  for (int64_t batch = 0; batch < batches; ++batch) {
    SmallVector<Box> these;
    for (size_t i = 0; i < count; ++i)
      these.push_back(
          boxOf(ArrayRef(*boxes).slice((size_t(batch) * count + i) * 4, 4),
                ofMiddle));
    for (int64_t kind = 0; kind < classes; ++kind) {
      auto row = ArrayRef(*scores).slice(size_t(batch * classes + kind) * count,
                                         count);
      for (int64_t box : choose(these, row, int64_t(most->value_or(0)),
                                overlapMost->value_or(0), *scoreAbove)) {
        result.elements.append({Dim(batch), Dim(kind), Dim(box)});
        ++result.shape[0];
      }
    }
  }
  return n.result(std::move(result), n.b.getI64Type());
}

} // namespace

void addRegionOps(OpTable &table) {
  table["NonMaxSuppression"] = nonMaxSuppression;
  table["RoiAlign"] = roiAlign;
}

} // namespace mapsto::onnx
