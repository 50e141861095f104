//===- AttentionScores.cpp - Scores of queries and keys in a shader -------===//

#include "compiler/vulkan/AttentionShader.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace mapsto {

void AttentionShader::rawScores() {
  e.barrierOfArrays(); // the block before has been read
  if (dotScore)
    dotScores();
  else
    regionScores();
}

void AttentionShader::dotScores() {
  Buffer dots = e.ownArray("dots", e.mul(rowsEach, keysEach), type);
  e.unrolled(e.mul(rowsEach, keysEach), "i",
             [&](Index i) { e.store(number(0), dots, i); });
  e.loop(e.idx(0), e.dim(queryDims.back()), depth, [&](Value feature) {
    stageFeatures(named(feature, "feature"));
    e.barrierOfArrays();
    multiplyFeatures(dots);
    e.barrierOfArrays();
  });
  eachRow([&](Index own, Index row) {
    e.unrolled(keysEach, "c", [&](Index c) {
      e.store(e.load(dots, place(own, keysEach, c)), scores,
              scoreAt(row, place(c, across, x)));
    });
  });
}

void AttentionShader::stageFeatures(Value feature) {
  Value query = op.getQueries().front(), key = op.getKeys().front();
  Dim width = queryDims.back();
  std::optional<int64_t> known = width.constant();
  bool whole = known && llvm::all_of(tiles.choices, [&](const auto &tile) {
                 return *known % tile.depth == 0;
               });
  Value stride = e.add(depth, e.idx(1));
  // Past the last row its own are staged again, past the last feature zeros.
  auto stage = [&](Value count, Value firstStaged, Value last,
                   function_ref<Value(Index, Index)> read) {
    shareOut(e.mul(count, depth), [&](Index i) {
      Index row = varying(div(i.value, depth)),
            d = varying(rem(i.value, depth));
      Index within = varying(e.minIndex(row.value, last));
      Index at = plus(d, feature);
      auto read1 = [&]() -> SmallVector<Value> { return {read(within, at)}; };
      Value v = whole ? read1()[0]
                      : e.branch(e.less(at.value, e.dim(width)), type, read1,
                                 [&]() -> SmallVector<Value> {
                                   return {number(0)};
                                 })[0];
      e.store(v, staging, plus(place(row, stride, d), firstStaged));
    });
  };
  Value scale = number(op.getScale().convertToDouble() *
                       (inBits ? llvm::numbers::log2e : 1));
  stage(rowBlock, e.idx(0), e.sub(rows, e.idx(1)), [&](Index row, Index d) {
    Value q = e.convert(e.element(query, with(placeOf(row), d)), type);
    return arith::MulFOp::create(e.b, q, scale).getResult();
  });
  Indices keyBatch = groupedBatch(key);
  stage(keyBlock, e.mul(rowBlock, stride), e.sub(keyCount, e.idx(1)),
        [&](Index row, Index d) {
          return e.convert(e.element(key, with(keyBatch, keyOf(row), d)), type);
        });
}

void AttentionShader::multiplyFeatures(const Buffer &dots) {
  Value stride = e.add(depth, e.idx(1));
  Value firstKey = e.mul(rowBlock, stride);
  Buffer q = e.ownArray("q", rowsEach, type);
  e.loop(e.idx(0), depth, 1, [&](Value d) {
    Index at = varying(named(d, "d"));
    eachRow([&](Index own, Index row) {
      e.store(e.load(staging, place(row, stride, at)), q, own);
    });
    e.unrolled(keysEach, "c", [&](Index c) {
      Index key = place(place(c, across, x), stride, at);
      Value k = e.load(staging, plus(key, firstKey));
      e.unrolled(rowsEach, "r", [&](Index r) {
        Index dot = place(r, keysEach, c);
        e.store(e.fma(e.load(q, r), k, e.load(dots, dot)), dots, dot);
      });
    });
  });
}

void AttentionShader::regionScores() {
  Block &region = op.getScore().front();
  size_t queryCount = op.getQueries().size();
  eachRow([&](Index, Index row) {
    Indices place = placeOf(row);
    eachKey([&](Index inBlock) {
      e.when(both(isRow(row), isKey(inBlock)), [&] {
        Index key = keyOf(inBlock);
        for (auto [n, operand] : llvm::enumerate(op.getQueries()))
          e.given[region.getArgument(n)] = [this, operand,
                                            place](ArrayRef<Index> u) {
            return e.element(operand, with(place, u[0]));
          };
        for (auto [n, operand] : llvm::enumerate(op.getKeys())) {
          Indices at = with(groupedBatch(operand), key);
          e.given[region.getArgument(queryCount + n)] =
              [this, operand, at](ArrayRef<Index> u) {
                return e.element(operand, with(at, u[0]));
              };
        }
        e.store(e.convert(regionValue(region), type), scores,
                scoreAt(row, inBlock));
      });
    });
  });
}

Value AttentionShader::finishedScore(Index row, const Indices &place,
                                     Index inBlock) {
  Value nothing = number(-kInfinity);
  return e.branch(
      both(isRow(row), isKey(inBlock)), type,
      [&]() -> SmallVector<Value> {
        Value s = e.load(scores, scoreAt(row, inBlock));
        Index key = keyOf(inBlock);
        if (!op.getModify().empty())
          s = modified(s, place, key);
        if (!op.getMask().empty())
          s = select(isKept(place, key), s, nothing);
        return {s};
      },
      [&]() -> SmallVector<Value> { return {nothing}; })[0];
}

} // namespace mapsto
