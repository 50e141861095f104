//===- AttentionScores.cpp - Scores of queries and keys -------------------===//

#include "compiler/kernel/AttentionEmitter.h"

using namespace mlir;

namespace mapsto {

void AttentionEmitter::eachColumn(
    Value key,
    function_ref<void(Value first, Value feature, Value column)> put) {
  Value last = e.sub(keyCount, e.idx(1));
  e.eachTransposed(
      keyCount, dimsOf(key).back(),
      [&](Value row, Index d) {
        return keyVector(key, e.minIndex(row, last), d);
      },
      put);
}

Value AttentionEmitter::keyVector(Value key, Value inBlock, Index d) {
  Index at = e.uniform(e.add(firstKey, inBlock));
  return e.convert(e.elementVector(key, with(groupedBatch(key), at, d)), type);
}

void AttentionEmitter::packKeys() {
  eachColumn(op.getKeys().front(),
             [&](Value first, Value feature, Value column) {
               auto [which, within] =
                   e.divIndex({first, Index::Lanes, true}, Dim(panel()));
               e.store(column, keyPanels, {which, e.uniform(feature), within});
             });
}

void AttentionEmitter::emitDotScores() {
  if (!areFew())
    e.when(e.less(e.idx(fewRows()), rows), [&] { emitTiledDotScores(); });
  e.when(e.less(rows, e.idx(fewRows() + 1)), [&] { emitFewDotScores(); });
}

void AttentionEmitter::emitFewDotScores() {
  // The keys after whole vectors of them apart: elsewhere a key's place follows
  // from the first one's.
  Value rest = arith::RemUIOp::create(e.b, keyCount, e.idx(e.lanes));
  Value whole = e.sub(keyCount, rest);
  e.loop(e.idx(0), whole, e.lanes,
         [&](Value first) { fewDotScores(first, e.idx(e.lanes - 1)); });
  e.when(e.less(e.idx(0), rest),
         [&] { fewDotScores(whole, e.sub(rest, e.idx(1))); });
}

void AttentionEmitter::fewDotScores(Value first, Value last) {
  Value key = op.getKeys().front();
  eachRow([&](Value row) {
    SmallVector<Value> sums(e.lanes, vector(0));
    sums = e.laneLoop(queryDims.back(), sums, [&](Index d, ValueRange carried) {
      SmallVector<Value> next(carried);
      Value q = e.load(scaledQuery, {rowIndex(row), d});
      for (int64_t n = 0; n < e.lanes; ++n) {
        Value at = e.minIndex(e.idx(n), last);
        Value k = keyVector(key, e.add(first, at), d);
        next[n] = e.fma(q, k, next[n]);
        if (Value mask = e.currentMask())
          next[n] = arith::SelectOp::create(e.b, mask, next[n], carried[n]);
      }
      return next;
    });
    sums = e.transpose(sums);
    for (size_t n = sums.size() / 2; n > 0; n /= 2)
      for (size_t k = 0; k < n; ++k)
        sums[k] = e.combine(ReduceKind::sum, sums[k], sums[k + n]);
    e.store(sums[0], scores, {rowIndex(row), {first, Index::Lanes, true}});
  });
}

void AttentionEmitter::emitTiledDotScores() {
  packKeys();
  int64_t vectors = panel() / e.lanes;
  e.loop(e.idx(0), keyCount, panel(), [&](Value first) {
    Value which = arith::DivUIOp::create(e.b, first, e.idx(panel()));
    eachTile([&](Value row, int64_t count) {
      Range seen = keysSeenBy(row, count);
      Value some = e.less(first, seen.end);
      if (!bounds.behind.empty())
        some = arith::AndIOp::create(
            e.b, some, e.less(seen.begin, e.add(first, e.idx(1))));
      e.when(some, [&] {
        SmallVector<Value> zeros(count * vectors, vector(0));
        SmallVector<Value> tile = e.loop(
            e.idx(0), e.dim(queryDims.back()), 1, zeros,
            [&](Value d, ValueRange carried) {
              SmallVector<Value> next(carried), k;
              for (int64_t v = 0; v < vectors; ++v)
                k.push_back(e.load(keyPanels,
                                   {e.uniform(which),
                                    e.uniform(d),
                                    {e.idx(v * e.lanes), Index::Lanes, true}}));
              for (int64_t r = 0; r < count; ++r) {
                Value q = e.splat(
                    e.load(scaledQuery,
                           {e.uniform(e.add(row, e.idx(r))), e.uniform(d)}));
                for (int64_t v = 0; v < vectors; ++v)
                  next[r * vectors + v] = e.fma(q, k[v], next[r * vectors + v]);
              }
              return next;
            });
        for (int64_t r = 0; r < count; ++r)
          for (int64_t v = 0; v < vectors; ++v)
            e.store(tile[r * vectors + v], scores,
                    {e.uniform(e.add(row, e.idx(r))),
                     {e.add(first, e.idx(v * e.lanes)), Index::Lanes, true}});
      });
    });
  });
}

void AttentionEmitter::emitRegionScores() {
  for (auto [n, key] : llvm::enumerate(op.getKeys()))
    eachColumn(key, [&](Value first, Value feature, Value column) {
      e.store(column, keyColumns[n],
              {e.uniform(feature), {first, Index::Lanes, true}});
    });

  Block &region = op.getScore().front();
  size_t queryCount = op.getQueries().size();
  eachRow([&](Value row) {
    e.laneLoop(keyCount, [&](Index j) {
      for (auto [n, query] : llvm::enumerate(op.getQueries())) {
        Value q = query;
        e.given[region.getArgument(n)] = [this, q, row](ArrayRef<Index> u) {
          return e.element(q, atRow(row, u[0]));
        };
      }
      for (size_t n = 0; n < op.getKeys().size(); ++n) {
        Type element = elementTypeOf(op.getKeys()[n]);
        e.given[region.getArgument(queryCount + n)] =
            [this, n, j, element](ArrayRef<Index> u) {
              return e.convert(e.load(keyColumns[n], {u[0], j}), element);
            };
      }
      Value s = e.convert(e.splat(regionValue(region)), type);
      e.store(s, scores, {rowIndex(row), j});
    });
  });
}

Value AttentionEmitter::finishedScore(Value row, Index j, bool kept) {
  Value s = e.load(scores, {rowIndex(row), j});
  Index key = e.addIndex(j, e.uniform(firstKey));
  Indices place = placeOf(rowIndex(row));
  if (!op.getModify().empty())
    s = modified(s, place, key);
  if (!op.getMask().empty() && !kept)
    s = arith::SelectOp::create(e.b, isKept(place, key), s, vector(-kInfinity));
  if (Value mask = e.currentMask())
    s = arith::SelectOp::create(e.b, mask, s, vector(-kInfinity));
  return s;
}

} // namespace mapsto
