//===- ReductionRules.cpp - Reductions and contractions in place ----------===//

#include "compiler/KernelAttributes.h"
#include "compiler/kernel/KernelEmitter.h"

using namespace mlir;

namespace mapsto {

namespace {

/// Loops over `sizes`, carrying what `body` makes of it.
SmallVector<Value>
nest(KernelEmitter &e, ArrayRef<Dim> sizes, ValueRange init,
     SmallVectorImpl<Value> &ivs,
     function_ref<SmallVector<Value>(ValueRange carried)> body) {
  if (sizes.empty())
    return body(init);
  return e.loop(e.idx(0), e.dim(sizes.front()), 1, init,
                [&](Value iv, ValueRange carried) {
                  ivs.push_back(iv);
                  SmallVector<Value> next =
                      nest(e, sizes.drop_front(), carried, ivs, body);
                  ivs.pop_back();
                  return next;
                });
}

/// The accumulator's type: a vector where the value varies over lanes.
Value start(KernelEmitter &e, ReduceKind kind, Type type, bool lanes) {
  Value v = e.identity(kind, type);
  return lanes ? e.splat(v) : v;
}

/// From here on the row of `tensor` that starts at `at` is read from `row`;
/// other rows are computed as before.
void giveRow(KernelEmitter &e, Value tensor, const Buffer &row, Indices at) {
  e.given[tensor] = [&e, tensor, row, at](ArrayRef<Index> wanted) -> Value {
    Dims dims = dimsOf(tensor);
    bool same = true;
    for (size_t axis = 0; axis + 1 < dims.size(); ++axis)
      same &= dims[axis] == Dim(1) ||
              (!(at[axis] < wanted[axis]) && !(wanted[axis] < at[axis]));
    return same ? e.load(row, wanted.back())
                : emitElement(e, cast<OpResult>(tensor), wanted);
  };
}

/// What a reduction carries through its loops: the value so far and, of floats'
/// maxima and minima, a NaN if there has been one. Apart the two take one
/// instruction after another each; together they wait for three.
class Partial {
public:
  Partial(KernelEmitter &e, ReduceOp op)
      : e(e), kind(op.getKind()),
        type(KernelEmitter::accumulatorType(elementTypeOf(op.getResult()))),
        ofNumbers(isa<FloatType>(type) &&
                  (kind == ReduceKind::max || kind == ReduceKind::min)),
        keepsNan(ofNumbers && !op->hasAttr(kOfSoftmaxAttr)) {}

  SmallVector<Value> start(bool lanes) {
    SmallVector<Value> values{e.identity(kind, type)};
    if (keepsNan)
      values.push_back(e.constant(type, 0));
    for (Value &v : values)
      v = lanes ? e.splat(v) : v;
    return values;
  }
  SmallVector<Value> add(ValueRange before, Value x) {
    x = e.convert(x, type);
    x = e.isVector(before[0]) ? e.splat(x) : x;
    SmallVector<Value> after{combine(before[0], x)};
    if (keepsNan)
      after.push_back(either(x, before[1]));
    return after;
  }
  /// Two partial results made one.
  SmallVector<Value> merge(ValueRange x, ValueRange y) {
    SmallVector<Value> both{combine(x[0], y[0])};
    if (keepsNan)
      both.push_back(either(x[1], y[1]));
    return both;
  }
  Value finish(ValueRange partial, bool across) {
    Value v = partial[0];
    if (across)
      v = ofNumbers ? e.extremeLane(kind, v) : e.combineLanes(kind, v);
    if (!keepsNan)
      return v;
    // Other lanes are 0.
    Value nan =
        across ? e.combineLanes(ReduceKind::sum, partial[1]) : partial[1];
    return either(nan, v);
  }

private:
  KernelEmitter &e;
  ReduceKind kind;
  Type type;
  bool ofNumbers, keepsNan;

  Value combine(Value x, Value y) {
    return ofNumbers ? e.extreme(kind, y, x) : e.combine(kind, x, y);
  }
  /// x where it is NaN, y elsewhere.
  Value either(Value x, Value y) {
    Value isNan = arith::CmpFOp::create(e.b, arith::CmpFPredicate::UNO, x, x);
    return arith::SelectOp::create(e.b, isNan, x, y);
  }
};

/// How many partial results of a row's reduction hide the latency of their
/// additions: not needed where computing what is added takes longer.
int64_t partialsOf(KernelEmitter &e, Value x) {
  constexpr int64_t kLatency = 4; // of an addition, in cycles of one each
  constexpr size_t kShort = 8;    // ops of an element
  llvm::SetVector<Operation *> ops;
  auto visit = [&](Value v) {
    Operation *op = v.getDefiningOp();
    if (op && !e.buffers.contains(v) && !e.given.contains(v) &&
        !isa<ReduceOp>(op))
      ops.insert(op);
  };
  visit(x);
  for (size_t i = 0; i < ops.size() && ops.size() <= kShort; ++i) {
    auto broadcast = dyn_cast<BroadcastOp>(ops[i]);
    bool once = broadcast && (dimsOf(broadcast.getX()).empty() ||
                              dimsOf(broadcast.getX()).back() == Dim(1));
    if (!once) // a row
      llvm::for_each(ops[i]->getOperands(), visit);
  }
  bool isShort = ops.size() <= kShort && llvm::all_of(ops, [](Operation *op) {
                   return isa<BroadcastOp, ReshapeOp, ConstantOp, CastOp, AddOp,
                              SubOp, MulOp, NegOp, AbsOp, MaxOp, MinOp>(op);
                 });
  return isShort ? kLatency : 1;
}

Value reduce(KernelEmitter &e, ReduceOp op, ArrayRef<Index> indices) {
  Dims dims = dimsOf(op.getX());
  int64_t rank = dims.size();
  SmallVector<int64_t> axes(op.getAxes());
  llvm::sort(axes);
  Partial partial(e, op);

  Indices at(rank);
  for (int64_t axis = 0, next = 0; axis < rank; ++axis)
    if (!llvm::is_contained(axes, axis))
      at[axis] = indices[next++];

  // Along contiguous elements the lanes share the work; otherwise each lane
  // has its own sum.
  bool lanes = e.varies(indices);
  bool across = !lanes && !axes.empty() && axes.back() == rank - 1 &&
                dims[rank - 1] != Dim(1);
  SmallVector<Dim> outer;
  for (int64_t axis : axes)
    if (!(across && axis == rank - 1))
      outer.push_back(dims[axis]);

  std::optional<Buffer> row;
  if (across && outer.empty() && e.kept.contains(op.getX()) &&
      !e.given.contains(op.getX()))
    row = e.allocate(dims.back(), elementTypeOf(op.getX()));

  SmallVector<Value> ivs;
  SmallVector<Value> total = nest(
      e, outer, partial.start(lanes || across), ivs, [&](ValueRange carried) {
        for (auto [k, iv] : llvm::enumerate(ivs))
          at[axes[k]] = e.uniform(iv);
        if (!across)
          return partial.add(carried, e.element(op.getX(), at));
        return e.laneLoop(
            dims[rank - 1], carried, partialsOf(e, op.getX()),
            partial.start(true),
            [&](Index i, ValueRange before) {
              at[rank - 1] = i;
              Value x = e.elementVector(op.getX(), at);
              if (row)
                e.store(x, *row, i);
              SmallVector<Value> after = partial.add(before, x);
              if (Value mask = e.currentMask())
                for (auto [next, known] : llvm::zip_equal(after, before))
                  next = arith::SelectOp::create(e.b, mask, next, known);
              return after;
            },
            [&](ValueRange x, ValueRange y) { return partial.merge(x, y); });
      });
  if (row)
    giveRow(e, op.getX(), *row, at);
  return e.convert(partial.finish(total, across),
                   elementTypeOf(op.getResult()));
}

/// The first best element wins; NaN is better than anything.
Value argReduce(KernelEmitter &e, ArgReduceOp op, ArrayRef<Index> indices) {
  Dims dims = dimsOf(op.getX());
  int64_t axis = op.getAxis();
  Type type = elementTypeOf(op.getX());
  bool isFloat = isa<FloatType>(type);
  bool lanes = e.varies(indices);
  Indices at(indices);
  at.insert(at.begin() + axis, e.uniform(0));

  auto better = [&](Value x, Value best) -> Value {
    bool max = op.getKind() == ReduceKind::max;
    if (!isFloat)
      return arith::CmpIOp::create(
          e.b, max ? arith::CmpIPredicate::sgt : arith::CmpIPredicate::slt, x,
          best);
    Value order = arith::CmpFOp::create(
        e.b, max ? arith::CmpFPredicate::OGT : arith::CmpFPredicate::OLT, x,
        best);
    Value xNan = arith::CmpFOp::create(e.b, arith::CmpFPredicate::UNO, x, x);
    Value bestNumber =
        arith::CmpFOp::create(e.b, arith::CmpFPredicate::ORD, best, best);
    return arith::OrIOp::create(e.b, order,
                                arith::AndIOp::create(e.b, xNan, bestNumber));
  };
  Value zero = e.constant(e.b.getI64Type(), 0);
  // Starts at the first element, so infinities need no care; there has to be
  // one.
  Value size = e.dim(dims[axis]);
  if (dims[axis].constant().value_or(0) == 0)
    e.report(
        arith::CmpIOp::create(e.b, arith::CmpIPredicate::eq, size, e.idx(0)),
        op.getLoc(), zero, zero);
  Value first = e.convert(
      start(e,
            op.getKind() == ReduceKind::max ? ReduceKind::max : ReduceKind::min,
            type, lanes),
      type);
  SmallVector<Value> result = e.loop(
      e.idx(0), size, 1, {first, lanes ? e.splat(zero) : zero},
      [&](Value iv, ValueRange carried) {
        at[axis] = e.uniform(iv);
        Value x = e.element(op.getX(), at);
        if (lanes)
          x = e.splat(x);
        Value isFirst =
            arith::CmpIOp::create(e.b, arith::CmpIPredicate::eq, iv, e.idx(0));
        Value wins = better(x, carried[0]);
        if (lanes)
          isFirst = e.splat(isFirst);
        wins = arith::OrIOp::create(e.b, wins, isFirst);
        Value position = arith::IndexCastOp::create(e.b, e.b.getI64Type(), iv);
        if (lanes)
          position = e.splat(position);
        return SmallVector<Value>{
            arith::SelectOp::create(e.b, wins, x, carried[0]),
            arith::SelectOp::create(e.b, wins, position, carried[1])};
      });
  return result[1];
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
      e.idx(0), e.dim(lhs.back()), 1,
      start(e, ReduceKind::sum, accumulator, lanes),
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
      e.idx(0), e.dim(panels[1]), 1,
      start(e, ReduceKind::sum, accumulator, e.varies(indices)),
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
  SmallVector<Value> ivs;
  Value sum = nest(
      e, {channels, Dim(taps)}, start(e, ReduceKind::sum, accumulator, lanes),
      ivs, [&](ValueRange before) {
        Value carried = before[0], c = ivs[0], k = ivs[1];
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
              [&] { return SmallVector<Value>{carried}; });
        counts = e.splat(counts);
        Value v = e.masked(counts, [&] { return e.splat(term()); });
        return SmallVector<Value>{
            arith::SelectOp::create(e.b, counts, v, carried)};
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

Value emitReduction(KernelEmitter &e, Operation *op, ArrayRef<Index> indices) {
  return TypeSwitch<Operation *, Value>(op)
      .Case([&](ReduceOp op) { return reduce(e, op, indices); })
      .Case([&](ArgReduceOp op) { return argReduce(e, op, indices); })
      .Case([&](MatmulOp op) { return matmul(e, op, indices); })
      .Case([&](PackedMatmulOp op) { return packedMatmul(e, op, indices); })
      .Case([&](Conv1dOp op) { return conv1d(e, op, indices); })
      .Case(
          [&](ConvTranspose1dOp op) { return convTranspose1d(e, op, indices); })
      .Default([](Operation *) { return Value(); });
}

Value emitElement(KernelEmitter &e, OpResult result, ArrayRef<Index> indices) {
  Operation *op = result.getOwner();
  if (auto constant = dyn_cast<ConstantOp>(op)) {
    // Only constants of one value are computed in place; tables are buffers.
    auto value = cast<DenseElementsAttr>(constant.getValue());
    Type type = elementTypeOf(result);
    if (isa<FloatType>(type))
      return arith::ConstantOp::create(
          e.b, e.b.getFloatAttr(type, value.getSplatValue<APFloat>()));
    return arith::ConstantOp::create(
        e.b, e.b.getIntegerAttr(type, value.getSplatValue<APInt>()));
  }
  if (auto size = dyn_cast<SizeOp>(op))
    return arith::IndexCastOp::create(e.b, e.b.getI64Type(),
                                      e.dim(*Dim::parse(size.getDim())));
  if (op->hasTrait<OpTrait::Elementwise>()) {
    SmallVector<Value> operands;
    for (Value operand : op->getOperands())
      operands.push_back(e.element(operand, indices));
    return emitPointwise(e, op, operands);
  }
  if (Value v = emitMovement(e, op, indices))
    return v;
  return emitReduction(e, op, indices);
}

} // namespace mapsto
