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
// arXiv:2205.14135.) Blocks of keys that a causal or windowed mask or lengths
// remove altogether are not visited.
//
// Few queries and many keys, as when a decoder makes one token, would be too
// few items for threads to share. Then an item is a part of the keys, and the
// last one of a block to be done puts the parts together.
//
//===----------------------------------------------------------------------===//

#include "compiler/kernel/AttentionEmitter.h"
#include "runtime/mapsto.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace mapsto {

/// Fewer heads than these are not shared out to threads as they are.
static constexpr int64_t kItems = 4;

/// May an item have a part of the keys? A kernel that attention is a step of
/// shares out its items otherwise.
static bool canPart(AttentionOp op) {
  return op.getNormalizer() == Normalizer::softmax && !op.getWeights() &&
         isa<KernelOp>(op->getParentOp());
}

static AttentionRows rowsOf(AttentionOp op) {
  return AttentionRows(op, canPart(op) ? 1 : kItems);
}

AttentionGrid::AttentionGrid(AttentionOp op, const Machine &machine)
    : AttentionRows(rowsOf(op)) {
  constexpr int64_t kCacheLine = 64, kScoreBytes = 4;
  int64_t panel = 2 * machine.lanes, tile = machine.tileRows();
  keyBlock = std::max<int64_t>(
      panel, llvm::alignDown(machine.l1Bytes / (2 * kCacheLine), panel));
  int64_t scoreRows = machine.l2Bytes * 3 / 8 / (keyBlock * kScoreBytes);
  queryBlock = std::max<int64_t>(tile, llvm::alignDown(scoreRows, tile));

  // A batch of one head is cut for threads to share, but not into blocks of so
  // few rows that packing the keys is what they do.
  constexpr int64_t kLeastRows = 24;
  Dim wanted = Dim::ceilDiv(Dim(kItems), Dim::max(numElements(heads), Dim(1)));
  blocks = Dim::max(Dim::ceilDiv(rows, Dim(queryBlock)),
                    Dim::min(Dim::ceilDiv(rows, Dim(kLeastRows)), wanted));
  // Blocks of one size, so that threads share them evenly, in whole tiles.
  blockRows =
      Dim::ceilDiv(Dim::ceilDiv(rows, Dim::max(blocks, Dim(1))), Dim(tile)) *
      Dim(tile);
  // Whole tiles may make them fewer: 99 rows are not 4 blocks of 36, but 3.
  blocks = Dim::ceilDiv(rows, Dim::max(blockRows, Dim(tile)));
  if (!canPart(op))
    return;
  // A number of parts that only sizes decide, so that results do not depend on
  // who does them. Each has two blocks of keys or so: joining takes 2 %.
  Dim keys = dimsOf(op.getValue())[dimsOf(op.getValue()).size() - 2];
  Dim about = Dim::floorDiv(keys + Dim(keyBlock), Dim(2 * keyBlock));
  Dim most = Dim::max(about, Dim(1));
  parts = Dim::min(most, Dim::ceilDiv(Dim(MAPSTO_SHARED_COUNTERS),
                                      Dim::max(wholes(), Dim(1))));
}

AttentionEmitter::AttentionEmitter(KernelEmitter &e, AttentionOp op,
                                   ArrayRef<Buffer> results)
    : AttentionPairs(e, op, results, rowsOf(op)), grid(op, e.machine) {}

void AttentionEmitter::emit(Value begin, Value end) {
  allocateBlocks();
  Dims blocks = grid.heads;
  blocks.push_back(grid.blocks);
  Value step = e.dim(grid.blockRows);
  e.loop(begin, end, 1, [&](Value number) {
    item = whole = number;
    if (hasParts()) {
      auto [which, within] = e.divIndex(e.uniform(item), grid.parts);
      whole = which.value;
      part = within.value;
    }
    Indices at = e.delinearize(e.uniform(whole), blocks);
    firstRow = e.mul(at.pop_back_val().value, step);
    rows = e.minIndex(step, e.sub(e.dim(grid.rows), firstRow));
    batch = at;
    valueBatch = groupedBatch(op.getValue());
    emitQueryBlock();
  });
}

void AttentionEmitter::allocateBlocks() {
  Dim block = grid.queryBlock;
  scores = e.allocate({block, Dim(grid.keyBlock)}, type);
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
  if (hasParts())
    allocateParts();
  if (dotScore) {
    Dim d = queryDims.back();
    scaledQuery = e.allocate({block, d}, type);
    keyPanels = e.allocate({Dim(grid.keyBlock / panel()),
                            packedFeatures(op.getKeys().front()), Dim(panel())},
                           type);
    return;
  }
  for (Value key : op.getKeys())
    keyColumns.push_back(
        e.allocate({packedFeatures(key), Dim(grid.keyBlock)}, type));
}

bool AttentionEmitter::areFew() const {
  std::optional<int64_t> known = grid.rows.constant();
  return known && *known <= fewRows();
}

Value AttentionEmitter::restOfRows() {
  return arith::RemUIOp::create(e.b, rows, e.idx(e.tileRows()));
}

void AttentionEmitter::eachLargeTile(RowsBody body) {
  int64_t tile = e.tileRows(), third = tile / 3;
  // What is known of the rows leaves out what cannot occur.
  std::optional<int64_t> known = grid.rows.constant();
  auto canBe = [&](int64_t least) { return !known || *known >= least; };
  Value rest = restOfRows(), whole = e.sub(rows, rest);
  if (canBe(tile))
    e.loop(e.idx(0), whole, tile, [&](Value row) { body(row, tile); });
  for (int64_t count = third; count <= tile; count += third) {
    int64_t least = std::max<int64_t>(count - third + 1, 2);
    if (!canBe(least))
      continue;
    Value enough = e.less(e.idx(least - 1), rest);
    Value notMore = e.less(rest, e.idx(count + 1));
    e.when(arith::AndIOp::create(e.b, enough, notMore),
           [&] { body(whole, count); });
  }
}

void AttentionEmitter::lastSingleRow(RowsBody body) {
  Value rest = restOfRows();
  Value one =
      arith::CmpIOp::create(e.b, arith::CmpIPredicate::eq, rest, e.idx(1));
  e.when(one, [&] { body(e.sub(rows, rest), 1); });
}

AttentionEmitter::Range AttentionEmitter::keysSeenBy(Value row, int64_t count) {
  Range range{e.idx(0), keyCount};
  if (bounds.ahead.empty() && bounds.behind.empty())
    return range;
  Range own = queriesOf(row, e.idx(count));
  for (const Dim &ahead : bounds.ahead) {
    Value last = e.sub(e.add(own.end, e.dim(ahead)), firstKey);
    Value end = arith::MaxSIOp::create(e.b, e.add(last, e.idx(1)), e.idx(0));
    range.end = e.minIndex(range.end, end);
  }
  for (const Dim &behind : bounds.behind) {
    Value begin = e.sub(e.sub(own.begin, e.dim(behind)), firstKey);
    range.begin = arith::MaxSIOp::create(e.b, range.begin, begin);
  }
  if (!bounds.behind.empty())
    range.begin = e.sub(
        range.begin, arith::RemUIOp::create(e.b, range.begin, e.idx(panel())));
  return range;
}

AttentionEmitter::Range AttentionEmitter::keysKeptBy(Value row) {
  Value query = placeOf(rowIndex(row)).back().value;
  Value lanes = e.idx(e.lanes);
  Range kept = seen;
  for (const Dim &behind : bounds.behind) {
    Value begin = e.sub(e.sub(query, e.dim(behind)), firstKey);
    kept.begin = arith::MaxSIOp::create(e.b, kept.begin, begin);
  }
  if (!bounds.behind.empty())
    kept.begin =
        e.mul(arith::CeilDivUIOp::create(e.b, kept.begin, lanes), lanes);
  for (const Dim &ahead : bounds.ahead) {
    Value last = e.sub(e.add(query, e.dim(ahead)), firstKey);
    Value end = arith::MaxSIOp::create(e.b, e.add(last, e.idx(1)), e.idx(0));
    kept.end = e.minIndex(kept.end, end);
  }
  if (!bounds.ahead.empty())
    kept.end = e.sub(kept.end, arith::RemUIOp::create(e.b, kept.end, lanes));
  kept.end = arith::MaxSIOp::create(e.b, kept.begin, kept.end);
  return kept;
}

SmallVector<Value> AttentionEmitter::eachKey(
    Range range, ValueRange inits,
    function_ref<SmallVector<Value>(Index, ValueRange)> body) {
  return e.laneLoop(e.sub(range.end, range.begin), inits,
                    [&](Index j, ValueRange carried) {
                      Index key = e.addIndex(j, e.uniform(range.begin));
                      return body(key, carried);
                    });
}

void AttentionEmitter::emitQueryBlock() {
  start();
  Range range = visibleKeys();
  if (hasParts())
    range = partOf(range);
  e.loop(range.begin, range.end, grid.keyBlock, [&](Value key) {
    firstKey = key;
    keyCount = e.minIndex(e.idx(grid.keyBlock), e.sub(range.end, key));
    if (dotScore)
      emitDotScores();
    else
      emitRegionScores();
    e.loop(e.idx(0), rows, e.tileRows(), [&](Value row) { finishTile(row); });
    if (normalizer == Normalizer::softmax || normalizer == Normalizer::sigmoid)
      accumulate();
  });
  if (normalizer == Normalizer::sparsemax)
    emitSparsemax();
  if (hasParts())
    e.when(joinParts(), [&] { finish(); });
  else
    finish();
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
      Value q = e.convert(
          e.elementVector(op.getQueries().front(), atRow(row, d)), type);
      e.store(arith::MulFOp::create(e.b, q, scale), scaledQuery,
              {rowIndex(row), d});
    });
  });
}

Dim gridOfAttention(AttentionOp op, const Machine &machine) {
  return AttentionGrid(op, machine).items();
}

void emitAttention(KernelEmitter &e, AttentionOp op, ArrayRef<Buffer> results,
                   Value begin, Value end) {
  AttentionEmitter(e, op, results).emit(begin, end);
}

} // namespace mapsto
