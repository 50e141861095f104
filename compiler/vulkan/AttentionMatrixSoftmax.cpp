//===- AttentionMatrixSoftmax.cpp - Scores to weights, beside matrices ----===//
//
// A subgroup's scores lie in shared memory; a row is one invocation's where
// there are not more invocations than rows, else so many invocations' part by
// part.
//
//===----------------------------------------------------------------------===//

#include "compiler/KernelAttributes.h"
#include "compiler/vulkan/AttentionMatrices.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace mapsto {

static constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// Powers of 2. Weights, in f16, are up to 2^15 and the sums they go into in
/// f32: a score may be so far above the reference. A new reference is so far
/// below the maximum that small weights keep what bits f16 has for them.
static constexpr double kMostAbove = 15, kBelowTop = 7;
/// What O is divided by stays a number; what is left of O is 0.
static constexpr double kMostGrowth = 126;

Value AttentionMatrices::exponential(Value x) {
  Value v = inBits ? math::Exp2Op::create(e.b, x).getResult()
                   : math::ExpOp::create(e.b, x).getResult();
  v.getDefiningOp()->setAttr(kOfSoftmaxAttr, e.b.getUnitAttr());
  return v;
}

void AttentionMatrices::eachLine(function_ref<void(Value, Value)> body) {
  unrolled("line", lines, [&](Value line) {
    Value own = e.add(rem(lane, ownRows), e.mul(line, lanes));
    body(line, named(e.add(inRow, own), "row"));
  });
}

void AttentionMatrices::eachKey(function_ref<void(Value, Value)> body) {
  unrolled("n", keysEach, [&](Value n) {
    body(n, named(e.add(e.mul(part, keysEach), n), "key"));
  });
}

Value AttentionMatrices::inExchange(Value part, Value row) {
  return e.add(e.mul(part, rowBlock), row);
}

void AttentionMatrices::combineParts(Value own, ReduceKind kind) {
  auto combined = [&](Value x, Value y) {
    return kind == ReduceKind::max ? e.extreme(kind, y, x)
                                   : e.combine(kind, x, y);
  };
  // With parts an invocation has one line, and all come here.
  e.when(e.less(e.idx(1), parts), [&] {
    eachLine([&](Value line, Value row) {
      put(exchange, inExchange(part, row), get(own, line));
    });
    barrierOfSubgroup(e);
    eachLine([&](Value line, Value row) {
      put(own, line, get(exchange, inExchange(e.idx(0), row)));
      e.loop(e.idx(1), parts, 1, [&](Value p) {
        Value other = get(exchange, inExchange(p, row));
        put(own, line, combined(get(own, line), other));
      });
    });
  });
}

Value AttentionMatrices::finishedScore(Value raw, const Indices &place,
                                       Value key) {
  Value s = product(raw, number(op.getScale().convertToDouble() *
                                (inBits ? llvm::numbers::log2e : 1)));
  Value kept = e.less(key, keyCount);
  // Past the last key regions are asked of the last one.
  Value within = e.minIndex(key, e.sub(keyCount, e.idx(1)));
  Index at = varying(e.add(firstKey, within));
  if (!op.getModify().empty())
    s = modified(s, place, at);
  if (!op.getMask().empty())
    kept = both(isKept(place, at), kept);
  return select(kept, s, number(-kInfinity));
}

void AttentionMatrices::finishScores(Value line, Value row) {
  // So past the last row.
  Indices place = placeOf(varying(e.minIndex(row, e.sub(rows, e.idx(1)))));
  put(top, line, number(-kInfinity));
  eachKey([&](Value n, Value key) {
    Value raw = get(scoreTile.array, inTile(scoreTile, key, row));
    Value s = finishedScore(raw, place, key);
    put(finished, e.add(e.mul(line, keysEach), n), s);
    put(top, line, e.extreme(ReduceKind::max, s, get(top, line)));
  });
}

Value AttentionMatrices::moveReference(Value line) {
  double unit = inBits ? 1 : llvm::numbers::ln2;
  Value before = get(reference, line), highest = get(top, line);
  Value most = arith::AddFOp::create(e.b, before, number(kMostAbove * unit));
  Value moves = compare(arith::CmpFPredicate::OGT, highest, most);
  Value after =
      select(moves, difference(highest, number(kBelowTop * unit)), before);
  put(reference, line, after);
  // Without a reference before there are no sums yet.
  Value isFirst =
      compare(arith::CmpFPredicate::OEQ, before, number(-kInfinity));
  Value none =
      arith::XOrIOp::create(e.b, isFirst, e.constant(e.b.getI1Type(), 1));
  Value grows = both(moves, none);
  Value by = e.extreme(ReduceKind::min, difference(after, before),
                       number(kMostGrowth * unit));
  put(growth, line, select(grows, exponential(by), number(1)));
  return grows;
}

Value AttentionMatrices::softmax() {
  eachLine([&](Value line, Value row) { finishScores(line, row); });
  combineParts(top, ReduceKind::max);
  Type i1 = e.b.getI1Type();
  Value grew = e.loop(
      e.idx(0), lines, 1, e.constant(i1, 0),
      [&](Value line, ValueRange before) -> SmallVector<Value> {
        return {arith::OrIOp::create(e.b, before[0], moveReference(line))};
      })[0];
  grew.getDefiningOp()->setAttr(kUnrollAttr, e.b.getUnitAttr());
  Value mayHaveGrown = named(maySubgroupHold(e, grew), "mayHaveGrown");
  eachLine([&](Value line, Value row) {
    Value from = get(reference, line);
    Value isNone = compare(arith::CmpFPredicate::OEQ, from, number(-kInfinity));
    // While no key has been seen every exponential is 0, not exp(-inf + inf).
    from = named(select(isNone, number(0), from), "from");
    put(total, line, quotient(get(total, line), get(growth, line)));
    eachKey([&](Value n, Value key) {
      Value s = get(finished, e.add(e.mul(line, keysEach), n));
      Value p = exponential(difference(s, from));
      put(total, line, arith::AddFOp::create(e.b, get(total, line), p));
      put(weightTile.array, inTile(weightTile, key, row),
          e.convert(p, e.b.getF16Type()));
    });
  });
  // A matrix of what each row has grown by, in place of the first scores, which
  // their invocations have read.
  e.when(mayHaveGrown, [&] {
    eachLine([&](Value line, Value row) {
      eachKey([&](Value, Value key) {
        e.when(e.less(key, matrixColumns), [&] {
          put(scoreTile.array, inTile(scoreTile, key, row), get(growth, line));
        });
      });
    });
  });
  return mayHaveGrown;
}

} // namespace mapsto
