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
  Value count = e.sub(all.end, all.begin);
  count = arith::MaxSIOp::create(e.b, count, e.idx(0));
  // Whole blocks of keys, but for the last part.
  Value length = e.mul(ceilDiv(count, e.mul(splits, keyBlock)), keyBlock);
  Value begin = e.add(all.begin, e.mul(split, length));
  return {begin, e.minIndex(e.add(begin, length), all.end)};
}

Buffer AttentionShader::parts() { return e.scratchOfDispatch(Dim(), type); }

Index AttentionShader::inPart(Value part, Value n) {
  Value each = e.add(e.mul(rowsEach, e.idx(2)), e.mul(rowsEach, columnsEach));
  Value first = e.mul(e.add(e.mul(part, each), n), invocations);
  return varying(
      e.add(e.add(first, e.invocation()), e.idx(AttentionTiles::kCounts)));
}

void AttentionShader::storePart() {
  Buffer all = parts();
  eachRow([&](Index r, Index) {
    e.store(e.load(maximum, r), all, inPart(item, r.value));
    e.store(e.load(sum, r), all, inPart(item, e.add(rowsEach, r.value)));
    eachColumn([&](Index c, Index) {
      Value n = e.add(e.mul(rowsEach, e.idx(2)), outputAt(r, c).value);
      e.store(e.load(output, outputAt(r, c)), all, inPart(item, n));
    });
  });
}

void AttentionShader::takeParts() {
  Buffer all = parts();
  Value first = e.sub(item, split);
  eachRow([&](Index r, Index) {
    e.store(number(-kInfinity), maximum, r);
    e.store(number(0), sum, r);
    eachColumn(
        [&](Index c, Index) { e.store(number(0), output, outputAt(r, c)); });
  });
  e.loop(e.idx(0), splits, 1, [&](Value i) {
    Value part = e.add(first, i);
    auto take = [&](Value n) { return e.load(all, inPart(part, n)); };
    eachRow([&](Index r, Index) {
      Value before = e.load(maximum, r), other = take(r.value);
      Value after = e.extreme(ReduceKind::max, other, before);
      Value reference = referenceOf(after);
      Value kept = exponential(arith::SubFOp::create(e.b, before, reference));
      Value added = exponential(arith::SubFOp::create(e.b, other, reference));
      auto merge = [&](Value x, Value y) {
        return e.fma(x, kept, arith::MulFOp::create(e.b, y, added));
      };
      e.store(after, maximum, r);
      e.store(merge(e.load(sum, r), take(e.add(rowsEach, r.value))), sum, r);
      eachColumn([&](Index c, Index) {
        Value n = e.add(e.mul(rowsEach, e.idx(2)), outputAt(r, c).value);
        Value o = merge(e.load(output, outputAt(r, c)), take(n));
        e.store(o, output, outputAt(r, c));
      });
    });
  });
}

Value AttentionShader::mergeParts() {
  Type i1 = e.b.getI1Type(), i32 = e.b.getI32Type();
  Buffer come = e.sharedArray("come", Dim(1), i32);
  Index only = varying(e.idx(0));
  return e.branch(
      e.less(e.idx(1), splits), i1,
      [&]() -> SmallVector<Value> {
        storePart();
        e.barrier();
        Value isFirst = e.less(e.invocation(), e.idx(1));
        e.when(isFirst, [&] {
          Buffer counts = e.scratchOfDispatch(Dim(), i32);
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
