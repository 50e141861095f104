//===- EmitAttention.cpp - Attention as one kernel ------------------------===//
//
// One grid item is a block of queries of one head. Keys and values stream past
// in blocks; per block:
//
//   raw scores     S = Q Kᵀ on register tiles (or the score region, pair by
//                  pair, lanes over keys)
//   finish         modify and mask; masked pairs become -inf
//   online softmax m' = max(m, rowmax S), P = exp(S - m'), l' = l e^(m-m') + ΣP
//   accumulate     O = O e^(m-m') + P V
//
// and at the end O / l. Nothing of size L x S exists but the weights, if they
// are asked for. (Milakov and Gimelshein, arXiv:1805.02867; Dao et al.,
// arXiv:2205.14135.) Blocks of keys that a causal or windowed mask removes
// altogether are not visited.
//
//===----------------------------------------------------------------------===//

#include "compiler/kernel/AttentionEmitter.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace mapsto {

AttentionEmitter::AttentionEmitter(KernelEmitter &e, AttentionOp op,
                                   ArrayRef<Buffer> results)
    : e(e), op(op), normalizer(op.getNormalizer()) {
  Value query = op.getQueries().front();
  type = KernelEmitter::accumulatorType(elementTypeOf(query));
  queryDims = dimsOf(query);
  valueDims = dimsOf(op.getValue());
  batchDims = Dims(ArrayRef(queryDims).drop_back(2));
  queries = queryDims[queryDims.size() - 2];
  keys = valueDims[valueDims.size() - 2];
  features = valueDims.back();
  context = results[0];
  results = results.drop_front();
  if (op.getWeights()) {
    weights = results.front();
    results = results.drop_front();
  }
  if (op.getLogSumExp())
    logSumExp = results.front();
  dotScore = op.getScore().empty();
  inBits =
      dotScore && normalizer == Normalizer::softmax && op.getModify().empty();
  // With the weights asked for, every one of them is written.
  if (!op.getMask().empty() && !weights && normalizer != Normalizer::sparsemax)
    bounds = analyzeMask(op.getMask());
}

void AttentionEmitter::emit(Value begin, Value end) {
  allocateBlocks();
  Dims grid = batchDims;
  grid.push_back(queryBlocks(queries));
  // Blocks of one size, so that threads share them evenly, in whole tiles.
  Dim tile = e.tileRows();
  Value step = e.dim(
      Dim::ceilDiv(Dim::ceilDiv(queries, Dim::max(grid.back(), Dim(1))), tile) *
      tile);
  e.loop(begin, end, 1, [&](Value item) {
    Indices at = e.delinearize(e.uniform(item), grid);
    firstQuery = e.mul(at.pop_back_val().value, step);
    rows = e.minIndex(step, e.sub(e.dim(queries), firstQuery));
    batch = at;
    valueBatch = groupedBatch(op.getValue());
    emitQueryBlock();
  });
}

void AttentionEmitter::allocateBlocks() {
  Dim block = kQueryBlock;
  scores = e.allocate({block, Dim(kKeyBlock)}, type);
  output = e.allocate({block, features}, type);
  maximum = e.allocate({block}, type);
  // Apart for each lane of the keys; one only at the end.
  sum = e.allocate({block, Dim(e.lanes)}, type);
  reference = e.allocate({block}, type);
  rescale = e.allocate({block}, type);
  if (normalizer == Normalizer::hard)
    best = e.allocate({block}, e.b.getI64Type());
  if (normalizer == Normalizer::sparsemax)
    allScores = e.allocate({block, keys}, type);
  if (dotScore) {
    Dim d = queryDims.back();
    scaledQuery = e.allocate({block, d}, type);
    keyPanels = e.allocate({Dim(kKeyBlock / panel()),
                            packedFeatures(op.getKeys().front()), Dim(panel())},
                           type);
    return;
  }
  for (Value key : op.getKeys())
    keyColumns.push_back(
        e.allocate({packedFeatures(key), Dim(kKeyBlock)}, type));
}

Indices AttentionEmitter::groupedBatch(Value operand) {
  Indices at(batch);
  if (at.empty())
    return at;
  Dim heads = batchDims.back();
  Dim own = dimsOf(operand)[at.size() - 1];
  if (own != heads)
    at.back() = e.divIndex(at.back(), Dim::floorDiv(heads, own)).first;
  return at;
}

bool AttentionEmitter::isFew() const {
  std::optional<int64_t> known = queries.constant();
  return known && *known <= fewRows();
}

Value AttentionEmitter::tiledRows() {
  if (isFew())
    return e.idx(0);
  int64_t tile = e.tileRows();
  Value rest = arith::RemUIOp::create(e.b, rows, e.idx(tile));
  Value many = e.less(e.idx(fewRows()), rest);
  Value added = arith::SelectOp::create(e.b, many, e.idx(tile), e.idx(0));
  return e.add(e.sub(rows, rest), added);
}

void AttentionEmitter::eachWholeTile(RowsBody body) {
  if (!isFew())
    e.loop(e.idx(0), tiledRows(), e.tileRows(),
           [&](Value row) { body(row, e.tileRows()); });
}

void AttentionEmitter::eachTile(RowsBody body) {
  eachWholeTile(body);
  eachSingleRow(body);
}

Value AttentionEmitter::keysSeenBy(Value row, int64_t count) {
  Value end = keyCount;
  for (const Dim &ahead : bounds.ahead) {
    Value last = e.add(e.add(firstQuery, row), e.idx(count));
    Value own = e.sub(e.add(last, e.dim(ahead)), firstKey);
    end = e.minIndex(end, arith::MaxSIOp::create(e.b, own, e.idx(0)));
  }
  return end;
}

void AttentionEmitter::emitQueryBlock() {
  start();
  KeyRange range = visibleKeys();
  e.loop(range.begin, range.end, kKeyBlock, [&](Value key) {
    firstKey = key;
    keyCount = e.minIndex(e.idx(kKeyBlock), e.sub(range.end, key));
    if (dotScore)
      emitDotScores();
    else
      emitRegionScores();
    eachTile([&](Value first, int64_t count) { finishTile(first, count); });
    if (normalizer == Normalizer::softmax || normalizer == Normalizer::sigmoid)
      accumulate();
  });
  if (normalizer == Normalizer::sparsemax)
    emitSparsemax();
  finish();
}

AttentionEmitter::KeyRange AttentionEmitter::visibleKeys() {
  KeyRange range{e.idx(0), e.dim(keys)};
  Value lastQuery = e.sub(e.add(firstQuery, rows), e.idx(1));
  for (const Dim &ahead : bounds.ahead) {
    Value end = e.add(e.add(lastQuery, e.dim(ahead)), e.idx(1));
    end = arith::MaxSIOp::create(e.b, end, e.idx(0));
    range.end = e.minIndex(range.end, end);
  }
  for (const Dim &behind : bounds.behind) {
    Value begin = e.sub(firstQuery, e.dim(behind));
    begin = arith::MaxSIOp::create(e.b, begin, e.idx(0));
    begin = e.sub(begin, arith::RemUIOp::create(e.b, begin, e.idx(kKeyBlock)));
    range.begin = arith::MaxSIOp::create(e.b, range.begin, begin);
  }
  return range;
}

void AttentionEmitter::start() {
  eachRow([&](Value row) {
    e.store(number(-kInfinity), maximum, {rowIndex(row)});
    e.store(vector(0), sum, {rowIndex(row), {e.idx(0), Index::Lanes, true}});
    if (normalizer == Normalizer::hard)
      e.store(e.constant(e.b.getI64Type(), -1), best, {rowIndex(row)});
    e.laneLoop(features, [&](Index d) {
      e.store(vector(0), output, {rowIndex(row), d});
    });
    if (!dotScore)
      return;
    Value scale = vector(op.getScale().convertToDouble() *
                         (inBits ? llvm::numbers::log2e : 1));
    e.laneLoop(queryDims.back(), [&](Index d) {
      Value q = e.convert(e.elementVector(op.getQueries().front(),
                                          with(batch, queryIndex(row), d)),
                          type);
      e.store(arith::MulFOp::create(e.b, q, scale), scaledQuery,
              {rowIndex(row), d});
    });
  });
}

Dim gridOfAttention(AttentionOp op) {
  Dims dims = dimsOf(op.getQueries().front());
  return numElements(ArrayRef(dims).drop_back(2)) *
         queryBlocks(dims[dims.size() - 2]);
}

void emitAttention(KernelEmitter &e, AttentionOp op, ArrayRef<Buffer> results,
                   Value begin, Value end) {
  AttentionEmitter(e, op, results).emit(begin, end);
}

} // namespace mapsto
