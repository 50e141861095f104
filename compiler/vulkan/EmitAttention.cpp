//===- EmitAttention.cpp - Attention as one dispatch ----------------------===//
//
// A workgroup takes a block of queries of one head. Keys and values stream past
// in blocks; per block:
//
//   raw scores     S = Q Kᵀ on register tiles, features staged in shared memory
//                  (or the score region, pair by pair)
//   finish         modify and mask; masked pairs become -inf
//   online softmax m' = max(m, rowmax S), P = exp(S - m'), l' = l e^(m-m') + ΣP
//   accumulate     O = O e^(m-m') + P V on register tiles, values staged
//
// and at the end O / l. Nothing of size L x S exists but the weights, if they
// are asked for. (Milakov and Gimelshein, arXiv:1805.02867; Dao et al.,
// arXiv:2205.14135.) Blocks of keys that a causal or windowed mask or lengths
// remove altogether are not visited.
//
//===----------------------------------------------------------------------===//

#include "compiler/KernelAttributes.h"
#include "compiler/vulkan/AttentionShader.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace mapsto {

/// So many parts of `whole`, of at most `most` each, that they are alike.
static int64_t evenPart(int64_t whole, int64_t most) {
  return llvm::divideCeil(whole, llvm::divideCeil(whole, most));
}

AttentionTiles::AttentionTiles(AttentionOp op)
    : AttentionRows(op, /*leastHeads=*/1) {
  constexpr int64_t kDown = 16, kRowsEach = 4, kLeastKeys = 32;
  // Of an invocation's registers so many hold its part of the output.
  constexpr int64_t kOutputs = 64, kMostColumns = 256, kUsualColumns = 64;
  constexpr int64_t kMostFeatures = 32;
  Type element = elementTypeOf(op.getQueries().front());
  int64_t bytes =
      KernelEmitter::accumulatorType(element).getIntOrFloatBitWidth() / 8;

  Dim width = dimsOf(op.getValue()).back();
  int64_t most = std::max<int64_t>(width.constant().value_or(kUsualColumns), 1);
  columns = evenPart(most, kMostColumns);
  runs = Dim::max(Dim::ceilDiv(width, Dim(columns)), Dim(1));

  int64_t fewest = rows.constant().value_or(kDown * kRowsEach);
  down = std::clamp<int64_t>(llvm::PowerOf2Ceil(fewest), 1, kDown);
  across = kInvocations / down;
  keysEach = std::max<int64_t>(kLeastKeys / across, 1);
  columnsEach = llvm::divideCeil(columns, across);
  rowsEach = std::clamp<int64_t>(llvm::divideCeil(fewest, down), 1, kRowsEach);
  auto scoreBytes = [&] { return rowBlock() * (keyBlock() + 1) * bytes; };
  while (rowsEach > 1 && (rowsEach * columnsEach > kOutputs ||
                          scoreBytes() > kSharedBytes * 5 / 8))
    --rowsEach;
  blocks = Dim::ceilDiv(rows, Dim(rowBlock()));

  constexpr int64_t kSplitKeys = 256; // at least, for each workgroup
  Dim keys = dimsOf(op.getValue()).end()[-2];
  splits = 1;
  bool canMerge = op.getNormalizer() == Normalizer::softmax &&
                  !op.getWeights() && bytes == 4;
  if (canMerge && keys.constant().value_or(kSplitKeys + 1) > kSplitKeys) {
    Dim items = numElements(heads) * blocks * runs;
    Dim idle = Dim::floorDiv(Dim(kWorkgroups), Dim::max(items, Dim(1)));
    splits =
        Dim::max(Dim::min(Dim::ceilDiv(keys, Dim(kSplitKeys)), idle), Dim(1));
  }

  // What is combined over the whole workgroup, and hard's keys, have memory of
  // their own.
  int64_t reserved = kInvocations * (bytes + 4);
  if (op.getNormalizer() == Normalizer::hard)
    reserved += rowBlock() * (across + 1) * 4;
  staged = (kSharedBytes - reserved - scoreBytes()) / bytes;
  features = std::min(kMostFeatures, staged / (rowBlock() + keyBlock()) - 1);
  if (auto known = dimsOf(op.getQueries().front()).back().constant())
    features = evenPart(std::max<int64_t>(*known, 1), features);
  values = evenPart(keyBlock(), std::min(keyBlock(), staged / paddedColumns()));
}

Dim AttentionTiles::scratch() const {
  if (splits == Dim(1))
    return 0;
  return Dim::min(splits - Dim(1), Dim(1)) *
         Dim(kCountBytes + partSize() * int64_t(sizeof(float)));
}

AttentionShader::AttentionShader(KernelEmitter &e, AttentionOp op,
                                 ArrayRef<Buffer> results)
    : AttentionPairs(e, op, results, AttentionRows(op, /*leastHeads=*/1)),
      tiles(op) {}

void AttentionShader::allocate() {
  Dim ownRows(tiles.rowsEach);
  scores = e.sharedArray(
      "scores", {Dim(tiles.rowBlock()), Dim(tiles.keyBlock() + 1)}, type);
  staging = e.sharedArray("staging", Dim(tiles.staged), type);
  maximum = e.ownArray("highest", ownRows, type);
  output = e.ownArray("weighted", {ownRows, Dim(tiles.columnsEach)}, type);
  if (normalizer == Normalizer::softmax) {
    sum = e.ownArray("total", ownRows, type);
    rescale = e.ownArray("rescale", ownRows, type);
  }
  if (normalizer == Normalizer::hard) {
    Type index = e.b.getIndexType();
    bestKey = e.ownArray("best", ownRows, index);
    sharedKeys = e.sharedArray(
        "sharedKeys", {Dim(tiles.rowBlock()), Dim(tiles.across + 1)}, index);
  }
  if (normalizer == Normalizer::sparsemax) {
    threshold = e.ownArray("threshold", ownRows, type);
    above = e.ownArray("above", ownRows, type);
    mass = e.ownArray("mass", ownRows, type);
  }
}

void AttentionShader::emit() {
  allocate();
  auto [own, along] = e.divIndex(varying(e.invocation()), Dim(tiles.across));
  y = own, x = along;
  Value first = gpu::BlockIdOp::create(e.b, gpu::Dimension::x);
  Value groups = gpu::GridDimOp::create(e.b, gpu::Dimension::x);
  e.loop(first, e.dim(gridOfAttentionShader(op)), groups, [&](Value i) {
    item = i;
    emitItem();
  });
}

void AttentionShader::emitItem() {
  Dims items = tiles.heads;
  items.append({tiles.blocks, tiles.runs, tiles.splits});
  Indices at = e.delinearize(e.uniform(item), items);
  split = at.pop_back_val().value;
  Index run = at.pop_back_val();
  firstColumn = e.mulIndex(run, Dim(tiles.columns)).value;
  isFirstRun = e.less(run.value, e.idx(1));
  firstRow = e.mulIndex(at.pop_back_val(), Dim(tiles.rowBlock())).value;
  rows =
      e.minIndex(e.idx(tiles.rowBlock()), e.sub(e.dim(tiles.rows), firstRow));
  batch = at;
  valueBatch = groupedBatch(op.getValue());

  eachRow([&](Index own, Index) {
    e.store(number(-kInfinity), maximum, own);
    if (normalizer == Normalizer::softmax)
      e.store(number(0), sum, own);
    if (normalizer == Normalizer::hard)
      e.store(e.idx(-1), bestKey, own);
    eachColumn([&](Index ownColumn, Index) {
      e.store(number(0), output, {own, ownColumn});
    });
  });
  range = visibleKeys();
  if (areSplit())
    range = ownPart(range);
  if (normalizer == Normalizer::sparsemax)
    findThresholds();
  eachKeyBlock([&] {
    rawScores();
    switch (normalizer) {
    case Normalizer::softmax:
      softmaxBlock();
      break;
    case Normalizer::sigmoid:
      sigmoidBlock();
      break;
    case Normalizer::sparsemax:
      sparsemaxBlock();
      break;
    case Normalizer::hard:
      return hardBlock();
    }
    accumulate();
  });
  if (normalizer == Normalizer::hard)
    finishHard();
  else
    finish();
}

void AttentionShader::eachRow(function_ref<void(Index, Index)> body) {
  e.unrolled(tiles.rowsEach, "r", [&](Index own) {
    body(own, e.addIndex(y, e.mulIndex(own, Dim(tiles.down))));
  });
}

Value AttentionShader::eachKey(Value init,
                               function_ref<Value(Index, Value)> body) {
  return e.loop(e.idx(0), e.idx(tiles.keysEach), 1, init,
                [&](Value c, ValueRange carried) -> SmallVector<Value> {
                  Index key =
                      e.addIndex(x, e.mulIndex(varying(c), Dim(tiles.across)));
                  return {body(key, carried[0])};
                })[0];
}

void AttentionShader::eachKey(function_ref<void(Index)> body) {
  e.loop(e.idx(0), e.idx(tiles.keysEach), 1, [&](Value c) {
    body(e.addIndex(x, e.mulIndex(varying(c), Dim(tiles.across))));
  });
}

void AttentionShader::eachColumn(function_ref<void(Index, Index)> body) {
  e.unrolled(tiles.columnsEach, "c", [&](Index own) {
    body(own, e.addIndex(x, e.mulIndex(own, Dim(tiles.across))));
  });
}

void AttentionShader::eachKeyBlock(function_ref<void()> body) {
  e.loop(range.begin, range.end, tiles.keyBlock(), [&](Value key) {
    firstKey = key;
    keyCount = e.minIndex(e.idx(tiles.keyBlock()), e.sub(range.end, key));
    body();
  });
}

void AttentionShader::shareOut(int64_t count, function_ref<void(Index)> body) {
  e.loop(e.invocation(), e.idx(count), AttentionTiles::kInvocations,
         [&](Value i) { body(varying(i)); });
}

Dim gridOfAttentionShader(AttentionOp op) {
  AttentionTiles tiles(op);
  return numElements(tiles.heads) * tiles.blocks * tiles.runs * tiles.splits;
}

void emitAttentionShader(KernelEmitter &e, AttentionOp op,
                         ArrayRef<Buffer> results) {
  AttentionShader(e, op, results).emit();
}

} // namespace mapsto
