//===- AttentionNormalizers.cpp - Scores to weights -----------------------===//

#include "compiler/cpu/SoftmaxFormula.h"
#include "compiler/kernel/AttentionEmitter.h"

using namespace mlir;

namespace mapsto {

void AttentionEmitter::finishTile(Value first) {
  int64_t tile = e.tileRows();
  seen = keysSeenBy(first, tile);
  auto each = [&](function_ref<void(Value)> body) {
    e.loop(first, e.minIndex(e.add(first, e.idx(tile)), rows), 1, body);
  };
  switch (normalizer) {
  case Normalizer::softmax:
    each([&](Value row) {
      e.store(finishScores(row), reference, {rowIndex(row)});
    });
    e.laneLoop(Dim(tile),
               [&](Index n) { raiseMaxima(e.addIndex(n, e.uniform(first))); });
    return each([&](Value row) { exponentiate(row); });
  case Normalizer::hard:
    return each([&](Value row) { hardRow(row); });
  case Normalizer::sigmoid:
    return each([&](Value row) { sigmoidRow(row); });
  case Normalizer::sparsemax:
    return each([&](Value row) {
      e.laneLoop(keyCount, [&](Index j) {
        e.store(finishedScore(row, j), allScores,
                {rowIndex(row), e.addIndex(j, e.uniform(firstKey))});
      });
    });
  }
}

Value AttentionEmitter::finishScores(Value row) {
  auto walk = [&](Range range, Value sofar, bool kept) {
    return eachKey(range, sofar, [&](Index j, ValueRange carried) {
      Value s = finishedScore(row, j, kept);
      if (!kept || !op.getModify().empty())
        e.store(s, scores, {rowIndex(row), j});
      if (weights)
        storeWeights(s, row, e.addIndex(j, e.uniform(firstKey)));
      return SmallVector<Value>{e.extreme(ReduceKind::max, s, carried[0])};
    })[0];
  };
  Value lanes = vector(-kInfinity);
  if (op.getMask().empty()) {
    lanes = walk(seen, lanes, true);
  } else if (!bounds.exact) {
    lanes = walk(seen, lanes, false);
  } else {
    Range kept = keysKeptBy(row);
    if (!bounds.behind.empty())
      lanes =
          walk({seen.begin, e.minIndex(kept.begin, seen.end)}, lanes, false);
    lanes = walk(kept, lanes, true);
    if (!bounds.ahead.empty())
      lanes = walk({kept.end, seen.end}, lanes, false);
  }
  return e.extremeLane(ReduceKind::max, lanes);
}

Value AttentionEmitter::isNone(Value m) {
  return arith::CmpFOp::create(e.b, arith::CmpFPredicate::OEQ, m,
                               e.isVector(m) ? vector(-kInfinity)
                                             : number(-kInfinity));
}

Value AttentionEmitter::exponential(Value x) {
  if (!type.isF32())
    return inBits ? math::Exp2Op::create(e.b, x).getResult()
                  : math::ExpOp::create(e.b, x).getResult();
  Float bits{&e.b, x};
  return inBits ? softmaxExp2(bits).v : softmaxExp(bits).v;
}

void AttentionEmitter::raiseMaxima(Index row) {
  Value before = e.load(maximum, {row});
  Value after = e.extreme(ReduceKind::max, e.load(reference, {row}), before);
  // While no key has been seen every exponential is 0, not exp(-inf + inf).
  Value shift = arith::SelectOp::create(e.b, isNone(after), vector(0), after);
  e.store(after, maximum, {row});
  e.store(shift, reference, {row});
  e.store(exponential(arith::SubFOp::create(e.b, before, shift)), rescale,
          {row});
}

void AttentionEmitter::exponentiate(Value row) {
  Value shift = e.splat(e.load(reference, {rowIndex(row)}));
  Value total = eachKey(seen, vector(0), [&](Index j, ValueRange carried) {
    Value s = e.load(scores, {rowIndex(row), j});
    Value p = exponential(arith::SubFOp::create(e.b, s, shift));
    if (Value mask = e.currentMask())
      p = arith::SelectOp::create(e.b, mask, p, vector(0));
    e.store(p, scores, {rowIndex(row), j});
    return SmallVector<Value>{e.combine(ReduceKind::sum, carried[0], p)};
  })[0];
  Indices at{rowIndex(row), {e.idx(0), Index::Lanes, true}};
  Value factor = e.splat(e.load(rescale, {rowIndex(row)}));
  e.store(e.fma(e.load(sum, at), factor, total), sum, at);
}

void AttentionEmitter::sigmoidRow(Value row) {
  eachKey(seen, {}, [&](Index j, ValueRange) {
    Value s = finishedScore(row, j);
    Value exp = math::ExpOp::create(e.b, arith::NegFOp::create(e.b, s));
    Value p = arith::DivFOp::create(e.b, vector(1),
                                    arith::AddFOp::create(e.b, vector(1), exp));
    e.store(p, scores, {rowIndex(row), j});
    if (weights)
      storeWeights(p, row, e.addIndex(j, e.uniform(firstKey)));
    return SmallVector<Value>();
  });
  e.store(number(1), rescale, {rowIndex(row)});
}

void AttentionEmitter::hardRow(Value row) {
  Value blockMaximum = finishScores(row);
  Value before = e.load(maximum, {rowIndex(row)});
  Value higher = arith::CmpFOp::create(e.b, arith::CmpFPredicate::OGT,
                                       blockMaximum, before);
  e.when(higher, [&] {
    Value none = e.dim(keys);
    Value wanted = e.splat(blockMaximum);
    Value nones = e.splat(none);
    Value lanes = eachKey(seen, nones, [&](Index j, ValueRange carried) {
      Value s = e.load(scores, {rowIndex(row), j});
      Value hit =
          arith::CmpFOp::create(e.b, arith::CmpFPredicate::OEQ, s, wanted);
      if (Value mask = e.currentMask())
        hit = arith::AndIOp::create(e.b, hit, mask);
      Value key = e.indexVector(e.addIndex(j, e.uniform(firstKey)));
      Value at = arith::SelectOp::create(e.b, hit, key, nones);
      return SmallVector<Value>{arith::MinSIOp::create(e.b, carried[0], at)};
    })[0];
    Value first =
        vector::ReductionOp::create(e.b, vector::CombiningKind::MINSI, lanes);
    e.store(arith::IndexCastOp::create(e.b, e.b.getI64Type(), first), best,
            {rowIndex(row)});
    e.store(blockMaximum, maximum, {rowIndex(row)});
  });
}

void AttentionEmitter::emitSparsemax() {
  constexpr int64_t kBisections = 30; // of an interval of length 1
  eachRow([&](Value row) {
    auto reduceRow = [&](ReduceKind kind, Value init,
                         function_ref<Value(Value)> map) {
      Value lanes =
          e.laneLoop(keys, e.splat(init), [&](Index j, ValueRange carried) {
            Value v = map(e.load(allScores, {rowIndex(row), j}));
            Value next = e.combine(kind, carried[0], v);
            if (Value mask = e.currentMask())
              next = arith::SelectOp::create(e.b, mask, next, carried[0]);
            return SmallVector<Value>{next};
          })[0];
      return e.combineLanes(kind, lanes);
    };
    Value top = reduceRow(ReduceKind::max, number(-kInfinity),
                          [](Value s) { return s; });
    Value above = arith::SelectOp::create(e.b, isNone(top), number(0), top);
    SmallVector<Value> interval = e.loop(
        e.idx(0), e.idx(kBisections), 1,
        {arith::SubFOp::create(e.b, above, number(1)), above},
        [&](Value, ValueRange ends) {
          Value middle = arith::MulFOp::create(
              e.b, arith::AddFOp::create(e.b, ends[0], ends[1]), number(0.5));
          Value tau = e.splat(middle);
          Value mass = reduceRow(ReduceKind::sum, number(0), [&](Value s) {
            return arith::MaximumFOp::create(
                       e.b, arith::SubFOp::create(e.b, s, tau), vector(0))
                .getResult();
          });
          Value tooMuch = arith::CmpFOp::create(e.b, arith::CmpFPredicate::OGE,
                                                mass, number(1));
          return SmallVector<Value>{
              arith::SelectOp::create(e.b, tooMuch, middle, ends[0]),
              arith::SelectOp::create(e.b, tooMuch, ends[1], middle)};
        });
    Value low = e.splat(interval[0]);
    auto inSupport = [&](Value s) {
      return arith::CmpFOp::create(e.b, arith::CmpFPredicate::OGT, s, low)
          .getResult();
    };
    Value count = reduceRow(ReduceKind::sum, number(0), [&](Value s) {
      return arith::SelectOp::create(e.b, inSupport(s), vector(1), vector(0))
          .getResult();
    });
    Value mass = reduceRow(ReduceKind::sum, number(0), [&](Value s) {
      return arith::SelectOp::create(e.b, inSupport(s), s, vector(0))
          .getResult();
    });
    Value tau = arith::DivFOp::create(
        e.b, arith::SubFOp::create(e.b, mass, number(1)), count);
    tau = arith::SelectOp::create(e.b, isNone(top), number(0), tau);
    e.store(tau, maximum, {rowIndex(row)});
    e.store(number(1), rescale, {rowIndex(row)});
  });
  e.loop(e.idx(0), e.dim(keys), grid.keyBlock, [&](Value key) {
    firstKey = key;
    keyCount = e.minIndex(e.idx(grid.keyBlock), e.sub(e.dim(keys), key));
    eachRow([&](Value row) {
      Value tau = e.splat(e.load(maximum, {rowIndex(row)}));
      e.laneLoop(keyCount, [&](Index j) {
        Index at = e.addIndex(j, e.uniform(firstKey));
        Value s = e.load(allScores, {rowIndex(row), at});
        Value p = arith::MaximumFOp::create(
            e.b, arith::SubFOp::create(e.b, s, tau), vector(0));
        e.store(p, scores, {rowIndex(row), j});
        if (weights)
          storeWeights(p, row, at);
      });
    });
    accumulate();
  });
}

} // namespace mapsto
