//===- AttentionSplits.cpp - Keys that several workgroups share -----------===//
//
// Each workgroup leaves its rows' maxima and sums and its weighted values in
// the dispatch's scratch and counts itself. The last to come sees everyone's
// and merges them by their log-sum-exp: m = max(mᵢ), l = Σ lᵢ e^(mᵢ - m), and
// the output likewise.
//
//===----------------------------------------------------------------------===//

#include "compiler/vulkan/AttentionShader.h"

using namespace mlir;

namespace mapsto {

AttentionShader::Range AttentionShader::ownPart(Range all) {
  Value splits = e.dim(tiles.splits);
  Value count = e.sub(all.end, all.begin);
  count = arith::MaxSIOp::create(e.b, count, e.idx(0));
  // Whole blocks of keys, but for the last part.
  Value block = e.mul(splits, e.idx(tiles.keyBlock()));
  Value length = e.mul(arith::CeilDivSIOp::create(e.b, count, block),
                       e.idx(tiles.keyBlock()));
  Value begin = e.add(all.begin, e.mul(split, length));
  return {begin, e.minIndex(e.add(begin, length), all.end)};
}

Buffer AttentionShader::parts() {
  constexpr int64_t kCounts = AttentionTiles::kCountBytes / sizeof(float);
  return e.scratchOfDispatch(
      Dim(kCounts + AttentionTiles::kWorkgroups * tiles.partSize()), type);
}

Index AttentionShader::inPart(Value part, int64_t n) {
  constexpr int64_t kCounts = AttentionTiles::kCountBytes / sizeof(float);
  Value first = e.add(e.mul(part, e.idx(tiles.partSize())),
                      e.idx(kCounts + n * AttentionTiles::kInvocations));
  return varying(e.add(first, e.invocation()));
}

void AttentionShader::storePart() {
  Buffer all = parts();
  auto at = [&](int64_t array, Index own) {
    return e.addIndex(inPart(item, array * tiles.rowsEach),
                      e.mulIndex(own, Dim(AttentionTiles::kInvocations)));
  };
  eachRow([&](Index r, Index) {
    e.store(e.load(maximum, r), all, at(0, r));
    e.store(e.load(sum, r), all, at(1, r));
    eachColumn([&](Index c, Index) {
      Index place = e.addIndex(e.mulIndex(r, Dim(tiles.columnsEach)), c);
      e.store(e.load(output, {r, c}), all, at(2, place));
    });
  });
}

void AttentionShader::takeParts() {
  Buffer all = parts();
  Value splits = e.dim(tiles.splits);
  Value first = e.sub(item, split);
  eachRow([&](Index r, Index) {
    e.store(number(-kInfinity), maximum, r);
    e.store(number(0), sum, r);
    eachColumn([&](Index c, Index) { e.store(number(0), output, {r, c}); });
  });
  e.loop(e.idx(0), splits, 1, [&](Value i) {
    Value part = e.add(first, i);
    auto take = [&](int64_t array, Index own) {
      return e.load(
          all, e.addIndex(inPart(part, array * tiles.rowsEach),
                          e.mulIndex(own, Dim(AttentionTiles::kInvocations))));
    };
    eachRow([&](Index r, Index) {
      Value before = e.load(maximum, r), other = take(0, r);
      Value after = e.extreme(ReduceKind::max, other, before);
      Value reference = referenceOf(after);
      Value kept = exponential(arith::SubFOp::create(e.b, before, reference));
      Value added = exponential(arith::SubFOp::create(e.b, other, reference));
      auto merge = [&](Value x, Value y) {
        return e.fma(x, kept, arith::MulFOp::create(e.b, y, added));
      };
      e.store(after, maximum, r);
      e.store(merge(e.load(sum, r), take(1, r)), sum, r);
      eachColumn([&](Index c, Index) {
        Index place = e.addIndex(e.mulIndex(r, Dim(tiles.columnsEach)), c);
        e.store(merge(e.load(output, {r, c}), take(2, place)), output, {r, c});
      });
    });
  });
}

Value AttentionShader::mergeParts() {
  Type i1 = e.b.getI1Type(), i32 = e.b.getI32Type();
  Value splits = e.dim(tiles.splits);
  Buffer come = e.sharedArray("come", Dim(1), i32);
  Index only = varying(e.idx(0));
  return e.branch(
      e.less(e.idx(1), splits), i1,
      [&]() -> SmallVector<Value> {
        storePart();
        e.barrier();
        Value isFirst = e.less(e.invocation(), e.idx(1));
        e.when(isFirst, [&] {
          Buffer counts =
              e.scratchOfDispatch(Dim(AttentionTiles::kWorkgroups), i32);
          Value block = arith::DivUIOp::create(e.b, item, splits);
          Value before = memref::AtomicRMWOp::create(
              e.b, arith::AtomicRMWKind::addi, e.constant(i32, 1),
              counts.memref, ValueRange(block));
          e.store(before, come, only);
        });
        e.barrier();
        Value others = arith::IndexCastOp::create(e.b, e.b.getIndexType(),
                                                  e.load(come, only));
        Value isLast = arith::CmpIOp::create(e.b, arith::CmpIPredicate::eq,
                                             others, e.sub(splits, e.idx(1)));
        e.when(isLast, [&] { takeParts(); });
        return {isLast};
      },
      [&]() -> SmallVector<Value> { return {e.constant(i1, 1)}; })[0];
}

} // namespace mapsto
