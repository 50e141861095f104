//===- AttentionMatrices.cpp - Attention by matrices of subgroups ---------===//
//
// As EmitAttention.cpp, with the two products by matrix units:
//
//   S = Q Kᵀ     queries stay in matrices, keys come through shared memory; the
//                sums go to shared memory in f32
//   P = softmax  by invocations, from there; weights go back in f16
//   O += P V     the sums stay in matrices
//
// Which invocation has which elements of a matrix is the device's business, so
// that its rows cannot be scaled one by one where it lies. Scores are therefore
// taken from a reference that follows their maximum only from afar: P and O are
// in units of e^reference, and while the maximum is not so far above that f16
// would overflow, O stays as it is. Where it is, O is divided by a matrix whose
// rows are what the units have grown by. Like this O is scaled a few times a
// row instead of with every block. (The result is a quotient, in which units do
// not matter. FlashAttention-4 leaves out small rescalings, too.)
//
// Barriers. The workgroup's keep the block's keys and values: one before they
// are replaced, one after. All else is a subgroup's own, its rows of the scores
// and weights, and has barriers of the subgroup where invocations read what
// others wrote. Every one of them, and every operation on matrices, stands
// where control flow is the same for the whole subgroup: loops over blocks of
// keys, whose range is the workgroup's, or over constants.
//
//===----------------------------------------------------------------------===//

#include "compiler/vulkan/AttentionMatrices.h"

#include "compiler/KernelAttributes.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace mapsto {

static constexpr double kInfinity = std::numeric_limits<double>::infinity();

AttentionMatrices::AttentionMatrices(KernelEmitter &e, AttentionOp op,
                                     ArrayRef<Buffer> results)
    : AttentionPairs(e, op, results, AttentionRows(op, /*leastHeads=*/1)),
      width(*queryDims.back().constant()), columns(*features.constant()) {}

void AttentionMatrices::addConstants(func::FuncOp function) {
  subgroups = addConstant(function, "subgroups");
  rowsEach = addConstant(function, "rowsEach");
  keyBlock = addConstant(function, "keyBlock");
  matrixRows = addConstant(function, "matrixRows");
  matrixColumns = addConstant(function, "matrixColumns");
  matrixDepth = addConstant(function, "matrixDepth");
}

void AttentionMatrices::prepare() {
  ownRows = named(e.mul(rowsEach, matrixRows), "ownRows");
  rowBlock = named(e.mul(subgroups, ownRows), "rowBlock");
  Value subgroup = named(subgroupOf(e), "subgroup");
  inRow = named(e.mul(subgroup, ownRows), "inRow");
  lane = named(laneOf(e), "lane");
  lanes = named(div(e.invocations(), subgroups), "lanes");
  // Both are powers of 2.
  parts = named(ceilDiv(lanes, ownRows), "parts");
  lines = named(ceilDiv(ownRows, lanes), "lines");
  part = named(div(lane, ownRows), "part");
  keysEach = named(div(keyBlock, parts), "keysEach");
  depthSteps = named(div(e.idx(width), matrixDepth), "depthSteps");
  columnSteps = named(div(e.idx(columns), matrixColumns), "columnSteps");
  keySteps = named(div(keyBlock, matrixColumns), "keySteps");
  weightSteps = named(div(keyBlock, matrixDepth), "weightSteps");
  allocate();
}

AttentionMatrices::Tile AttentionMatrices::makeTile(StringRef name, Value count,
                                                    Value length, int64_t apart,
                                                    Type element) {
  Value stride = named(e.add(length, e.idx(apart)), "stride");
  return {e.sharedArray(name, e.mul(count, stride), element).memref, stride};
}

AttentionMatrices::Tile AttentionMatrices::tileOf(StringRef name,
                                                  int64_t length,
                                                  ArrayRef<Value> operands) {
  bool inEights = llvm::all_of(
      operands, [&](Value operand) { return liesInEights(e, operand); });
  int64_t unit = inEights ? kEight : 1;
  Tile tile =
      makeTile(name, keyBlock, e.idx(length / unit), kMatrixAlignment / unit,
               inEights ? eightType(e) : e.b.getF16Type());
  tile.unit = unit;
  return tile;
}

void AttentionMatrices::allocate() {
  Type half = e.b.getF16Type();
  // Lines are 16 bytes apart beyond their lengths: they begin in other banks.
  keyTile =
      tileOf("keyTile", width, {op.getQueries().front(), op.getKeys().front()});
  valueTile = tileOf("valueTile", columns, {op.getValue()});
  weightTile = makeTile("weights", keyBlock, rowBlock, kMatrixAlignment, half);
  scoreTile =
      makeTile("scores", keyBlock, rowBlock, kMatrixAlignment / 2, type);
  exchange = e.sharedArray("exchange", e.mul(rowBlock, parts), type).memref;

  auto lhs = [&](StringRef name, Value count) {
    return matrixArray(e, name, count, matrixRows, matrixDepth, half);
  };
  auto rhs = [&](StringRef name, Value count) {
    return matrixArray(e, name, count, matrixDepth, matrixColumns, half);
  };
  auto sums = [&](StringRef name, Value count) {
    return matrixArray(e, name, count, matrixRows, matrixColumns, type);
  };
  queryMatrices = lhs("queries", e.mul(rowsEach, depthSteps));
  keyMatrices = rhs("keys", keySteps);
  scoreMatrices = sums("dots", e.mul(rowsEach, keySteps));
  weightMatrices = lhs("rowWeights", rowsEach);
  valueMatrices = rhs("values", columnSteps);
  output = sums("weighted", outputCount());
  growthMatrices = sums("growths", rowsEach);
  reference = ownArray("reference", lines);
  total = ownArray("total", lines);
  top = ownArray("top", lines);
  growth = ownArray("growth", lines);
  finished = ownArray("finished", e.mul(lines, keysEach));
}

void AttentionMatrices::emit() {
  prepare();
  Value blocks = named(ceilDiv(e.dim(heads.rows), rowBlock), "blocks");
  Value first = gpu::BlockIdOp::create(e.b, gpu::Dimension::x);
  Value groups = gpu::GridDimOp::create(e.b, gpu::Dimension::x);
  Value items = e.mul(e.dim(numElements(heads.heads)), blocks);
  e.loop(first, items, groups, [&](Value item) {
    named(item, "item");
    batch = e.delinearize(e.uniform(div(item, blocks)), heads.heads);
    // From the last rows on: under a causal mask these have most to do.
    Value block = e.sub(e.sub(blocks, e.idx(1)), rem(item, blocks));
    firstRow = named(e.mul(block, rowBlock), "firstRow");
    rows =
        named(e.minIndex(rowBlock, e.sub(e.dim(heads.rows), firstRow)), "rows");
    valueBatch = groupedBatch(op.getValue());
    emitItem(item);
  });
}

void AttentionMatrices::emitItem(Value item) {
  unrolled("i", outputCount(), [&](Value i) { clearMatrix(e, {output, i}); });
  eachLine([&](Value line, Value) {
    put(reference, line, number(-kInfinity));
    put(total, line, number(0));
  });
  loadQueries();
  Range range = visibleKeys();
  Indices keyBatch = groupedBatch(op.getKeys().front());
  e.loop(range.begin, range.end, keyBlock, [&](Value key) {
    firstKey = named(key, "firstKey");
    keyCount = named(e.minIndex(keyBlock, e.sub(range.end, key)), "keyCount");
    auto keyOf = [&](const Indices &batch) {
      return [this, &batch](Value line) {
        return with(batch, varying(e.add(firstKey, line)));
      };
    };
    e.barrierOfArrays(); // the keys and values before have been read
    stage(keyTile, width, keyCount, op.getKeys().front(), keyOf(keyBatch));
    stage(valueTile, columns, keyCount, op.getValue(), keyOf(valueBatch));
    e.barrierOfArrays();
    multiplyKeys();
    barrierOfSubgroup(e);
    Value mayHaveGrown = softmax();
    barrierOfSubgroup(e);
    accumulate(mayHaveGrown);
  });
  finish();
}

/// Queries come by the keys' tile, as many at a time.
void AttentionMatrices::loadQueries() {
  e.loop(e.idx(0), rowBlock, keyBlock, [&](Value first) {
    named(first, "first");
    e.barrierOfArrays(); // what was in the tile has been read
    stage(keyTile, width, e.sub(rows, first), op.getQueries().front(),
          [&](Value line) { return placeOf(varying(e.add(first, line))); });
    e.barrierOfArrays();
    unrolled("r", rowsEach, [&](Value r) {
      Value line = e.sub(e.add(inRow, e.mul(r, matrixRows)), first);
      e.when(both(e.less(e.idx(-1), line), e.less(line, keyBlock)), [&] {
        unrolled("k", depthSteps, [&](Value k) {
          loadMatrix(e, matrixOf(queryMatrices, r, depthSteps, k),
                     {keyTile.array,
                      inTile(keyTile, line, e.mul(k, matrixDepth)),
                      keyTile.stride});
        });
      });
    });
  });
}

void AttentionMatrices::stage(const Tile &to, int64_t length, Value count,
                              Value operand,
                              function_ref<Indices(Value)> place) {
  Type type = cast<MemRefType>(to.array.getType()).getElementType();
  Value each = e.idx(length / to.unit), all = e.mul(keyBlock, each);
  unrolled("n", ceilDiv(all, e.invocations()), [&](Value n) {
    Value i = named(e.add(e.mul(n, e.invocations()), e.invocation()), "i");
    e.when(e.less(i, all), [&] {
      Value line = div(i, each), at = rem(i, each);
      auto read = [&]() -> SmallVector<Value> {
        Index element = varying(e.mul(at, e.idx(to.unit)));
        Value v = e.element(operand, with(place(line), element));
        if (to.unit == 1)
          return {v};
        auto first = v.getDefiningOp<memref::LoadOp>();
        Value eight = div(first.getIndices()[0], e.idx(kEight));
        return {loadEight(e, first.getMemRef(), eight)};
      };
      auto nothing = [&]() -> SmallVector<Value> {
        return {arith::ConstantOp::create(e.b, e.b.getZeroAttr(type))};
      };
      Value v = e.branch(e.less(line, count), type, read, nothing)[0];
      put(to.array, e.add(e.mul(line, to.stride), at), v);
    });
  });
}

void AttentionMatrices::multiplyKeys() {
  unrolled("i", e.mul(rowsEach, keySteps),
           [&](Value i) { clearMatrix(e, {scoreMatrices, i}); });
  unrolled("k", depthSteps, [&](Value k) {
    unrolled("c", keySteps, [&](Value c) {
      Matrix key{keyMatrices, c};
      Value at =
          inTile(keyTile, e.mul(c, matrixColumns), e.mul(k, matrixDepth));
      // A key, which lies along its features, is a column.
      loadMatrix(e, key, {keyTile.array, at, keyTile.stride, true});
      unrolled("r", rowsEach, [&](Value r) {
        multiplyMatrices(e, matrixOf(queryMatrices, r, depthSteps, k), key,
                         matrixOf(scoreMatrices, r, keySteps, c));
      });
    });
  });
  unrolled("r", rowsEach, [&](Value r) {
    unrolled("c", keySteps, [&](Value c) {
      storeMatrix(e, matrixOf(scoreMatrices, r, keySteps, c),
                  ofRows(scoreTile, r, e.mul(c, matrixColumns)));
    });
  });
}

void AttentionMatrices::accumulate(Value mayHaveGrown) {
  e.when(mayHaveGrown, [&] {
    unrolled("r", rowsEach, [&](Value r) {
      Matrix grown{growthMatrices, r};
      loadMatrix(e, grown, ofRows(scoreTile, r, e.idx(0)));
      unrolled("c", columnSteps, [&](Value c) {
        divideMatrix(e, matrixOf(output, r, columnSteps, c), grown);
      });
    });
  });
  unrolled("k", weightSteps, [&](Value k) {
    Value key = named(e.mul(k, matrixDepth), "key");
    unrolled("r", rowsEach, [&](Value r) {
      loadMatrix(e, {weightMatrices, r}, ofRows(weightTile, r, key));
    });
    unrolled("c", columnSteps, [&](Value c) {
      Matrix value{valueMatrices, c};
      loadMatrix(e, value,
                 {valueTile.array,
                  inTile(valueTile, key, e.mul(c, matrixColumns)),
                  valueTile.stride});
      unrolled("r", rowsEach, [&](Value r) {
        multiplyMatrices(e, {weightMatrices, r}, value,
                         matrixOf(output, r, columnSteps, c));
      });
    });
  });
}

void AttentionMatrices::finish() {
  combineParts(total, ReduceKind::sum);
  barrierOfSubgroup(e); // the parts have been read
  eachLine([&](Value line, Value row) {
    Value isFirst = e.less(part, e.idx(1));
    e.when(isFirst, [&] {
      Value l = get(total, line);
      Value isNone = compare(arith::CmpFPredicate::OEQ, l, number(0));
      put(exchange, inExchange(e.idx(0), row),
          select(isNone, number(0), quotient(number(1), l)));
      if (!logSumExp)
        return;
      Index at = varying(row);
      e.when(e.less(row, rows), [&] {
        Value v =
            e.fma(get(reference, line), number(inBits ? llvm::numbers::ln2 : 1),
                  math::LogOp::create(e.b, l));
        e.store(v, *logSumExp, placeOf(at));
      });
    });
  });
  storeOutput();
}

/// Matrix by matrix by way of the scores' tile.
void AttentionMatrices::storeOutput() {
  unrolled("r", rowsEach, [&](Value r) {
    unrolled("c", columnSteps, [&](Value c) {
      barrierOfSubgroup(e); // the factors are there, the matrix before is read
      storeMatrix(e, matrixOf(output, r, columnSteps, c),
                  ofRows(scoreTile, r, e.idx(0)));
      barrierOfSubgroup(e);
      Value elements = named(e.mul(matrixRows, matrixColumns), "elements");
      e.loop(lane, elements, lanes, [&](Value i) {
        Value inMatrix = div(i, matrixColumns);
        Value column = named(rem(i, matrixColumns), "column");
        Value row =
            named(e.add(inRow, e.add(e.mul(r, matrixRows), inMatrix)), "row");
        e.when(e.less(row, rows), [&] {
          Value v =
              product(get(scoreTile.array, inTile(scoreTile, column, row)),
                      get(exchange, inExchange(e.idx(0), row)));
          Index at = varying(e.add(e.mul(c, matrixColumns), column));
          e.store(v, context, with(placeOf(varying(row)), at));
        });
      });
    });
  });
}

} // namespace mapsto
