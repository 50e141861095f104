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
  Buffer dots =
      e.ownArray("dots", {Dim(tiles.rowsEach), Dim(tiles.keysEach)}, type);
  auto eachDot = [&](function_ref<void(Index, Index)> body) {
    e.unrolled(tiles.rowsEach, "r", [&](Index r) {
      e.unrolled(tiles.keysEach, "c", [&](Index c) { body(r, c); });
    });
  };
  eachDot([&](Index r, Index c) { e.store(number(0), dots, {r, c}); });
  e.loop(e.idx(0), e.dim(queryDims.back()), tiles.features, [&](Value feature) {
    stageFeatures(feature);
    e.barrierOfArrays();
    multiplyFeatures(dots);
    e.barrierOfArrays();
  });
  eachRow([&](Index own, Index row) {
    e.unrolled(tiles.keysEach, "c", [&](Index c) {
      Index key = e.addIndex(x, e.mulIndex(c, Dim(tiles.across)));
      e.store(e.load(dots, {own, c}), scores, {row, key});
    });
  });
}

void AttentionShader::stageFeatures(Value feature) {
  int64_t count = tiles.features, stride = count + 1;
  Value query = op.getQueries().front(), key = op.getKeys().front();
  Dim depth = queryDims.back();
  std::optional<int64_t> known = depth.constant();
  bool whole = known && *known % count == 0;
  // Past the last row its own are staged again, past the last feature zeros.
  auto stage = [&](int64_t staged, int64_t firstStaged, Value last,
                   function_ref<Value(Index, Index)> read) {
    shareOut(staged * count, [&](Index i) {
      auto [row, d] = e.divIndex(i, Dim(count));
      Index within = varying(e.minIndex(row.value, last));
      Index at = e.addIndex(d, e.uniform(feature));
      Value v =
          whole
              ? read(within, at)
              : e.branch(
                    e.less(at.value, e.dim(depth)), type,
                    [&]() -> SmallVector<Value> { return {read(within, at)}; },
                    [&]() -> SmallVector<Value> { return {number(0)}; })[0];
      Index to = e.addIndex(e.mulIndex(row, Dim(stride)), d);
      e.store(v, staging, e.addIndex(to, e.uniform(firstStaged)));
    });
  };
  Value scale = number(op.getScale().convertToDouble() *
                       (inBits ? llvm::numbers::log2e : 1));
  stage(tiles.rowBlock(), 0, e.sub(rows, e.idx(1)), [&](Index row, Index d) {
    Value q = e.convert(e.element(query, with(placeOf(row), d)), type);
    return arith::MulFOp::create(e.b, q, scale).getResult();
  });
  Indices keyBatch = groupedBatch(key);
  stage(tiles.keyBlock(), tiles.rowBlock() * stride, e.sub(keyCount, e.idx(1)),
        [&](Index row, Index d) {
          return e.convert(e.element(key, with(keyBatch, keyOf(row), d)), type);
        });
}

void AttentionShader::multiplyFeatures(const Buffer &dots) {
  int64_t stride = tiles.features + 1;
  Buffer q = e.ownArray("q", Dim(tiles.rowsEach), type);
  e.loop(e.idx(0), e.idx(tiles.features), 1, [&](Value d) {
    auto staged = [&](Index row, int64_t first) {
      Index at = e.addIndex(e.mulIndex(row, Dim(stride)), e.uniform(d));
      return e.load(staging, e.addIndex(at, e.uniform(first)));
    };
    eachRow([&](Index own, Index row) { e.store(staged(row, 0), q, own); });
    e.unrolled(tiles.keysEach, "c", [&](Index c) {
      Index key = e.addIndex(x, e.mulIndex(c, Dim(tiles.across)));
      Value k = staged(key, tiles.rowBlock() * stride);
      e.unrolled(tiles.rowsEach, "r", [&](Index r) {
        e.store(e.fma(e.load(q, r), k, e.load(dots, {r, c})), dots, {r, c});
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
        e.store(e.convert(regionValue(region), type), scores, {row, inBlock});
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
        Value s = e.load(scores, {row, inBlock});
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
