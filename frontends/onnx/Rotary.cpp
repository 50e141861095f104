//===- Rotary.cpp - Rotary position embedding -----------------------------===//

#include "frontends/onnx/Rotary.h"
#include "frontends/onnx/AttentionForm.h"
#include "frontends/onnx/Formula.h"
#include "frontends/onnx/Ops.h"

using namespace mlir;

namespace mapsto::onnx {

FailureOr<mlir::Value> rotate(Node &n, mlir::Value x, mlir::Value cosines,
                              mlir::Value sines, bool interleaved) {
  Dims dims = dimsOf(x), angles = dimsOf(cosines);
  if (angles.size() != 3 || angles != dimsOf(sines))
    return n.fail("cosines " + str(angles) + " and sines " +
                  str(dimsOf(sines)) + " are not of one shape of rank 3");
  Dim half = angles[2];
  Dim rest = dims[3] - half * Dim(2);
  if (rest.isConstant() && *rest.constant() < 0)
    return n.fail(half.str() + " angles are too many for " + dims[3].str() +
                  " features");
  Dims whole{dims[0], dims[1], dims[2], half};
  auto spread = [&](mlir::Value table) -> FailureOr<mlir::Value> {
    mlir::Value rows =
        reshape(n.b, n.loc, table, Dims{angles[0], Dim(1), angles[1], half});
    FailureOr<Dims> common = broadcastDims(dimsOf(rows), whole);
    if (failed(common) || *common != whole)
      return n.fail("angles of " + str(angles) + " do not fit " + str(dims));
    return broadcastTo(n.b, n.loc, rows, whole);
  };
  FailureOr<mlir::Value> c = spread(cosines), s = spread(sines);
  if (failed(c) || failed(s))
    return failure();
  auto part = [&](const Dim &start, int64_t step) {
    return Term(n, slice(n.b, n.loc, x, 3, start, half, step));
  };
  Term a = part(0, interleaved ? 2 : 1);
  Term b = interleaved ? part(1, 2) : part(half, 1);
  Term cosine(n, *c), sine(n, *s);
  mlir::Value real = (a * cosine - b * sine).v;
  mlir::Value imaginary = (a * sine + b * cosine).v;
  SmallVector<mlir::Value, 3> parts{real, imaginary};
  if (interleaved) {
    Dims apart = whole, turned = whole;
    apart.push_back(1);
    turned[3] = half * Dim(2);
    for (mlir::Value &v : parts)
      v = reshape(n.b, n.loc, v, apart);
    parts = {
        reshape(n.b, n.loc, ConcatOp::create(n.b, n.loc, parts, 4), turned)};
  }
  if (rest != Dim(0))
    parts.push_back(slice(n.b, n.loc, x, 3, half * Dim(2), rest));
  return parts.size() == 1
             ? parts[0]
             : mlir::Value(ConcatOp::create(n.b, n.loc, parts, 3));
}

mlir::Value rowsAt(Node &n, mlir::Value table, mlir::Value positions) {
  return TakeOp::create(n.b, n.loc, table, positions, 0);
}

namespace {

/// Checks `rotary_embedding_dim` (0: all) against the angles that there are,
/// and turns x, which is [B, H, T, D] or [B, T, H * D].
LogicalResult rotateHeads(Node &n, mlir::Value cosines, mlir::Value sines,
                          int64_t heads) {
  mlir::Value x = n.in(0);
  Dims dims = dimsOf(x), angles = dimsOf(cosines);
  bool packed = dims.size() == 3;
  if (!packed && dims.size() != 4)
    return n.fail("x is " + str(dims) + ", which has neither 3 nor 4 axes");
  if (packed) {
    auto width = dims[2].constant();
    if (heads <= 0 || (width && *width % heads != 0))
      return n.fail(dims[2].str() + " features are not " + Twine(heads) +
                        " heads",
                    "give `num_heads`");
    x = splitHeads(n, x, heads);
  }
  int64_t turned = n.attr("rotary_embedding_dim", 0);
  Dim all = turned ? Dim(turned) : dimsOf(x)[3];
  if (all != angles.back() * Dim(2))
    return n.fail("there are " + angles.back().str() + " angles for " +
                  all.str() + " features");
  FailureOr<mlir::Value> y =
      rotate(n, x, cosines, sines, n.attr("interleaved", 0));
  if (failed(y))
    return failure();
  return n.result(packed ? mergeHeads(n, *y) : *y, n.type(0));
}

LogicalResult rotaryEmbedding(Node &n) {
  mlir::Value cosines = n.in(1), sines = n.in(2);
  if (n.has(3)) {
    if (n.rank(1) != 2 || n.rank(2) != 2 || n.rank(3) != 2)
      return n.fail("with positions, [B, T], the angles are [P, R / 2]");
    cosines = rowsAt(n, cosines, n.in(3));
    sines = rowsAt(n, sines, n.in(3));
  }
  return rotateHeads(n, cosines, sines, n.attr("num_heads", 0));
}

/// com.microsoft's: positions come second and are always there; one number is
/// the first position.
LogicalResult rotaryEmbeddingOfMicrosoft(Node &n) {
  if (n.attr("is_packed_batching", 0))
    return n.fail("packed batches are not supported",
                  "export the model with padded batches");
  if (n.attrFloat("scale", 1) != 1)
    return n.fail("a `scale` other than 1 is not supported");
  if (n.rank(2) != 2 || n.rank(3) != 2)
    return n.fail("angles are [P, R / 2]");
  Dims dims = n.dims(0);
  if (dims.size() != 3 && dims.size() != 4)
    return n.fail("x is " + str(dims) + ", which has neither 3 nor 4 axes");
  Dim length = dims[dims.size() - 2];
  if (dims.size() == 3)
    length = dims[1];
  mlir::Value positions = cast(n.b, n.loc, n.in(1), n.b.getI64Type());
  if (n.rank(1) == 1) {
    Type type = tensorOf({Dim(1), length}, n.b.getI64Type());
    mlir::Value count = IotaOp::create(n.b, n.loc, type, 1);
    positions = AddOp::create(
        n.b, n.loc, count,
        broadcastTo(n.b, n.loc, reshape(n.b, n.loc, positions, Dims{1, 1}),
                    dimsOf(count)));
  }
  int64_t heads = n.attr("num_heads", 0);
  if (!heads && dims.size() == 3)
    if (auto count = Dim::exactDiv(dims[2], n.dims(2)[1] * Dim(2)))
      heads = count->constant().value_or(0);
  return rotateHeads(n, rowsAt(n, n.in(2), positions),
                     rowsAt(n, n.in(3), positions), heads);
}

} // namespace

void addRotaryOps(OpTable &table) {
  table["RotaryEmbedding"] = rotaryEmbedding;
  table["com.microsoft.RotaryEmbedding"] = rotaryEmbeddingOfMicrosoft;
}

} // namespace mapsto::onnx
