//===- AttentionParts.cpp - Keys shared among items -----------------------===//
//
// Parts of the keys of one block of rows may be done by several threads, in any
// order. Each leaves its maximum, sum and output in memory that all threads of
// the launch share; whoever comes last puts them together, in the order of the
// keys, so that the result does not depend on who that was:
//
//   m = max m_p,  l = sum l_p e^(m_p - m),  O = sum O_p e^(m_p - m)
//
//===----------------------------------------------------------------------===//

#include "compiler/kernel/AttentionEmitter.h"

using namespace mlir;

namespace mapsto {

void AttentionEmitter::allocateParts() {
  // None where sizes make one part of the keys.
  Dim several = Dim::min(grid.parts - Dim(1), Dim(1));
  Dim items = grid.items() * several;
  Dim rows = Dim::min(grid.blockRows, grid.rows);
  partMaximum = e.allocateShared({items, rows}, type);
  partSum = e.allocateShared({items, rows, Dim(e.lanes)}, type);
  partOutput = e.allocateShared({items, rows, features}, type);
  arrivals = e.sharedCounters();
}

AttentionEmitter::Range AttentionEmitter::partOf(Range range) {
  // Whole panels, and no fewer keys than a block has: lengths may leave some
  // parts nothing.
  Value count = e.sub(range.end, e.minIndex(range.begin, range.end));
  Value share = arith::CeilDivUIOp::create(e.b, count, e.dim(grid.parts));
  share = arith::MaxUIOp::create(e.b, share, e.idx(grid.keyBlock));
  Value panels = arith::CeilDivUIOp::create(e.b, share, e.idx(panel()));
  share = e.mul(panels, e.idx(panel()));
  Value begin = e.add(range.begin, e.mul(part, share));
  return {begin, e.minIndex(e.add(begin, share), range.end)};
}

Value AttentionEmitter::joinParts() {
  Value several = e.less(e.idx(1), e.dim(grid.parts));
  Type flag = e.b.getI1Type();
  return e.branch(
      several, flag,
      [&]() -> SmallVector<Value> {
        storePart();
        // Acquires what the others released here.
        Value one = arith::ConstantOp::create(e.b, e.b.getI64IntegerAttr(1));
        Value before =
            memref::AtomicRMWOp::create(e.b, arith::AtomicRMWKind::addi, one,
                                        arrivals.memref, ValueRange(whole));
        before = arith::IndexCastOp::create(e.b, e.b.getIndexType(), before);
        Value last =
            arith::CmpIOp::create(e.b, arith::CmpIPredicate::eq,
                                  e.add(before, e.idx(1)), e.dim(grid.parts));
        e.when(last, [&] { mergeParts(); });
        return {last};
      },
      [&]() -> SmallVector<Value> { return {e.constant(flag, 1)}; })[0];
}

void AttentionEmitter::storePart() {
  Index place = e.uniform(item);
  Index lane{e.idx(0), Index::Lanes, true};
  eachRow([&](Value row) {
    Index r = rowIndex(row);
    e.store(e.load(maximum, {r}), partMaximum, {place, r});
    e.store(e.load(sum, {r, lane}), partSum, {place, r, lane});
    e.laneLoop(features, [&](Index d) {
      e.store(e.splat(e.load(output, {r, d})), partOutput, {place, r, d});
    });
  });
}

void AttentionEmitter::mergeParts() {
  Value first = e.sub(item, part), end = e.add(first, e.dim(grid.parts));
  Index lane{e.idx(0), Index::Lanes, true};
  eachRow([&](Value row) {
    Index r = rowIndex(row);
    Value top = e.loop(
        first, end, 1, number(-kInfinity), [&](Value p, ValueRange carried) {
          Value m = e.load(partMaximum, {e.uniform(p), r});
          return SmallVector<Value>{e.extreme(ReduceKind::max, m, carried[0])};
        })[0];
    e.store(top, maximum, {r});
    // With no key seen every factor is 0, not exp(-inf + inf).
    Value shift =
        arith::SelectOp::create(e.b, isNone(top), number(0), top).getResult();
    e.laneLoop(features, [&](Index d) { e.store(vector(0), output, {r, d}); });
    Value total =
        e.loop(first, end, 1, vector(0), [&](Value p, ValueRange carried) {
          Index place = e.uniform(p);
          Value m = e.load(partMaximum, {place, r});
          Value factor = exponential(
              e.splat(arith::SubFOp::create(e.b, m, shift).getResult()));
          auto add = [&](Value part, Value sofar) {
            return e.fma(part, factor, sofar);
          };
          e.laneLoop(features, [&](Index d) {
            Value part = e.splat(e.load(partOutput, {place, r, d}));
            e.store(add(part, e.splat(e.load(output, {r, d}))), output, {r, d});
          });
          return SmallVector<Value>{
              add(e.load(partSum, {place, r, lane}), carried[0])};
        })[0];
    e.store(total, sum, {r, lane});
  });
}

} // namespace mapsto
