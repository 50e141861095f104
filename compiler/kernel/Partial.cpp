//===- Partial.cpp - What a reduction carries through its loops -----------===//

#include "compiler/kernel/Partial.h"
#include "compiler/KernelAttributes.h"

using namespace mlir;

namespace mapsto {

namespace {

/// Of sums, products, maxima, ...: the value so far and, of floats' maxima and
/// minima, a NaN if there has been one. Apart the two take one instruction
/// after another each; together they wait for three.
class ReducePartial : public Partial {
public:
  ReducePartial(KernelEmitter &e, ReduceOp op)
      : e(e), kind(op.getKind()),
        type(KernelEmitter::accumulatorType(elementTypeOf(op.getResult()))),
        ofNumbers(isa<FloatType>(type) &&
                  (kind == ReduceKind::max || kind == ReduceKind::min)),
        keepsNan(ofNumbers && !op->hasAttr(kOfSoftmaxAttr)) {}

  Values start() override {
    Values values{e.identity(kind, type)};
    if (keepsNan)
      values.push_back(e.constant(type, 0));
    return values;
  }
  Values add(ValueRange before, Value x, Index) override {
    return merge(before, of(before, x));
  }
  // Pairs side by side, since what follows waits for the last. What was before
  // comes first: where a select between it and another is stored in its place,
  // LLVM makes that a masked store, which some CPUs take a dozen cycles for.
  Values addAll(ValueRange before, ArrayRef<Value> xs,
                ArrayRef<Index>) override {
    Values total = before;
    for (size_t n = 0; n < xs.size(); n += 2) {
      Values pair = of(before, xs[n]);
      if (n + 1 < xs.size())
        pair = merge(pair, of(before, xs[n + 1]));
      total = merge(total, pair);
    }
    return total;
  }
  Values merge(ValueRange x, ValueRange y) override {
    Values both{combine(x[0], y[0])};
    if (keepsNan)
      both.push_back(either(y[1], x[1]));
    return both;
  }
  Value finish(ValueRange partial) override {
    return keepsNan ? either(partial[1], partial[0]) : partial[0];
  }
  Value finishAcross(ValueRange partial) override {
    Value v = ofNumbers ? e.extremeLane(kind, partial[0])
                        : e.combineLanes(kind, partial[0]);
    // Lanes without a NaN are 0.
    return keepsNan ? either(e.combineLanes(ReduceKind::sum, partial[1]), v)
                    : v;
  }

private:
  KernelEmitter &e;
  ReduceKind kind;
  Type type;
  bool ofNumbers, keepsNan;

  /// Of x alone, a vector if `like` is.
  Values of(ValueRange like, Value x) {
    x = e.convert(x, type);
    x = e.isVector(like[0]) ? e.splat(x) : x;
    return keepsNan ? Values{x, x} : Values{x};
  }
  Value combine(Value x, Value y) {
    return ofNumbers ? e.extreme(kind, y, x) : e.combine(kind, x, y);
  }
  /// x where it is NaN, y elsewhere.
  Value either(Value x, Value y) {
    Value isNan = arith::CmpFOp::create(e.b, arith::CmpFPredicate::UNO, x, x);
    return arith::SelectOp::create(e.b, isNan, x, y);
  }
};

/// Of argmax and argmin: the best element and where it was. The first best one
/// wins; NaN is better than anything.
class ArgPartial : public Partial {
public:
  ArgPartial(KernelEmitter &e, ArgReduceOp op, bool across)
      : e(e), max(op.getKind() == ReduceKind::max),
        type(KernelEmitter::accumulatorType(elementTypeOf(op.getX()))) {
    if (type.isInteger(1))
      type = e.b.getI32Type();
    // Along the lanes a position is the number of the vector, as wide as the
    // elements: 32 bits do for 2^31 vectors.
    position = across && type.getIntOrFloatBitWidth() <= 32 ? e.b.getI32Type()
                                                            : e.b.getI64Type();
  }

  // No element is worse than this one; where none is better, the first is best.
  Values start() override {
    return {e.identity(max ? ReduceKind::max : ReduceKind::min, type),
            e.constant(position, 0)};
  }
  Values add(ValueRange before, Value x, Index at) override {
    x = e.convert(x, type);
    Value where = at.value;
    if (at.kind == Index::Lanes && !e.machine.lanesAreInvocations)
      where = arith::DivUIOp::create(e.b, where, e.idx(e.lanes));
    where = arith::IndexCastOp::create(e.b, position, where);
    if (e.isVector(before[0])) {
      x = e.splat(x);
      where = e.splat(where);
    }
    return choose(better(x, before[0]), {x, where}, before);
  }
  Values addAll(ValueRange before, ArrayRef<Value> xs,
                ArrayRef<Index> at) override {
    Values best = before;
    for (auto [x, where] : llvm::zip_equal(xs, at))
      best = add(best, x, where);
    return best;
  }
  Values merge(ValueRange x, ValueRange y) override {
    // Of equally good ones the earlier.
    Value yWins = better(y[0], x[0]), xWins = better(x[0], y[0]);
    Value yes = arith::ConstantOp::create(e.b, e.b.getOneAttr(xWins.getType()));
    Value yIsEarlier =
        arith::CmpIOp::create(e.b, arith::CmpIPredicate::slt, y[1], x[1]);
    return choose(
        arith::SelectOp::create(e.b, yIsEarlier,
                                arith::XOrIOp::create(e.b, xWins, yes), yWins),
        y, x);
  }
  Value finish(ValueRange partial) override { return partial[1]; }
  Value finishAcross(ValueRange partial) override {
    if (e.machine.lanesAreInvocations)
      return firstOfInvocations(partial);
    auto wide = cast<VectorType>(e.vectorOf(e.b.getI64Type()));
    auto indices = cast<VectorType>(e.vectorOf(e.b.getIndexType()));
    Value lane = arith::IndexCastOp::create(
        e.b, wide, vector::StepOp::create(e.b, indices));
    Value step = e.convert(partial[1], e.b.getI64Type());
    Value size = e.splat(e.constant(e.b.getI64Type(), e.lanes));
    Values best{partial[0], e.add(e.mul(step, size), lane)};
    // Halves against each other, in the end the two last lanes. (Of vectors
    // turned by one lane LLVM 22 has compared a lane of f64 with itself.)
    for (int64_t half = e.lanes / 2; half > 0; half /= 2) {
      auto part = [&](int64_t first) {
        Values lanes;
        for (Value v : best)
          lanes.push_back(
              half == 1 ? vector::ExtractOp::create(e.b, v, first).getResult()
                        : vector::ExtractStridedSliceOp::create(e.b, v, first,
                                                                half, 1));
        return lanes;
      };
      best = merge(part(0), part(half));
    }
    return best[1];
  }

private:
  KernelEmitter &e;
  bool max;
  Type type, position;

  /// The smallest position of those whose element is as good as the best.
  Value firstOfInvocations(ValueRange partial) {
    Value best = e.combineInvocations(max ? ReduceKind::max : ReduceKind::min,
                                      partial[0]);
    Value none = e.identity(ReduceKind::min, position);
    Value where = arith::SelectOp::create(e.b, better(best, partial[0]), none,
                                          partial[1]);
    return e.convert(e.combineInvocations(ReduceKind::min, where),
                     e.b.getI64Type());
  }

  Value better(Value x, Value best) {
    if (!isa<FloatType>(type))
      return arith::CmpIOp::create(
          e.b, max ? arith::CmpIPredicate::sgt : arith::CmpIPredicate::slt, x,
          best);
    // Further, or NaN; and the best so far is none.
    Value beyond = arith::CmpFOp::create(
        e.b, max ? arith::CmpFPredicate::UGT : arith::CmpFPredicate::ULT, x,
        best);
    Value ofNumber =
        arith::CmpFOp::create(e.b, arith::CmpFPredicate::ORD, best, best);
    return arith::AndIOp::create(e.b, beyond, ofNumber);
  }
  Values choose(Value condition, ValueRange x, ValueRange y) {
    Values chosen;
    for (auto [a, b] : llvm::zip_equal(x, y))
      chosen.push_back(arith::SelectOp::create(e.b, condition, a, b));
    return chosen;
  }
};

} // namespace

std::unique_ptr<Partial> partialOf(KernelEmitter &e, Operation *op,
                                   bool across) {
  if (auto reduce = dyn_cast<ReduceOp>(op))
    return std::make_unique<ReducePartial>(e, reduce);
  return std::make_unique<ArgPartial>(e, cast<ArgReduceOp>(op), across);
}

void checkNotEmpty(KernelEmitter &e, Operation *op) {
  auto arg = dyn_cast<ArgReduceOp>(op);
  if (!arg)
    return;
  Dim size = dimOf(arg.getX(), arg.getAxis());
  if (size.constant().value_or(0) != 0)
    return;
  Value none = e.constant(e.b.getI64Type(), 0);
  e.report(arith::CmpIOp::create(e.b, arith::CmpIPredicate::eq, e.dim(size),
                                 e.idx(0)),
           op->getLoc(), none, none);
}

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

} // namespace mapsto
