//===- OpsSpectral.cpp - Fourier transforms, as products with a table -----===//

#include "frontends/onnx/Ops.h"

#include "llvm/ADT/Sequence.h"

#include <numbers>

using namespace mlir;

namespace mapsto::onnx {
namespace {

mlir::Value number(Node &n, const Dim &dim, Type type) {
  Value value;
  value.type = n.b.getI64Type();
  value.known = Known::scalar(dim);
  return cast(n.b, n.loc, n.importer.materialise(value), type);
}

/// A complex tensor [..., N]; a null imaginary part is 0.
struct Complex {
  mlir::Value real, imaginary;
};

/// [..., N], N points to `bins`: sums of x[n] exp(-2 pi i n k / N), or for the
/// inverse of x[n] exp(2 pi i n k / N) / N. The result is [..., bins, 2].
mlir::Value transform(Node &n, Complex x, const Dim &bins, bool inverse) {
  Dims dims = dimsOf(x.real);
  Dim points = dims.back();
  Type type = elementTypeOf(x.real);
  Dims tableDims{points, bins};
  RankedTensorType places = mapsto::tensorOf(tableDims, n.b.getI64Type());
  // n k modulo N keeps the angle small, where floats are dense.
  mlir::Value turn =
      MulOp::create(n.b, n.loc, IotaOp::create(n.b, n.loc, places, 0),
                    IotaOp::create(n.b, n.loc, places, 1));
  mlir::Value whole =
      broadcastTo(n.b, n.loc, number(n, points, n.b.getI64Type()), tableDims);
  auto wide = [&](mlir::Value v) {
    return cast(n.b, n.loc, v, type.isF64() ? type : Type(n.b.getF32Type()));
  };
  mlir::Value angle = DivOp::create(
      n.b, n.loc, wide(ModOp::create(n.b, n.loc, turn, whole)), wide(whole));
  angle =
      MulOp::create(n.b, n.loc, angle,
                    splat(n.b, n.loc, 2 * std::numbers::pi, angle.getType()));
  mlir::Value cosine = cast(n.b, n.loc, CosOp::create(n.b, n.loc, angle), type);
  mlir::Value sine = cast(n.b, n.loc, SinOp::create(n.b, n.loc, angle), type);
  Dims rows{numElements(ArrayRef<Dim>(dims).drop_back()), points};
  auto times = [&](mlir::Value v, mlir::Value table) -> mlir::Value {
    return MatmulOp::create(n.b, n.loc, reshape(n.b, n.loc, v, rows), table,
                            /*transposed=*/false);
  };
  // Forward is (a + bi)(c - si), inverse (a + bi)(c + si).
  mlir::Value real = times(x.real, cosine), imaginary = times(x.real, sine);
  if (!inverse)
    imaginary = NegOp::create(n.b, n.loc, imaginary);
  if (x.imaginary) {
    mlir::Value crossed = times(x.imaginary, sine);
    real = inverse ? mlir::Value(SubOp::create(n.b, n.loc, real, crossed))
                   : mlir::Value(AddOp::create(n.b, n.loc, real, crossed));
    imaginary =
        AddOp::create(n.b, n.loc, imaginary, times(x.imaginary, cosine));
  }
  dims.back() = bins;
  dims.push_back(Dim(1));
  mlir::Value result = ConcatOp::create(
      n.b, n.loc,
      {reshape(n.b, n.loc, real, dims), reshape(n.b, n.loc, imaginary, dims)},
      int64_t(dims.size()) - 1);
  if (!inverse)
    return result;
  return DivOp::create(
      n.b, n.loc, result,
      broadcastTo(n.b, n.loc, number(n, points, type), dimsOf(result)));
}

/// The parts of [..., 1 or 2].
FailureOr<Complex> partsOf(Node &n, mlir::Value x) {
  Dims dims = dimsOf(x);
  if (dims.size() < 2 || (dims.back() != Dim(1) && dims.back() != Dim(2)))
    return n.fail("x is " + str(dims) +
                  ", its last axis must have 1 or 2 elements");
  auto part = [&](int64_t i) {
    return reshape(n.b, n.loc,
                   slice(n.b, n.loc, x, int64_t(dims.size()) - 1, i, 1),
                   ArrayRef<Dim>(dims).drop_back());
  };
  Complex parts{part(0), {}};
  if (dims.back() == Dim(2))
    parts.imaginary = part(1);
  return parts;
}

/// Input `i`, a size; `otherwise` where it is left out.
FailureOr<Dim> sizeOr(Node &n, size_t i, const Dim &otherwise) {
  if (!n.has(i))
    return otherwise;
  FailureOr<SmallVector<Dim>> given = n.sizes(i);
  if (failed(given))
    return failure();
  if (given->size() != 1 || (*given)[0].constant().value_or(1) < 1)
    return n.fail("its input " + Twine(i) + " is " + str(*given));
  return (*given)[0];
}

Dim binsOf(const Dim &points, bool oneSided) {
  return oneSided ? Dim::floorDiv(points, 2) + Dim(1) : points;
}

LogicalResult dft(Node &n) {
  mlir::Value x = n.in(0);
  int64_t rank = int64_t(dimsOf(x).size());
  bool inverse = n.attr("inverse", 0) != 0;
  bool oneSided = n.attr("onesided", 0) != 0;
  int64_t given = -2;
  if (n.opset() < 20) {
    given = n.attr("axis", 1);
  } else if (n.has(2)) {
    FailureOr<SmallVector<int64_t>> number = n.ints(2);
    if (failed(number))
      return failure();
    if (number->size() != 1)
      return n.fail("its axis is not one number");
    given = (*number)[0];
  }
  FailureOr<int64_t> axis = n.axis(given, rank);
  if (failed(axis))
    return failure();
  if (*axis == rank - 1)
    return n.fail("axis " + Twine(given) + " is that of the complex parts");
  if (inverse && oneSided)
    return n.fail("one-sided inverse transforms are not supported");
  Dim extent = dimOf(x, *axis);
  FailureOr<Dim> points = sizeOr(n, 1, extent);
  if (failed(points))
    return failure();
  // Cut, or followed by zeros.
  if (auto more = (*points - extent).constant(); !more) {
    return n.fail("its length " + points->str() + " beside an axis of " +
                      extent.str() + " must be a number",
                  "fix the symbols with --dim NAME=SIZE");
  } else if (*more < 0) {
    x = slice(n.b, n.loc, x, *axis, 0, *points);
  } else if (*more > 0) {
    Dims zeros = dimsOf(x);
    zeros[size_t(*axis)] = Dim(*more);
    mlir::Value padding =
        splat(n.b, n.loc, 0, mapsto::tensorOf(zeros, elementTypeOf(x)));
    x = ConcatOp::create(n.b, n.loc, {x, padding}, *axis);
  }
  FailureOr<Complex> parts = partsOf(n, x);
  if (failed(parts))
    return failure();
  SmallVector<int64_t> order = llvm::to_vector(llvm::seq<int64_t>(0, rank - 1));
  order.erase(order.begin() + *axis);
  order.push_back(*axis);
  parts->real = transpose(n.b, n.loc, parts->real, order);
  if (parts->imaginary)
    parts->imaginary = transpose(n.b, n.loc, parts->imaginary, order);
  mlir::Value y = transform(n, *parts, binsOf(*points, oneSided), inverse);
  SmallVector<int64_t> back(size_t(rank), rank - 1);
  for (auto [i, axis] : llvm::enumerate(order))
    back[size_t(axis)] = int64_t(i);
  return n.result(transpose(n.b, n.loc, y, back), n.type(0));
}

/// Frames of the signal [B, L, 1 or 2] every `step`, through a window:
/// [B, frames, bins, 2].
LogicalResult stft(Node &n) {
  bool oneSided = n.attr("onesided", 1) != 0;
  FailureOr<Complex> parts = partsOf(n, n.in(0));
  FailureOr<SmallVector<int64_t>> step = n.ints(1);
  if (failed(parts) || failed(step))
    return failure();
  Dims dims = dimsOf(parts->real);
  if (dims.size() != 2 || step->size() != 1 || (*step)[0] < 1)
    return n.fail("its signal is " + str(n.dims(0)) + ", its step " +
                  str(n.dims(1)));
  if (n.has(2) && n.dims(2).size() != 1)
    return n.fail("its window is " + str(n.dims(2)));
  if (!n.has(2) && !n.has(3))
    return n.fail("it has neither a window nor a frame length");
  FailureOr<Dim> length = sizeOr(n, 3, n.has(2) ? n.dims(2)[0] : Dim(0));
  if (failed(length))
    return failure();
  if (n.has(2) && n.dims(2)[0] != *length)
    return n.fail("its window is " + str(n.dims(2)) + " for frames of " +
                  length->str());
  Dim frames = Dim::floorDiv(dims[1] - *length, Dim((*step)[0])) + Dim(1);
  if (frames.constant().value_or(1) < 1)
    return n.fail("a frame of " + length->str() + " does not fit into " +
                  dims[1].str());
  RankedTensorType type = mapsto::tensorOf({frames, *length}, n.b.getI64Type());
  mlir::Value starts =
      MulOp::create(n.b, n.loc, IotaOp::create(n.b, n.loc, type, 0),
                    splat(n.b, n.loc, double((*step)[0]), type));
  mlir::Value places =
      AddOp::create(n.b, n.loc, starts, IotaOp::create(n.b, n.loc, type, 1));
  for (mlir::Value *part : {&parts->real, &parts->imaginary}) {
    if (!*part)
      continue;
    *part = TakeOp::create(n.b, n.loc, *part, places, 1);
    if (n.has(2))
      *part = *binary<MulOp>(n.b, n.loc, *part, n.in(2));
  }
  return n.result(transform(n, *parts, binsOf(*length, oneSided), false),
                  n.type(0));
}

} // namespace

void addSpectralOps(OpTable &table) {
  table["DFT"] = dft;
  table["STFT"] = stft;
}

} // namespace mapsto::onnx
