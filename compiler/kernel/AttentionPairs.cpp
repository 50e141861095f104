//===- AttentionPairs.cpp - The pairs of an attention and their regions ---===//

#include "compiler/kernel/AttentionPairs.h"
#include "llvm/Support/SaveAndRestore.h"

using namespace mlir;

namespace mapsto {

AttentionRows::AttentionRows(AttentionOp op, int64_t leastHeads)
    : heads(dimsOf(op.getQueries().front())), group(1) {
  rows = heads[heads.size() - 2];
  heads.resize(heads.size() - 2);
  if (heads.empty())
    return;
  auto ownHeads = [&](Value operand) {
    return dimsOf(operand)[heads.size() - 1];
  };
  Dim own = ownHeads(op.getValue());
  bool alike = llvm::all_of(op.getKeys(),
                            [&](Value key) { return ownHeads(key) == own; });
  std::optional<int64_t> known = own.constant();
  if (alike && own != heads.back() && known && *known >= leastHeads) {
    group = Dim::floorDiv(heads.back(), own);
    heads.back() = own;
    rows = group * rows;
  }
}

AttentionPairs::AttentionPairs(KernelEmitter &e, AttentionOp op,
                               ArrayRef<Buffer> results,
                               const AttentionRows &heads)
    : e(e), op(op), normalizer(op.getNormalizer()), heads(heads) {
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
    // Rows of one item may be of several heads.
    bounds =
        analyzeMask(op.getMask(), heads.group == Dim(1) ? batchDims.size()
                                                        : batchDims.size() - 1);
}

Indices AttentionPairs::groupedBatch(Value operand) {
  Indices at(batch);
  if (at.empty())
    return at;
  Dim all = heads.heads.back();
  Dim own = dimsOf(operand)[at.size() - 1];
  if (own != all)
    at.back() = e.divIndex(at.back(), Dim::floorDiv(all, own)).first;
  return at;
}

Indices AttentionPairs::placeOf(Index row) {
  Index at = e.addIndex(row, e.uniform(firstRow));
  if (heads.group == Dim(1))
    return with(batch, at);
  auto [head, query] = e.divIndex(at, queries);
  Indices place(batch);
  place.back() = e.addIndex(e.mulIndex(place.back(), heads.group), head);
  place.push_back(query);
  return place;
}

AttentionPairs::Range AttentionPairs::queriesOf(Value row, Value count) {
  Value first = e.add(firstRow, row);
  Value last = e.sub(e.add(first, count), e.idx(1));
  if (heads.group == Dim(1))
    return {first, last};
  last = e.minIndex(last, e.sub(e.dim(heads.rows), e.idx(1)));
  auto [firstHead, firstQuery] = e.divIndex(e.uniform(first), queries);
  auto [lastHead, lastQuery] = e.divIndex(e.uniform(last), queries);
  // Rows of several heads may be any queries.
  Value same = arith::CmpIOp::create(e.b, arith::CmpIPredicate::eq,
                                     firstHead.value, lastHead.value);
  Value end = e.sub(e.dim(queries), e.idx(1));
  return {
      arith::SelectOp::create(e.b, same, firstQuery.value, e.idx(0)),
      arith::SelectOp::create(e.b, same, lastQuery.value, end),
  };
}

Value AttentionPairs::keyBound(const KeyBound &bound) {
  // What the region reports is reported only where there are pairs to ask for.
  Type i64 = e.b.getI64Type();
  Value some = e.less(e.idx(0), e.dim(keys));
  Value value = e.branch(
      some, i64,
      [&]() -> SmallVector<Value> {
        KernelEmitter::HoistLimit limit(e);
        givePositions(op.getMask().front(), 0, placeOf(e.uniform(0)),
                      e.uniform(0));
        return {e.element(bound.value, {})};
      },
      [&]() -> SmallVector<Value> { return {e.constant(i64, 0)}; })[0];
  // Clamped before anything is taken from it, and before it becomes an index,
  // which may be narrower: nothing overflows.
  auto integer = [&](const Dim &d) {
    return e.toInteger(e.uniform(e.dim(d)), i64);
  };
  Value least = integer(bound.shift), most = e.add(least, integer(keys));
  Value at = arith::MaxSIOp::create(e.b, value, least);
  at = arith::MinSIOp::create(e.b, at, most);
  return e.fromInteger(e.sub(at, least), /*varies=*/false).value;
}

AttentionPairs::Range AttentionPairs::visibleKeys() {
  Range range{e.idx(0), e.dim(keys)};
  for (const KeyBound &end : bounds.ends)
    range.end = e.minIndex(range.end, keyBound(end));
  for (const KeyBound &begin : bounds.begins)
    range.begin = arith::MaxSIOp::create(e.b, range.begin, keyBound(begin));
  Range own = queriesOf(e.idx(0), rows);
  for (const Dim &ahead : bounds.ahead) {
    Value end = e.add(e.add(own.end, e.dim(ahead)), e.idx(1));
    end = arith::MaxSIOp::create(e.b, end, e.idx(0));
    range.end = e.minIndex(range.end, end);
  }
  for (const Dim &behind : bounds.behind) {
    Value begin = e.sub(own.begin, e.dim(behind));
    range.begin = arith::MaxSIOp::create(e.b, range.begin, begin);
  }
  return range;
}

Value AttentionPairs::regionValue(Block &region) {
  KernelEmitter::HoistLimit limit(e);
  llvm::SaveAndRestore lanes(e.inLaneRegion, true);
  return e.element(region.getTerminator()->getOperand(0), {});
}

void AttentionPairs::givePositions(Block &region, size_t first,
                                   const Indices &place, Index key) {
  auto give = [&](Index index, const Dim &size) {
    Value argument = region.getArgument(first++);
    e.positions[argument] = {index, size};
    e.given[argument] = [this, index](ArrayRef<Index>) {
      return e.toInteger(index, e.b.getI64Type());
    };
  };
  Dims sizes = batchDims;
  sizes.append({queries, keys});
  for (auto [index, size] : llvm::zip_equal(with(place, key), sizes))
    give(index, size);
}

Value AttentionPairs::modified(Value score, const Indices &place, Index key) {
  Block &region = op.getModify().front();
  givePositions(region, 1, place, key);
  Type element = elementTypeOf(region.getArgument(0));
  e.given[region.getArgument(0)] = [this, score, element](ArrayRef<Index>) {
    return e.convert(score, element);
  };
  return e.convert(e.splat(regionValue(region)), type);
}

Value AttentionPairs::isKept(const Indices &place, Index key) {
  Block &region = op.getMask().front();
  givePositions(region, 0, place, key);
  return e.splat(regionValue(region));
}

} // namespace mapsto
