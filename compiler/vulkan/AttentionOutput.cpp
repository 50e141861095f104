//===- AttentionOutput.cpp - Weighted values, and what is returned --------===//

#include "compiler/vulkan/AttentionShader.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace mapsto {

void AttentionShader::accumulate() {
  e.when(e.less(e.idx(0), e.dim(features)), [&] { accumulateValues(); });
}

void AttentionShader::accumulateValues() {
  if (normalizer == Normalizer::softmax)
    eachRow([&](Index r, Index) {
      Value factor = e.load(rescale, r);
      eachColumn([&](Index c, Index) {
        Value o = e.load(output, outputAt(r, c));
        e.store(arith::MulFOp::create(e.b, o, factor), output, outputAt(r, c));
      });
    });
  Buffer weight = e.ownArray("weight", rowsEach, type);
  e.loop(e.idx(0), keyCount, values, [&](Value first) {
    e.barrierOfArrays(); // the weights are there, the values before have been
                         // read
    stageValues(first);
    e.barrierOfArrays();
    Value count = e.minIndex(values, e.sub(keyCount, first));
    e.loop(e.idx(0), count, 1, [&](Value j) {
      Index key = varying(e.add(first, j));
      eachRow([&](Index r, Index row) {
        e.store(e.load(scores, scoreAt(row, key)), weight, r);
      });
      eachColumn([&](Index c, Index column) {
        Value v = e.load(staging, place(varying(j), paddedColumns, column));
        e.unrolled(rowsEach, "r", [&](Index r) {
          Value o = e.load(output, outputAt(r, c));
          e.store(e.fma(e.load(weight, r), v, o), output, outputAt(r, c));
        });
      });
    });
  });
}

void AttentionShader::stageValues(Value first) {
  bool whole = llvm::all_of(tiles.choices, [&](const auto &tile) {
    return features == Dim(tile.paddedColumns());
  });
  Value lastColumn = e.sub(e.dim(features), e.idx(1));
  Value lastKey = e.sub(keyCount, e.idx(1));
  // Past the last key or column it is staged again: what comes of it is not
  // read.
  shareOut(e.mul(values, paddedColumns), [&](Index i) {
    Index column = varying(rem(i.value, paddedColumns));
    Value j = div(i.value, paddedColumns);
    Value key = e.minIndex(e.add(first, j), lastKey);
    Index from = e.addIndex(column, e.uniform(firstColumn));
    if (!whole)
      from = varying(e.minIndex(from.value, lastColumn));
    Value v =
        e.element(op.getValue(), with(valueBatch, keyOf(varying(key)), from));
    e.store(e.convert(v, type), staging, i);
  });
}

void AttentionShader::storeOutput(
    function_ref<Value(Index, Index, Index)> value) {
  eachRow([&](Index r, Index row) {
    e.when(isRow(row), [&] {
      Indices place = placeOf(row);
      eachColumn([&](Index c, Index column) {
        Index at = e.addIndex(column, e.uniform(firstColumn));
        Value inRun = e.less(column.value, e.idx(tiles.columns));
        Value isColumn = both(inRun, e.less(at.value, e.dim(features)));
        e.when(isColumn,
               [&] { e.store(value(r, c, at), context, with(place, at)); });
      });
    });
  });
}

void AttentionShader::storeWeight(Value v, Index row, const Indices &place,
                                  Index key) {
  e.when(both(isFirstRun, both(isRow(row), isKey(key))),
         [&] { e.store(v, *weights, with(place, keyOf(key))); });
}

void AttentionShader::finish() {
  if (normalizer == Normalizer::softmax)
    combineRows(sum, ReduceKind::sum, staging);
  if (tiles.mayBeSplit)
    e.when(mergeParts(), [&] { finishRows(); });
  else
    finishRows();
}

void AttentionShader::finishRows() {
  bool isSoftmax = normalizer == Normalizer::softmax;
  if (isSoftmax)
    eachRow([&](Index r, Index) {
      Value l = e.load(sum, r);
      Value factor = arith::DivFOp::create(e.b, number(1), l);
      e.store(select(equal(l, number(0)), number(0), factor), rescale, r);
    });
  storeOutput([&](Index r, Index c, Index) -> Value {
    Value o = e.load(output, outputAt(r, c));
    if (!isSoftmax)
      return o;
    return arith::MulFOp::create(e.b, o, e.load(rescale, r));
  });
  if (logSumExp)
    eachRow([&](Index r, Index row) {
      Value isFirst = e.less(x.value, e.idx(1));
      e.when(both(both(isFirst, isFirstRun), isRow(row)), [&] {
        Value v = number(0);
        if (isSoftmax)
          v = e.fma(e.load(maximum, r), number(inBits ? llvm::numbers::ln2 : 1),
                    math::LogOp::create(e.b, e.load(sum, r)));
        e.store(v, *logSumExp, placeOf(row));
      });
    });
  if (weights && isSoftmax)
    normalizeWeights();
}

void AttentionShader::normalizeWeights() {
  // The scores are there already; m and l are known only now.
  eachKeyBlock([&] {
    eachRow([&](Index r, Index row) {
      Indices place = placeOf(row);
      Value reference = referenceOf(e.load(maximum, r));
      Value factor = e.load(rescale, r);
      eachKey([&](Index key) {
        e.when(both(isFirstRun, both(isRow(row), isKey(key))), [&] {
          Indices at = with(place, keyOf(key));
          Value s = e.convert(e.load(*weights, at), type);
          Value p = exponential(arith::SubFOp::create(e.b, s, reference));
          e.store(arith::MulFOp::create(e.b, p, factor), *weights, at);
        });
      });
    });
  });
}

void AttentionShader::finishHard() {
  combineBest();
  storeOutput([&](Index r, Index, Index column) {
    Value best = e.fromInteger(e.load(bestKey, r), true).value;
    return e.branch(
        e.less(best, e.dim(keys)), type,
        [&]() -> SmallVector<Value> {
          Value v =
              e.element(op.getValue(), with(valueBatch, varying(best), column));
          return {e.convert(v, type)};
        },
        [&]() -> SmallVector<Value> { return {number(0)}; })[0];
  });
  if (!weights)
    return;
  eachKeyBlock([&] {
    eachRow([&](Index r, Index row) {
      Indices place = placeOf(row);
      Value best = e.fromInteger(e.load(bestKey, r), true).value;
      eachKey([&](Index key) {
        Value isBest = arith::CmpIOp::create(e.b, arith::CmpIPredicate::eq,
                                             keyOf(key).value, best);
        storeWeight(select(isBest, number(1), number(0)), row, place, key);
      });
    });
  });
}

} // namespace mapsto
