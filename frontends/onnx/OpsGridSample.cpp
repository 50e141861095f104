//===- OpsGridSample.cpp - GridSample and AffineGrid
//-----------------------===//
//
// A grid has a place for every element of the result, as coordinates from -1
// to 1 over each axis of space, the last axis first. The formulas are those of
// ONNX's text and reference on GridSample
// (https://onnx.ai/onnx/operators/onnx__GridSample.html).
//
//===----------------------------------------------------------------------===//

#include "frontends/onnx/Ops.h"
#include "frontends/onnx/Sampling.h"

using namespace mlir;

namespace mapsto::onnx {
namespace {

struct Grid {
  std::string mode, padding;
  bool corners = false; ///< -1 and 1 are the middles of the outer elements
  int64_t rank = 2;
};

/// One axis as the grid sees it; all are like the coordinates.
struct Axis {
  Term size, low, high; ///< where the first element begins, the last one ends
};

Axis axisOf(const Grid &grid, const Term &like, const Dim &extent) {
  Term size = sizeAs(like, extent);
  if (grid.corners)
    return {size, like(0), size - 1};
  return {size, like(-0.5), size - 0.5};
}

/// A place mirrored at both ends until it is between them.
Term reflected(const Axis &axis, const Term &x) {
  Term range = axis.high - axis.low, away = abs(x - axis.low);
  Term turns = apply<FloorOp>(away / range), rest = away - turns * range;
  Term odd = turns - 2 * apply<FloorOp>(turns / 2) != 0;
  Term inside = select(odd, axis.high - rest, axis.low + rest);
  return select(range > 0, inside, axis.low); // an axis of one element
}

/// Where the elements of an axis are read in place of those that are not there.
Term padded(const Grid &grid, const Axis &axis, const Term &x) {
  Term outside = (x < axis.low) | (x > axis.high);
  if (grid.padding == "border")
    return select(outside, max(min(x, axis.size - 1), 0), x);
  if (grid.padding == "reflection")
    return select(outside, reflected(axis, x), x);
  return x;
}

/// Keys's cubic convolution at distances up to 1, and from 1 to 2.
constexpr double kCubic = -0.75;
Term cubicNear(const Term &x) {
  return ((kCubic + 2) * x - (kCubic + 3)) * x * x + 1;
}
Term cubicFar(const Term &x) {
  return ((kCubic * x - 5 * kCubic) * x + 8 * kCubic) * x - 4 * kCubic;
}

/// Of two axes halves go to the even neighbour, of three away from zero, as in
/// PyTorch and ONNX's reference.
Term nearest(const Grid &grid, const Term &x) {
  if (grid.rank != 3)
    return apply<RoundOp>(x);
  return select(x >= 0, apply<FloorOp>(x + 0.5), apply<CeilOp>(x - 0.5));
}

/// The elements of an axis by coordinates from -1 to 1.
SmallVector<Tap> tapsOf(const Grid &grid, const Axis &axis, const Term &given) {
  Term x = grid.corners ? (given + 1) / 2 * (axis.size - 1)
                        : ((given + 1) * axis.size - 1) / 2;
  if (grid.mode == "nearest")
    x = nearest(grid, x);
  x = padded(grid, axis, x);
  SmallVector<Tap> taps;
  if (grid.mode == "nearest") {
    taps = {{x, std::nullopt, true}};
  } else if (grid.mode == "linear") {
    taps = linearTaps(x);
  } else {
    Term left = apply<FloorOp>(x), t = x - left;
    taps = {{left - 1, cubicFar(t + 1), true},
            {left, cubicNear(t), true},
            {left + 1, cubicNear(1 - t), true},
            {left + 2, cubicFar(2 - t), true}};
  }
  if (grid.padding == "zeros")
    return taps;
  for (Tap &tap : taps) {
    // The half of an element beyond its middle is not one of its own.
    Term place = padded(grid, axis, tap.place);
    tap = {max(min(place, axis.size - 1), 0), tap.weight, false};
  }
  return taps;
}

FailureOr<Grid> readGrid(Node &n) {
  Grid grid;
  grid.mode = n.attrString("mode", n.opset() < 20 ? "bilinear" : "linear");
  if (n.opset() < 20 && StringRef(grid.mode).starts_with("bi"))
    grid.mode = grid.mode.substr(2);
  grid.padding = n.attrString("padding_mode", "zeros");
  grid.corners = n.attr("align_corners", 0) != 0;
  if (!llvm::is_contained({"nearest", "linear", "cubic"}, grid.mode) ||
      !llvm::is_contained({"zeros", "border", "reflection"}, grid.padding))
    return n.fail("`" + grid.mode + "` with padding `" + grid.padding +
                  "` is no way to sample that is supported");
  return grid;
}

LogicalResult gridSample(Node &n) {
  FailureOr<Grid> grid = readGrid(n);
  if (failed(grid) || failed(needFloats(n, 1)))
    return failure();
  Dims dims = n.dims(0), at = n.dims(1);
  grid->rank = int64_t(dims.size()) - 2;
  if (grid->rank < 1 || at.size() != dims.size() ||
      at.back() != Dim(grid->rank) || !n.equal({at[0]}, {dims[0]}))
    return n.fail("its grid is " + str(at) + " for x " + str(dims));
  bool blends = grid->mode != "nearest";
  if (blends && !isa<FloatType>(n.type(0)))
    return n.fail("whole numbers are sampled by mode nearest alone");
  Term x = blends ? wide(n, 0) : Term(n, n.in(0)), places = wide(n, 1);
  Dims to(at.begin() + 1, at.end() - 1);
  SmallVector<SmallVector<Tap>> axes;
  for (int64_t i = 0; i < grid->rank; ++i) {
    mlir::Value one =
        slice(n.b, n.loc, places.v, grid->rank + 1, grid->rank - 1 - i, 1);
    Term given(n, reshape(n.b, n.loc, one, Dims{at[0], numElements(to)}));
    Axis axis = axisOf(*grid, given, dims[size_t(i) + 2]);
    axes.push_back(tapsOf(*grid, axis, given));
  }
  Term y = sampled(n, x, axes, [](Term a, Term b) { return a + b; });
  to.insert(to.begin(), {dims[0], dims[1]});
  mlir::Value result = reshape(n.b, n.loc, y.v, to);
  return n.result(cast(n.b, n.loc, result, elementTypeOf(n.in(0))), n.type(0));
}

/// The grid of an affine map: theta [N, D, D + 1] by the place of each element,
/// and 1.
LogicalResult affineGrid(Node &n) {
  if (failed(needFloats(n, 0)))
    return failure();
  FailureOr<SmallVector<Dim>> size = n.sizes(1);
  if (failed(size))
    return failure();
  int64_t rank = int64_t(size->size()) - 2;
  Dims dims = n.dims(0);
  if (rank < 1 || dims.size() != 3 || dims[1] != Dim(rank) ||
      dims[2] != Dim(rank + 1) || !n.equal({dims[0]}, {(*size)[0]}))
    return n.fail("its map is " + str(dims) + " for a size of " +
                  str(Dims(size->begin(), size->end())));
  bool corners = n.attr("align_corners", 0) != 0;
  Term theta = wide(n, 0);
  Dims to{dims[0]};
  to.append(size->begin() + 2, size->end());
  RankedTensorType type = tensorOf(to, elementTypeOf(theta.v));
  Dims each(to.size(), Dim(1));
  each[0] = dims[0];
  auto factor = [&](int64_t row, int64_t column) -> Term {
    mlir::Value one = slice(n.b, n.loc, theta.v, 1, row, 1);
    one = slice(n.b, n.loc, one, 2, column, 1);
    one = reshape(n.b, n.loc, one, each);
    return {n, broadcastTo(n.b, n.loc, one, to)};
  };
  SmallVector<mlir::Value> parts;
  for (int64_t row = 0; row < rank; ++row) {
    Term sum = factor(row, rank);
    for (int64_t column = 0; column < rank; ++column) {
      int64_t axis = rank - column; // of the grid: the last one first
      Term place(n, IotaOp::create(n.b, n.loc, type, axis));
      Term extent = sizeAs(place, to[size_t(axis)]);
      Term at =
          corners ? place * 2 / (extent - 1) - 1 : (place * 2 + 1) / extent - 1;
      sum = sum + factor(row, column) * at;
    }
    Dims one = to;
    one.push_back(Dim(1));
    parts.push_back(reshape(n.b, n.loc, sum.v, one));
  }
  mlir::Value grid =
      rank == 1 ? parts[0]
                : mlir::Value(ConcatOp::create(n.b, n.loc, parts, rank + 1));
  return n.result(cast(n.b, n.loc, grid, n.type(0)));
}

} // namespace

void addGridSampleOps(OpTable &table) {
  table["AffineGrid"] = affineGrid;
  table["GridSample"] = gridSample;
}

} // namespace mapsto::onnx
