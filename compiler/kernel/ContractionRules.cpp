//===- ContractionRules.cpp - Contractions in place -----------------------===//
//
// One element of a matmul or a convolution, its sum a loop where it is asked
// for.
//
//===----------------------------------------------------------------------===//

#include "compiler/kernel/KernelEmitter.h"

using namespace mlir;

namespace mapsto {

namespace {

/// The start of a sum: a vector where the value varies over lanes.
Value zero(KernelEmitter &e, Type type, bool lanes) {
  Value v = e.constant(type, 0);
  return lanes ? e.splat(v) : v;
}

Value matmul(KernelEmitter &e, MatmulOp op, ArrayRef<Index> indices) {
  Dims lhs = dimsOf(op.getLhs());
  int64_t rhsRank = cast<RankedTensorType>(op.getRhs().getType()).getRank();
  Type type = elementTypeOf(op.getResult());
  Type accumulator = KernelEmitter::accumulatorType(type);
  Indices left(indices.drop_back()), right;
  if (rhsRank > 2)
    right.assign(indices.begin(), indices.end() - 2);
  left.push_back({});
  right.push_back({});
  right.push_back({});
  bool lanes = e.varies(indices);
  Value sum = e.loop(
      e.idx(0), e.dim(lhs.back()), 1, zero(e, accumulator, lanes),
      [&](Value k, ValueRange carried) {
        left.back() = e.uniform(k);
        right[right.size() - (op.getTransposed() ? 1 : 2)] = e.uniform(k);
        right[right.size() - (op.getTransposed() ? 2 : 1)] = indices.back();
        Value x = e.convert(e.element(op.getLhs(), left), accumulator);
        Value y = e.convert(e.element(op.getRhs(), right), accumulator);
        Value v = e.fma(x, y, carried[0]);
        return SmallVector<Value>{v};
      })[0];
  return e.convert(sum, type);
}

Value packedMatmul(KernelEmitter &e, PackedMatmulOp op,
                   ArrayRef<Index> indices) {
  Dims panels = dimsOf(op.getRhs());
  Type type = elementTypeOf(op.getResult());
  Type accumulator = KernelEmitter::accumulatorType(type);
  auto [panel, column] = e.divIndex(indices.back(), panels[2]);
  Indices left(indices.drop_back());
  left.push_back({});
  Value sum = e.loop(
      e.idx(0), e.dim(panels[1]), 1, zero(e, accumulator, e.varies(indices)),
      [&, panel = panel, column = column](Value k, ValueRange carried) {
        left.back() = e.uniform(k);
        Value x = e.convert(e.element(op.getLhs(), left), accumulator);
        Value y = e.convert(
            e.element(op.getRhs(), {panel, left.back(), column}), accumulator);
        return SmallVector<Value>{e.fma(x, y, carried[0])};
      })[0];
  return e.convert(sum, type);
}

/// 0 <= x < size, for a position that may be either.
Value inRange(KernelEmitter &e, Value x, Value size) {
  if (e.isVector(x))
    size = e.splat(size);
  return arith::CmpIOp::create(e.b, arith::CmpIPredicate::ult, x, size);
}

/// sum over channel c and tap k of x[b, c, at(k)] * w, where `tap` gives the
/// position (a Value or vector of indices) and whether it counts.
Value convolve(KernelEmitter &e, Value x, ArrayRef<Index> indices,
               const Dim &channels, int64_t taps, Type type,
               function_ref<Index(Value c)> channelOf,
               function_ref<std::pair<Index, Value>(Value k)> tap,
               function_ref<Value(Value c, Value k)> weight) {
  Type accumulator = KernelEmitter::accumulatorType(type);
  bool lanes = e.varies(indices);
  auto step = [&](Value c, Value k, Value carried) -> Value {
    auto [at, counts] = tap(k);
    Indices source{indices[0], channelOf(c), at};
    auto term = [&] {
      Value v = e.convert(e.element(x, source), accumulator);
      Value w = e.convert(weight(c, k), accumulator);
      return e.fma(v, w, carried);
    };
    if (!e.isVector(counts))
      return e.branch(
          counts, {carried.getType()},
          [&] { return SmallVector<Value>{term()}; },
          [&] { return SmallVector<Value>{carried}; })[0];
    counts = e.splat(counts);
    Value v = e.masked(counts, [&] { return e.splat(term()); });
    return arith::SelectOp::create(e.b, counts, v, carried);
  };
  Value sum = e.loop(e.idx(0), e.dim(channels), 1, zero(e, accumulator, lanes),
                     [&](Value c, ValueRange before) {
                       return e.loop(e.idx(0), e.idx(taps), 1, before,
                                     [&](Value k, ValueRange carried) {
                                       return SmallVector<Value>{
                                           step(c, k, carried[0])};
                                     });
                     })[0];
  return e.convert(sum, type);
}

Value conv1d(KernelEmitter &e, Conv1dOp op, ArrayRef<Index> indices) {
  Dims x = dimsOf(op.getX()), w = dimsOf(op.getWeight());
  Dim perGroup = w[1];
  Dim outPerGroup = Dim::floorDiv(w[0], Dim(op.getGroups()));
  Index group = e.divIndex(indices[1], outPerGroup).first;
  Index firstChannel = e.mulIndex(group, perGroup);
  Value length = e.dim(x[2]);
  return convolve(
      e, op.getX(), indices, perGroup, *w[2].constant(),
      elementTypeOf(op.getResult()),
      [&](Value c) { return e.addIndex(firstChannel, e.uniform(c)); },
      [&](Value k) -> std::pair<Index, Value> {
        Value shift =
            e.sub(e.mul(k, e.idx(op.getDilation())), e.idx(op.getPadLow()));
        Index at = e.addIndex(e.mulIndex(indices[2], Dim(op.getStride())),
                              e.uniform(shift));
        Value position =
            at.kind == Index::Uniform ? at.value : e.indexVector(at);
        return {at, inRange(e, position, length)};
      },
      [&](Value c, Value k) {
        return e.element(op.getWeight(),
                         {indices[1], e.uniform(c), e.uniform(k)});
      });
}

/// out[o, t] takes x[c, s] * w[c, o, k] wherever s * stride + k * dilation -
/// padding == t.
Value convTranspose1d(KernelEmitter &e, ConvTranspose1dOp op,
                      ArrayRef<Index> indices) {
  Dims x = dimsOf(op.getX()), w = dimsOf(op.getWeight());
  Dim outPerGroup = w[1];
  Dim perGroup = Dim::floorDiv(w[0], Dim(op.getGroups()));
  auto [group, within] = e.divIndex(indices[1], outPerGroup);
  Index firstChannel = e.mulIndex(group, perGroup);
  Index out = within;
  Value length = e.dim(x[2]);
  return convolve(
      e, op.getX(), indices, perGroup, *w[2].constant(),
      elementTypeOf(op.getResult()),
      [&](Value c) { return e.addIndex(firstChannel, e.uniform(c)); },
      [&](Value k) -> std::pair<Index, Value> {
        Value shift =
            e.sub(e.idx(op.getPadding()), e.mul(k, e.idx(op.getDilation())));
        bool vector = indices[2].kind != Index::Uniform;
        auto each = [&](Value v) {
          return vector ? e.indexVector(e.uniform(v)) : v;
        };
        Value t = vector ? e.indexVector(indices[2]) : indices[2].value;
        Value position = e.add(t, each(shift));
        Value stride = each(e.idx(op.getStride()));
        Value at = arith::DivSIOp::create(e.b, position, stride);
        Value whole = arith::CmpIOp::create(e.b, arith::CmpIPredicate::eq,
                                            e.mul(at, stride), position);
        Value notBefore = arith::CmpIOp::create(e.b, arith::CmpIPredicate::sge,
                                                position, each(e.idx(0)));
        Value counts = arith::AndIOp::create(
            e.b, arith::AndIOp::create(e.b, whole, notBefore),
            inRange(e, at, length));
        return {{at, vector ? Index::Vector : Index::Uniform}, counts};
      },
      [&](Value c, Value k) {
        Index channel = e.addIndex(firstChannel, e.uniform(c));
        return e.element(op.getWeight(), {channel, out, e.uniform(k)});
      });
}

} // namespace

Value emitContraction(KernelEmitter &e, Operation *op,
                      ArrayRef<Index> indices) {
  return TypeSwitch<Operation *, Value>(op)
      .Case([&](MatmulOp op) { return matmul(e, op, indices); })
      .Case([&](PackedMatmulOp op) { return packedMatmul(e, op, indices); })
      .Case([&](Conv1dOp op) { return conv1d(e, op, indices); })
      .Case(
          [&](ConvTranspose1dOp op) { return convTranspose1d(e, op, indices); })
      .Default([](Operation *) { return Value(); });
}

} // namespace mapsto
