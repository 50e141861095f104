//===- OpsMovement.cpp - Elements taken, repeated and laid out anew -------===//

#include "frontends/onnx/Folding.h"
#include "frontends/onnx/Ops.h"

#include "llvm/ADT/Sequence.h"

using namespace mlir;

namespace mapsto::onnx {
namespace {

//===----------------------------------------------------------------------===//
// Slice, Split
//===----------------------------------------------------------------------===//

/// What a slice takes along one axis: `size` elements from `start` on, every
/// `step`-th, in reverse order where `flipped`.
struct Run {
  Dim start, size;
  int64_t step = 1;
  bool flipped = false;
};

/// From here on a bound means "as far as there is" for a symbolic size.
constexpr int64_t kBoundless = std::numeric_limits<int32_t>::max();

/// A bound of a slice, from the end where negative, held within [low, high].
/// Where sizes are symbols a bound counts as inside, which the run checks.
Dim clampBound(const Dim &at, const Dim &extent, const Dim &low,
               const Dim &high) {
  std::optional<int64_t> number = at.constant();
  if (number && *number <= -kBoundless)
    return low;
  if (number && *number >= kBoundless)
    return high;
  bool fromEnd =
      llvm::all_of(at.getTerms(),
                   [](const auto &term) { return term.second < 0; }) &&
      at != Dim(0);
  Dim place = fromEnd ? at + extent : at;
  if (auto under = (place - low).constant(); under && *under < 0)
    return low;
  if (auto over = (place - high).constant())
    return *over > 0 ? high : place;
  // x[:n] of a symbolic size is shorter where there are fewer.
  return number && *number > 1 && high == extent ? Dim::min(place, high)
                                                 : place;
}

Dim notNegative(const Dim &size) {
  return size.constant().value_or(0) < 0 ? Dim(0) : size;
}

Run runOf(const Dim &extent, const Dim &start, const Dim &end, int64_t step) {
  Run run;
  if (step > 0) {
    Dim first = clampBound(start, extent, 0, extent);
    // The first element is optimistic: only the end makes a slice shorter.
    if (start.isConstant() && !extent.isConstant() && *start.constant() >= 0)
      first = *start.constant() >= kBoundless ? extent : start;
    Dim last = clampBound(end, extent, 0, extent);
    run.start = first;
    run.size = notNegative(Dim::ceilDiv(last - first, Dim(step)));
    run.step = step;
  } else {
    Dim first = clampBound(start, extent, 0, extent - Dim(1));
    Dim last = end.constant().value_or(0) <= -kBoundless
                   ? Dim(-1)
                   : clampBound(end, extent, -1, extent - Dim(1));
    // -step of the least number is not one.
    run.step =
        step == std::numeric_limits<int64_t>::min() ? -(step + 1) : -step;
    run.size = notNegative(Dim::ceilDiv(first - last, Dim(run.step)));
    run.start = first - (run.size - Dim(1)) * Dim(run.step);
    run.flipped = true;
  }
  if (run.size == Dim(0) || run.size == Dim(1))
    run.step = 1;
  if (run.size == Dim(0))
    run.start = Dim(0);
  return run;
}

FailureOr<mlir::Value> takeRuns(Node &n, mlir::Value x, ArrayRef<Run> runs) {
  Dims starts, sizes, from = dimsOf(x);
  SmallVector<int64_t> steps, flipped;
  for (auto [axis, run] : llvm::enumerate(runs)) {
    Dim end = run.start + (run.size - Dim(1)) * Dim(run.step) + Dim(1);
    bool outside = (end - from[axis]).constant().value_or(0) > 0 ||
                   run.start.constant().value_or(0) < 0;
    if (outside && run.size != Dim(0))
      return n.fail("axis " + Twine(axis) + " of " + str(from) +
                    " is read from " + run.start.str() + " to " + end.str());
    starts.push_back(run.start);
    sizes.push_back(run.size);
    steps.push_back(run.step);
    if (run.flipped && run.size != Dim(1))
      flipped.push_back(int64_t(axis));
  }
  mlir::Value box = mapsto::slice(n.b, n.loc, x, starts, sizes, steps);
  return flipped.empty() ? box : FlipOp::create(n.b, n.loc, box, flipped);
}

std::optional<Known> pickRuns(const Known *x, ArrayRef<Run> runs) {
  Dims dims;
  for (const Run &run : runs)
    dims.push_back(run.size);
  return rearrange(x, dims, [&](ArrayRef<int64_t> position) {
    SmallVector<int64_t> from;
    for (auto [at, run] : llvm::zip_equal(position, runs)) {
      int64_t place = run.flipped ? *run.size.constant() - 1 - at : at;
      from.push_back(*run.start.constant() + place * run.step);
    }
    return from;
  });
}

/// All of every axis.
SmallVector<Run> wholeRuns(ArrayRef<Dim> dims) {
  SmallVector<Run> runs;
  for (const Dim &dim : dims)
    runs.push_back({0, dim});
  return runs;
}

LogicalResult slice(Node &n) {
  Dims dims = n.dims(0);
  SmallVector<Dim> starts, ends;
  SmallVector<int64_t> axes, steps;
  if (n.opset() < 10) {
    auto numbers = [&](StringRef name) {
      return llvm::map_to_vector(n.attrInts(name),
                                 [](int64_t at) { return Dim(at); });
    };
    starts = numbers("starts");
    ends = numbers("ends");
    axes = n.attrInts("axes");
  } else {
    FailureOr<SmallVector<Dim>> first = n.sizes(1), last = n.sizes(2);
    if (failed(first) || failed(last))
      return failure();
    starts = *first;
    ends = *last;
    for (auto [list, input] : {std::pair(&axes, 3), std::pair(&steps, 4)}) {
      if (!n.has(size_t(input)))
        continue;
      FailureOr<SmallVector<int64_t>> given = n.ints(size_t(input));
      if (failed(given))
        return failure();
      *list = *given;
    }
  }
  if (axes.empty())
    axes = llvm::to_vector(llvm::seq<int64_t>(0, int64_t(starts.size())));
  if (steps.empty())
    steps.assign(axes.size(), 1);
  if (starts.size() != axes.size() || ends.size() != axes.size() ||
      steps.size() != axes.size())
    return n.fail("its starts, ends, axes and steps are of different numbers");
  FailureOr<SmallVector<int64_t>> where = n.axes(axes, int64_t(dims.size()));
  if (failed(where))
    return failure();
  SmallVector<Run> runs = wholeRuns(dims);
  for (auto [i, axis] : llvm::enumerate(*where)) {
    if (steps[i] == 0)
      return n.fail("a step is 0");
    runs[size_t(axis)] =
        runOf(dims[size_t(axis)], starts[i], ends[i], steps[i]);
  }
  return n.resultOr(pickRuns(n.known(0), runs), n.type(0),
                    [&] { return takeRuns(n, n.in(0), runs); });
}

LogicalResult split(Node &n) {
  Dims dims = n.dims(0);
  FailureOr<int64_t> axis = n.axis(n.attr("axis", 0), int64_t(dims.size()));
  if (failed(axis))
    return failure();
  Dim extent = dims[size_t(*axis)];
  SmallVector<Dim> sizes;
  if (n.opset() < 13) {
    for (int64_t size : n.attrInts("split"))
      sizes.push_back(Dim(size));
  } else if (n.has(1)) {
    FailureOr<SmallVector<Dim>> given = n.sizes(1);
    if (failed(given))
      return failure();
    sizes = *given;
  }
  int64_t parts = n.attr("num_outputs", int64_t(n.numOutputs()));
  if (sizes.empty()) {
    if (parts != int64_t(n.numOutputs()))
      return n.fail("`num_outputs` is " + Twine(parts) + " of " +
                    Twine(n.numOutputs()) + " outputs");
    auto exact = Dim::exactDiv(extent, Dim(parts));
    Dim part = exact ? *exact : Dim::ceilDiv(extent, Dim(parts));
    sizes.assign(size_t(parts), part);
    if (parts)
      sizes.back() = extent - part * Dim(parts - 1);
  }
  Dim sum;
  for (const Dim &size : sizes) {
    sum += size;
    if (size.constant().value_or(0) < 0)
      return n.fail("a part has size " + size.str());
  }
  if (sizes.size() != n.numOutputs() ||
      (sum - extent).constant().value_or(0) != 0)
    return n.fail("parts " + str(sizes) + " do not make up axis " +
                  Twine(*axis) + " of " + str(dims));
  Dim start;
  for (auto [i, size] : llvm::enumerate(sizes)) {
    SmallVector<Run> runs = wholeRuns(dims);
    runs[size_t(*axis)] = {start, size};
    start += size;
    if (n.wants(i) &&
        failed(n.giveOr(i, pickRuns(n.known(0), runs), n.type(0),
                        [&] { return takeRuns(n, n.in(0), runs); })))
      return failure();
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Elements repeated
//===----------------------------------------------------------------------===//

LogicalResult expand(Node &n) {
  FailureOr<SmallVector<Dim>> shape = n.sizes(1);
  if (failed(shape))
    return failure();
  Dims from = n.dims(0);
  FailureOr<Dims> dims = broadcastDims(from, *shape);
  if (failed(dims))
    return n.fail(str(from) + " does not broadcast to " + str(*shape),
                  "sizes of other names that are always equal: fix one with "
                  "--dim NAME=SIZE");
  const Known *x = n.known(0);
  auto folded = rearrange(x, *dims, [&](ArrayRef<int64_t> position) {
    SmallVector<int64_t> place(position.take_back(from.size()));
    for (auto [at, size] : llvm::zip_equal(place, x->shape))
      at = size == 1 ? 0 : at;
    return place;
  });
  return n.resultOr(std::move(folded), n.type(0), [&] {
    return FailureOr<mlir::Value>(broadcastTo(n.b, n.loc, n.in(0), *dims));
  });
}

LogicalResult tile(Node &n) {
  FailureOr<SmallVector<Dim>> repeats = n.sizes(1);
  if (failed(repeats))
    return failure();
  Dims from = n.dims(0), dims, apart, repeated;
  if (repeats->size() != from.size())
    return n.fail("its repeats are not one for each axis of " + str(from));
  for (auto [dim, times] : llvm::zip_equal(from, *repeats)) {
    if (times.constant().value_or(0) < 0)
      return n.fail("an axis is repeated " + times.str() + " times");
    dims.push_back(dim * times);
    apart.append({Dim(1), dim});
    repeated.append({times, dim});
  }
  const Known *x = n.known(0);
  auto folded = rearrange(x, dims, [&](ArrayRef<int64_t> position) {
    SmallVector<int64_t> place(position);
    for (auto [at, size] : llvm::zip_equal(place, x->shape))
      at %= size;
    return place;
  });
  return n.resultOr(std::move(folded), n.type(0), [&] {
    mlir::Value x = mapsto::reshape(n.b, n.loc, n.in(0), apart);
    x = broadcastTo(n.b, n.loc, x, repeated);
    return FailureOr<mlir::Value>(mapsto::reshape(n.b, n.loc, x, dims));
  });
}

LogicalResult constantOfShape(Node &n) {
  FailureOr<SmallVector<Dim>> dims = n.sizes(0);
  if (failed(dims))
    return failure();
  for (const Dim &dim : *dims)
    if (dim.constant().value_or(0) < 0)
      return n.fail("its shape is " + str(*dims));
  Value element;
  if (const AttributeProto *a = n.attribute("value")) {
    if (failed(n.importer.readData(n.proto, a->t(), element)))
      return failure();
    if (!element || element.data->numElements() != 1)
      return n.fail("`value` is not one element of a supported type");
    element.data->shape.clear();
  } else {
    TensorProto zero;
    zero.set_data_type(TensorProto::FLOAT);
    zero.add_float_data(0);
    if (failed(n.importer.readData(n.proto, zero, element)))
      return failure();
  }
  auto folded =
      rearrange(n.importer.knownOf(element), *dims,
                [](ArrayRef<int64_t>) { return SmallVector<int64_t>(); });
  return n.resultOr(std::move(folded), element.type, [&] {
    return FailureOr<mlir::Value>(
        broadcastTo(n.b, n.loc, n.importer.materialise(element), *dims));
  });
}

//===----------------------------------------------------------------------===//
// Elements laid out anew
//===----------------------------------------------------------------------===//

LogicalResult flatten(Node &n) {
  Dims from = n.dims(0);
  int64_t rank = int64_t(from.size()), axis = n.attr("axis", 1);
  if (axis < -rank || axis > rank)
    return n.fail("axis " + Twine(axis) + " is outside a tensor of rank " +
                  Twine(rank));
  size_t first = size_t(axis < 0 ? axis + rank : axis);
  ArrayRef<Dim> all = from;
  return n.result(mapsto::reshape(n.b, n.loc, n.in(0),
                                  Dims{numElements(all.take_front(first)),
                                       numElements(all.drop_front(first))}),
                  n.type(0));
}

/// Blocks of channels become blocks of places, or the other way round: the
/// tensor as `apart`, its axes reordered, as `dims`.
LogicalResult relayout(Node &n, ArrayRef<Dim> apart,
                       ArrayRef<int64_t> permutation, ArrayRef<Dim> dims) {
  mlir::Value x = mapsto::reshape(n.b, n.loc, n.in(0), apart);
  x = mapsto::transpose(n.b, n.loc, x, permutation);
  return n.result(mapsto::reshape(n.b, n.loc, x, dims), n.type(0));
}

/// Its square is a number, too.
constexpr int64_t kMostBlock = std::numeric_limits<int32_t>::max();

LogicalResult depthToSpace(Node &n) {
  Dims x = n.dims(0);
  int64_t block = n.attr("blocksize", 0);
  std::string mode = n.attrString("mode", "DCR");
  if (x.size() != 4 || block < 1 || block > kMostBlock)
    return n.fail("it needs a tensor of rank 4 and a `blocksize`");
  Dim size(block);
  std::optional<Dim> depth = Dim::exactDiv(x[1], size * size);
  if (!depth)
    return n.fail(x[1].str() + " channels are not blocks of " +
                  Twine(block * block));
  Dims dims{x[0], *depth, x[2] * size, x[3] * size};
  if (mode == "DCR")
    return relayout(n, Dims{x[0], size, size, *depth, x[2], x[3]},
                    {0, 3, 4, 1, 5, 2}, dims);
  if (mode == "CRD")
    return relayout(n, Dims{x[0], *depth, size, size, x[2], x[3]},
                    {0, 1, 4, 2, 5, 3}, dims);
  return n.fail("mode `" + mode + "` is neither DCR nor CRD");
}

LogicalResult spaceToDepth(Node &n) {
  Dims x = n.dims(0);
  int64_t block = n.attr("blocksize", 0);
  if (x.size() != 4 || block < 1 || block > kMostBlock)
    return n.fail("it needs a tensor of rank 4 and a `blocksize`");
  Dim size(block);
  auto height = Dim::exactDiv(x[2], size), width = Dim::exactDiv(x[3], size);
  if (!height || !width)
    return n.fail(str(x) + " is not made of blocks of " + Twine(block));
  return relayout(n, Dims{x[0], x[1], *height, size, *width, size},
                  {0, 3, 5, 1, 2, 4},
                  Dims{x[0], x[1] * size * size, *height, *width});
}

//===----------------------------------------------------------------------===//
// Diagonals
//===----------------------------------------------------------------------===//

/// Column minus row, over the last two axes of `dims`.
mlir::Value diagonals(Node &n, ArrayRef<Dim> dims) {
  RankedTensorType type = mapsto::tensorOf(dims.take_back(2), n.b.getI64Type());
  return SubOp::create(n.b, n.loc, IotaOp::create(n.b, n.loc, type, 1),
                       IotaOp::create(n.b, n.loc, type, 0));
}

LogicalResult trilu(Node &n) {
  mlir::Value x = n.in(0);
  Dims dims = dimsOf(x);
  if (dims.size() < 2)
    return n.fail("it needs a matrix, x is " + str(dims));
  mlir::Value diagonal = diagonals(n, dims);
  mlir::Value k = n.has(1) ? mapsto::reshape(n.b, n.loc, n.in(1), {})
                           : scalar(n.b, n.loc, 0, n.b.getI64Type());
  mlir::Value kept = CompareOp::create(
      n.b, n.loc,
      n.attr("upper", 1) ? ComparePredicate::ge : ComparePredicate::le,
      diagonal, broadcastTo(n.b, n.loc, k, dimsOf(diagonal)));
  return n.result(SelectOp::create(n.b, n.loc,
                                   broadcastTo(n.b, n.loc, kept, dims), x,
                                   splat(n.b, n.loc, 0, x.getType())),
                  n.type(0));
}

LogicalResult eyeLike(Node &n) {
  Dims dims = n.dims(0);
  if (dims.size() != 2)
    return n.fail("it needs a matrix, x is " + str(dims));
  Type type = n.type(0);
  if (n.hasAttribute("dtype"))
    type = typeOf(n.b.getContext(), int32_t(n.attr("dtype", 0)));
  if (!type)
    return n.fail("its `dtype` is not supported");
  mlir::Value diagonal = diagonals(n, dims);
  mlir::Value one = CompareOp::create(
      n.b, n.loc, ComparePredicate::eq, diagonal,
      splat(n.b, n.loc, double(n.attr("k", 0)), diagonal.getType()));
  return n.result(cast(n.b, n.loc, one, carrierOf(type)), type);
}

} // namespace

void addMovementOps(OpTable &table) {
  table["ConstantOfShape"] = constantOfShape;
  table["DepthToSpace"] = depthToSpace;
  table["Expand"] = expand;
  table["EyeLike"] = eyeLike;
  table["Flatten"] = flatten;
  table["Slice"] = slice;
  table["SpaceToDepth"] = spaceToDepth;
  table["Split"] = split;
  table["Tile"] = tile;
  table["Trilu"] = trilu;
}

} // namespace mapsto::onnx
