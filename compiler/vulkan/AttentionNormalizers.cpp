//===- AttentionNormalizers.cpp - Scores to weights in a shader -----------===//

#include "compiler/KernelAttributes.h"
#include "compiler/vulkan/AttentionShader.h"

using namespace mlir;

namespace mapsto {

Value AttentionShader::exponential(Value x) {
  Value v = inBits ? math::Exp2Op::create(e.b, x).getResult()
                   : math::ExpOp::create(e.b, x).getResult();
  v.getDefiningOp()->setAttr(kOfSoftmaxAttr, e.b.getUnitAttr());
  return v;
}

void AttentionShader::combineRows(const Buffer &own, ReduceKind kind,
                                  const Buffer &exchange) {
  auto combined = [&](Value l, Value r) {
    bool isExtreme = kind != ReduceKind::sum && isa<FloatType>(l.getType());
    return isExtreme ? e.extreme(kind, r, l) : e.combine(kind, l, r);
  };
  auto none = [](function_ref<void()> body) {
    body();
    return SmallVector<Value>();
  };
  auto overWorkgroup = [&] {
    e.unrolled(rowsEach, "r", [&](Index r) {
      e.store(e.combineInvocations(kind, e.load(own, r)), own, r);
    });
  };
  auto overRows = [&] {
    Value stride = e.add(across, e.idx(1));
    e.barrierOfArrays();
    eachRow([&](Index r, Index row) {
      e.store(e.load(own, r), exchange, place(row, stride, x));
    });
    e.barrierOfArrays();
    eachRow([&](Index r, Index row) {
      Value first = e.mul(row.value, stride);
      Value all =
          e.loop(e.idx(1), across, 1, e.load(exchange, varying(first)),
                 [&](Value i, ValueRange carried) -> SmallVector<Value> {
                   Value other = e.load(exchange, varying(e.add(first, i)));
                   return {combined(carried[0], other)};
                 })[0];
      e.store(all, own, r);
    });
  };
  e.branch(
      e.less(down, e.idx(2)), {}, [&] { return none(overWorkgroup); },
      [&] { return none(overRows); });
}

void AttentionShader::softmaxBlock() {
  Buffer top = e.ownArray("top", rowsEach, type);
  eachRow([&](Index own, Index row) {
    Indices place = placeOf(row);
    Value highest = eachKey(number(-kInfinity), [&](Index key, Value sofar) {
      Value s = finishedScore(row, place, key);
      e.store(s, scores, scoreAt(row, key));
      if (weights)
        storeWeight(s, row, place, key);
      return e.extreme(ReduceKind::max, s, sofar);
    });
    e.store(highest, top, own);
  });
  combineRows(top, ReduceKind::max, staging);
  eachRow([&](Index own, Index row) {
    Value before = e.load(maximum, own);
    Value after = e.extreme(ReduceKind::max, e.load(top, own), before);
    // While no key has been seen every exponential is 0, not exp(-inf + inf).
    Value reference = referenceOf(after);
    Value factor = exponential(arith::SubFOp::create(e.b, before, reference));
    e.store(after, maximum, own);
    e.store(factor, rescale, own);
    Value added = eachKey(number(0), [&](Index key, Value sofar) {
      Value s = e.load(scores, scoreAt(row, key));
      Value p = exponential(arith::SubFOp::create(e.b, s, reference));
      e.store(p, scores, scoreAt(row, key));
      return e.combine(ReduceKind::sum, sofar, p);
    });
    e.store(e.fma(e.load(sum, own), factor, added), sum, own);
  });
}

void AttentionShader::sigmoidBlock() {
  eachRow([&](Index, Index row) {
    Indices place = placeOf(row);
    eachKey([&](Index key) {
      Value s = finishedScore(row, place, key);
      Value exp = math::ExpOp::create(e.b, arith::NegFOp::create(e.b, s));
      Value p = arith::DivFOp::create(
          e.b, number(1), arith::AddFOp::create(e.b, number(1), exp));
      e.store(p, scores, scoreAt(row, key));
      if (weights)
        storeWeight(p, row, place, key);
    });
  });
}

void AttentionShader::hardBlock() {
  eachRow([&](Index own, Index row) {
    Indices place = placeOf(row);
    eachKey([&](Index key) {
      Value s = finishedScore(row, place, key);
      e.when(greater(s, e.load(maximum, own)), [&] {
        e.store(s, maximum, own);
        e.store(keyNumber(keyOf(key).value), bestKey, own);
      });
    });
  });
}

void AttentionShader::combineBest() {
  Buffer highest = e.ownArray("top", rowsEach, type);
  eachRow(
      [&](Index own, Index) { e.store(e.load(maximum, own), highest, own); });
  combineRows(highest, ReduceKind::max, staging);
  eachRow([&](Index own, Index) {
    Value top = e.load(highest, own);
    Value found = both(equal(e.load(maximum, own), top),
                       greater(top, number(-kInfinity)));
    Value none = keyNumber(e.dim(keys));
    e.store(select(found, e.load(bestKey, own), none), bestKey, own);
  });
  combineRows(bestKey, ReduceKind::min, sharedKeys);
}

void AttentionShader::findThresholds() {
  auto eachScore = [&](function_ref<void(Index, Value)> body) {
    eachKeyBlock([&] {
      rawScores();
      eachRow([&](Index own, Index row) {
        Indices place = placeOf(row);
        eachKey([&](Index key) { body(own, finishedScore(row, place, key)); });
      });
    });
  };
  eachScore([&](Index own, Value s) {
    Value sofar = e.load(maximum, own);
    e.store(e.extreme(ReduceKind::max, s, sofar), maximum, own);
  });
  combineRows(maximum, ReduceKind::max, staging);
  // No weight is above 1, so tau is not below the maximum less 1.
  eachRow([&](Index own, Index) {
    Value top = referenceOf(e.load(maximum, own));
    e.store(arith::SubFOp::create(e.b, top, number(1)), threshold, own);
    e.store(number(kInfinity), above, own);
  });
  Value yes = e.constant(e.b.getI1Type(), 1),
        no = e.constant(e.b.getI1Type(), 0);
  auto step = [&]() -> SmallVector<Value> {
    Buffer before = e.ownArray("before", rowsEach, type);
    eachRow([&](Index own, Index) {
      e.store(e.load(above, own), before, own);
      e.store(number(0), above, own);
      e.store(number(0), mass, own);
    });
    eachScore([&](Index own, Value s) {
      Value tau = e.load(threshold, own);
      e.when(greater(s, tau), [&] {
        e.store(arith::AddFOp::create(e.b, e.load(mass, own),
                                      arith::SubFOp::create(e.b, s, tau)),
                mass, own);
        e.store(arith::AddFOp::create(e.b, e.load(above, own), number(1)),
                above, own);
      });
    });
    combineRows(mass, ReduceKind::sum, staging);
    combineRows(above, ReduceKind::sum, staging);
    Buffer moved = e.ownArray("moved", Dim(1), e.b.getI32Type());
    e.store(e.constant(e.b.getI32Type(), 0), moved, varying(e.idx(0)));
    eachRow([&](Index own, Index) {
      Value count = e.load(above, own);
      Value fewer =
          both(greater(e.load(before, own), count), greater(count, number(0)));
      e.when(fewer, [&] {
        Value rest = arith::SubFOp::create(e.b, e.load(mass, own), number(1));
        Value tau =
            arith::AddFOp::create(e.b, e.load(threshold, own),
                                  arith::DivFOp::create(e.b, rest, count));
        e.store(tau, threshold, own);
        e.store(e.constant(e.b.getI32Type(), 1), moved, varying(e.idx(0)));
      });
    });
    Value any = arith::CmpIOp::create(e.b, arith::CmpIPredicate::ne,
                                      e.load(moved, varying(e.idx(0))),
                                      e.constant(e.b.getI32Type(), 0));
    return {e.combineInvocations(ReduceKind::any, any)};
  };
  // As many steps as there are scores are enough; a few usually are.
  e.loop(e.idx(-1), e.dim(keys), 1, yes,
         [&](Value, ValueRange moving) -> SmallVector<Value> {
           return e.branch(moving[0], e.b.getI1Type(), step,
                           [&]() -> SmallVector<Value> { return {no}; });
         });
}

void AttentionShader::sparsemaxBlock() {
  eachRow([&](Index own, Index row) {
    Indices place = placeOf(row);
    Value tau = e.load(threshold, own);
    eachKey([&](Index key) {
      Value s = finishedScore(row, place, key);
      Value p = arith::MaximumFOp::create(
          e.b, arith::SubFOp::create(e.b, s, tau), number(0));
      e.store(p, scores, scoreAt(row, key));
      if (weights)
        storeWeight(p, row, place, key);
    });
  });
}

} // namespace mapsto
