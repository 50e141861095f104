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
#include "compiler/vulkan/AttentionMatrices.h"
#include "compiler/vulkan/AttentionShader.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"

using namespace mlir;

namespace mapsto {

AttentionShader::AttentionShader(KernelEmitter &e, func::FuncOp function,
                                 AttentionOp op, ArrayRef<Buffer> results)
    : AttentionPairs(e, op, results, AttentionRows(op, /*leastHeads=*/1)),
      function(function), tiles(op) {}

void AttentionShader::addConstants() {
  down = addConstant(function, "down");
  across = addConstant(function, "across");
  rowsEach = addConstant(function, "rowsEach");
  keysEach = addConstant(function, "keysEach");
  columnsEach = addConstant(function, "columnsEach");
  depth = addConstant(function, "depth");
  values = addConstant(function, "values");
  staged = addConstant(function, "staged");
}

void AttentionShader::prepare() {
  rowBlock = named(e.mul(down, rowsEach), "rowBlock");
  keyBlock = named(e.mul(across, keysEach), "keyBlock");
  paddedColumns = named(e.mul(across, columnsEach), "paddedColumns");
  invocations = named(e.mul(down, across), "invocations");
  staging = e.sharedArray("staging", staged, type);
  allocate();

  blocks = named(ceilDiv(e.dim(tiles.rows), rowBlock), "blocks");
  splits = e.idx(1);
  if (tiles.mayBeSplit) {
    Value whole = e.mul(e.dim(numElements(tiles.heads) * tiles.runs), blocks);
    Value idle =
        div(e.idx(AttentionTiles::kWorkgroups), greatest(whole, e.idx(1)));
    Value most = e.dim(Dim::ceilDiv(keys, Dim(AttentionTiles::kSplitKeys)));
    splits = named(greatest(e.minIndex(most, idle), e.idx(1)), "splits");
  }
  y = varying(named(div(e.invocation(), across), "y"));
  x = varying(named(rem(e.invocation(), across), "x"));
}

void AttentionShader::allocate() {
  scores =
      e.sharedArray("scores", e.mul(rowBlock, e.add(keyBlock, e.idx(1))), type);
  maximum = e.ownArray("highest", rowsEach, type);
  output = e.ownArray("weighted", e.mul(rowsEach, columnsEach), type);
  if (normalizer == Normalizer::softmax) {
    sum = e.ownArray("total", rowsEach, type);
    rescale = e.ownArray("rescale", rowsEach, type);
  }
  if (normalizer == Normalizer::hard) {
    Type i32 = e.b.getI32Type();
    bestKey = e.ownArray("best", rowsEach, i32);
    sharedKeys = e.sharedArray("sharedKeys",
                               e.mul(rowBlock, e.add(across, e.idx(1))), i32);
  }
  if (normalizer == Normalizer::sparsemax) {
    threshold = e.ownArray("threshold", rowsEach, type);
    above = e.ownArray("above", rowsEach, type);
    mass = e.ownArray("mass", rowsEach, type);
  }
}

void AttentionShader::emit() {
  prepare();
  Value first = gpu::BlockIdOp::create(e.b, gpu::Dimension::x);
  Value groups = gpu::GridDimOp::create(e.b, gpu::Dimension::x);
  Value items = e.mul(e.dim(numElements(tiles.heads) * tiles.runs),
                      e.mul(blocks, splits));
  e.loop(first, items, groups, [&](Value i) {
    item = named(i, "item");
    emitItem();
  });
}

void AttentionShader::emitItem() {
  // The parts of a block's keys are neighbours, then its runs of columns.
  Value rest = div(item, splits);
  split = rem(item, splits);
  auto [upToBlock, run] = e.divIndex(e.uniform(rest), tiles.runs);
  Value block = rem(upToBlock.value, blocks);
  batch = e.delinearize(e.uniform(div(upToBlock.value, blocks)), tiles.heads);
  firstColumn = e.mulIndex(run, Dim(tiles.columns)).value;
  isFirstRun = e.less(run.value, e.idx(1));
  firstRow = named(e.mul(block, rowBlock), "firstRow");
  rows =
      named(e.minIndex(rowBlock, e.sub(e.dim(tiles.rows), firstRow)), "rows");
  valueBatch = groupedBatch(op.getValue());

  eachRow([&](Index own, Index) {
    e.store(number(-kInfinity), maximum, own);
    if (normalizer == Normalizer::softmax)
      e.store(number(0), sum, own);
    if (normalizer == Normalizer::hard)
      e.store(e.constant(e.b.getI32Type(), -1), bestKey, own);
    eachColumn([&](Index ownColumn, Index) {
      e.store(number(0), output, outputAt(own, ownColumn));
    });
  });
  range = visibleKeys();
  if (tiles.mayBeSplit)
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
  e.unrolled(rowsEach, "r", [&](Index own) { body(own, place(own, down, y)); });
}

Value AttentionShader::eachKey(Value init,
                               function_ref<Value(Index, Value)> body) {
  return e.loop(e.idx(0), keysEach, 1, init,
                [&](Value c, ValueRange carried) -> SmallVector<Value> {
                  return {body(place(varying(c), across, x), carried[0])};
                })[0];
}

void AttentionShader::eachKey(function_ref<void(Index)> body) {
  e.loop(e.idx(0), keysEach, 1,
         [&](Value c) { body(place(varying(c), across, x)); });
}

void AttentionShader::eachColumn(function_ref<void(Index, Index)> body) {
  e.unrolled(columnsEach, "c",
             [&](Index own) { body(own, place(own, across, x)); });
}

void AttentionShader::eachKeyBlock(function_ref<void()> body) {
  e.loop(range.begin, range.end, keyBlock, [&](Value key) {
    firstKey = named(key, "firstKey");
    keyCount = named(e.minIndex(keyBlock, e.sub(range.end, key)), "keyCount");
    body();
  });
}

void AttentionShader::shareOut(Value count, function_ref<void(Index)> body) {
  e.loop(e.invocation(), count, invocations,
         [&](Value i) { body(varying(i)); });
}

void emitAttentionShader(KernelEmitter &e, func::FuncOp function,
                         AttentionOp op, ArrayRef<Buffer> results) {
  AttentionTiles tiles(op);
  setTilings(function, tiles.tilings());
  AttentionShader plain(e, function, op, results);
  plain.addConstants();
  SmallVector<Tiling> withMatrices = attentionMatrixTilings(op);
  if (withMatrices.empty()) {
    plain.emit();
  } else {
    setTilings(function, withMatrices, kMatrixTilingsAttr);
    function->setAttr(kMatricesWhenAttr,
                      e.b.getStringAttr(beyondFewRows(op).str()));
    AttentionMatrices matrices(e, op, results);
    matrices.addConstants(function);
    auto written = [](auto &shader) {
      shader.emit();
      return SmallVector<Value>();
    };
    e.branch(
        addIfMatrices(function), {}, [&] { return written(matrices); },
        [&] { return written(plain); });
  }
  if (tiles.mayBeSplit)
    function->setAttr(kClearedAttr,
                      e.b.getI64IntegerAttr(AttentionTiles::kCounts * 4));
  e.scratchBytes += tiles.scratch();
}

} // namespace mapsto
