//===- AttentionOutput.cpp - Weighted values, and what is returned --------===//

#include "compiler/kernel/AttentionEmitter.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace mapsto {

void AttentionEmitter::accumulate() {
  auto tile = [&](ArrayRef<Index> columns) {
    return [=, this](Value row, int64_t count) {
      accumulateTile(row, count, columns);
    };
  };
  int64_t pair = panel() / e.lanes;
  eachColumns(pair,
              [&](ArrayRef<Index> columns) { eachLargeTile(tile(columns)); });
  // A single row wants enough sums to hide how long one addition takes.
  eachColumns(4 * pair,
              [&](ArrayRef<Index> columns) { lastSingleRow(tile(columns)); });
}

void AttentionEmitter::eachColumns(int64_t most,
                                   function_ref<void(ArrayRef<Index>)> body) {
  std::optional<int64_t> known = features.constant();
  int64_t vectors = std::min(most, known ? *known / e.lanes : 0);
  int64_t step = vectors * e.lanes;
  int64_t whole = vectors > 0 ? *known / step * step : 0;
  if (whole > 0)
    e.loop(e.idx(0), e.idx(whole), step, [&](Value d) {
      Indices columns;
      for (int64_t v = 0; v < vectors; ++v)
        columns.push_back({e.add(d, e.idx(v * e.lanes)), Index::Lanes, true});
      body(columns);
    });
  if (known && whole == *known)
    return;
  e.laneLoop(features - Dim(whole), [&](Index d) {
    body({{e.add(d.value, e.idx(whole)), Index::Lanes, true}});
  });
}

void AttentionEmitter::accumulateTile(Value row, int64_t count,
                                      ArrayRef<Index> columns) {
  SmallVector<Value> sums;
  for (int64_t r = 0; r < count; ++r) {
    Index at = e.uniform(e.add(row, e.idx(r)));
    Value factor = e.splat(e.load(rescale, {at}));
    for (Index d : columns)
      sums.push_back(
          arith::MulFOp::create(e.b, e.splat(e.load(output, {at, d})), factor));
  }
  Range seen = keysSeenBy(row, count);
  sums =
      e.loop(seen.begin, seen.end, 1, sums, [&](Value j, ValueRange carried) {
        SmallVector<Value> next(carried), values;
        Index key = e.uniform(e.add(firstKey, j));
        for (Index d : columns)
          values.push_back(e.convert(
              e.elementVector(op.getValue(), with(valueBatch, key, d)), type));
        for (int64_t r = 0; r < count; ++r) {
          Value p = e.splat(
              e.load(scores, {e.uniform(e.add(row, e.idx(r))), e.uniform(j)}));
          for (size_t v = 0; v < columns.size(); ++v) {
            Value &sum = next[r * columns.size() + v];
            sum = e.fma(p, values[v], sum);
          }
        }
        return next;
      });
  for (int64_t r = 0; r < count; ++r)
    for (auto [v, d] : llvm::enumerate(columns))
      e.store(sums[r * columns.size() + v], output,
              {e.uniform(e.add(row, e.idx(r))), d});
}

void AttentionEmitter::finish() {
  eachRow([&](Value row) {
    if (normalizer == Normalizer::hard)
      return finishHard(row);
    Value factor = number(1);
    Value l = e.combineLanes(
        ReduceKind::sum,
        e.load(sum, {rowIndex(row), {e.idx(0), Index::Lanes, true}}));
    if (normalizer == Normalizer::softmax) {
      Value none =
          arith::CmpFOp::create(e.b, arith::CmpFPredicate::OEQ, l, number(0));
      factor = arith::SelectOp::create(
          e.b, none, number(0), arith::DivFOp::create(e.b, number(1), l));
    }
    Value factors = e.splat(factor);
    e.laneLoop(features, [&](Index d) {
      Value o = arith::MulFOp::create(
          e.b, e.splat(e.load(output, {rowIndex(row), d})), factors);
      e.store(o, context, atRow(row, d));
    });
    Value m = e.load(maximum, {rowIndex(row)});
    if (logSumExp)
      e.store(e.fma(m, number(inBits ? llvm::numbers::ln2 : 1),
                    math::LogOp::create(e.b, l)),
              *logSumExp, placeOf(rowIndex(row)));
    if (weights && normalizer == Normalizer::softmax) {
      // The scores are there already; m and l are known only now.
      Value reference = arith::SelectOp::create(e.b, isNone(m), number(0), m);
      Value shift = e.splat(reference);
      e.laneLoop(keys, [&](Index j) {
        Indices at = atRow(row, j);
        Value s = e.convert(e.splat(e.load(*weights, at)), type);
        Value p = exponential(arith::SubFOp::create(e.b, s, shift));
        e.store(arith::MulFOp::create(e.b, p, factors), *weights, at);
      });
    }
  });
}

void AttentionEmitter::finishHard(Value row) {
  Value key = e.load(best, {rowIndex(row)});
  Value found = arith::CmpIOp::create(e.b, arith::CmpIPredicate::sge, key,
                                      e.constant(e.b.getI64Type(), 0));
  e.when(found, [&] {
    Index at = e.fromInteger(key, /*varies=*/false);
    e.laneLoop(features, [&](Index d) {
      Value v = e.elementVector(op.getValue(), with(valueBatch, at, d));
      e.store(e.convert(v, type), output, {rowIndex(row), d});
    });
  });
  e.laneLoop(features, [&](Index d) {
    e.store(e.load(output, {rowIndex(row), d}), context, atRow(row, d));
  });
  if (logSumExp)
    e.store(e.load(maximum, {rowIndex(row)}), *logSumExp,
            placeOf(rowIndex(row)));
  if (!weights)
    return;
  Value wanted = e.splat(key);
  e.laneLoop(keys, [&](Index j) {
    Value at = e.toInteger(j, e.b.getI64Type());
    Value hit = arith::CmpIOp::create(e.b, arith::CmpIPredicate::eq,
                                      e.splat(at), wanted);
    storeWeights(arith::SelectOp::create(e.b, hit, vector(1), vector(0)), row,
                 j);
  });
}

} // namespace mapsto
