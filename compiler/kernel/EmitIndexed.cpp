//===- EmitIndexed.cpp - Cumulative, top-k, scatter and update kernels ----===//

#include "compiler/kernel/GroupEmitter.h"

using namespace mlir;

namespace mapsto {

//===----------------------------------------------------------------------===//
// Cumulative: the axis in order, lanes over the last axis if that is another.
//===----------------------------------------------------------------------===//

static Dims withoutAxis(Dims dims, int64_t axis) {
  dims.erase(dims.begin() + axis);
  return dims;
}

Dim gridOfCumulative(CumulativeOp op) {
  Dims outer = withoutAxis(dimsOf(op.getX()), op.getAxis());
  if (op.getAxis() + 1 != dimsOf(op.getX()).size())
    outer.pop_back();
  return numElements(outer);
}

void emitCumulative(KernelEmitter &e, CumulativeOp op, const Buffer &result,
                    Value begin, Value end) {
  Dims dims = dimsOf(op.getX());
  int64_t axis = op.getAxis();
  bool lanes = axis + 1 != static_cast<int64_t>(dims.size());
  Dims outer = withoutAxis(dims, axis);
  Dim inner = lanes ? outer.pop_back_val() : Dim(1);
  Type type = elementTypeOf(op.getResult());
  Type accumulator = KernelEmitter::accumulatorType(type);

  auto run = [&](Indices at) {
    Value first = e.identity(op.getKind(), accumulator);
    if (lanes)
      first = e.splat(first);
    Value size = e.dim(dims[axis]);
    e.loop(e.idx(0), size, 1, first, [&](Value step, ValueRange carried) {
      Value i = op.getReverse() ? e.sub(e.sub(size, e.idx(1)), step) : step;
      Indices full(at);
      full.insert(full.begin() + axis, e.uniform(i));
      Value x = e.convert(e.element(op.getX(), full), accumulator);
      Value next = e.combine(op.getKind(), carried[0], x);
      e.store(op.getExclusive() ? Value(carried[0]) : next, result, full);
      return SmallVector<Value>{next};
    });
  };
  e.loop(begin, end, 1, [&](Value item) {
    Indices at = e.delinearize(e.uniform(item), outer);
    if (!lanes)
      return run(at);
    e.laneLoop(inner, [&](Index i) {
      Indices full(at);
      full.push_back(i);
      run(full);
    });
  });
}

//===----------------------------------------------------------------------===//
// Top-k: k times the best of what comes after the last one taken. Needs no
// memory besides the result; k is small where it is used.
//===----------------------------------------------------------------------===//

Dim gridOfTopK(TopKOp op) {
  Dims dims = dimsOf(op.getX());
  dims.pop_back();
  return numElements(dims);
}

void emitTopK(KernelEmitter &e, TopKOp op, ArrayRef<Buffer> results,
              Value begin, Value end) {
  Dims dims = dimsOf(op.getX());
  Type type = elementTypeOf(op.getX());
  Type i64 = e.b.getI64Type();
  bool isFloat = isa<FloatType>(type);
  auto &b = e.b;
  auto better = [&](Value x, Value y) -> Value {
    if (!isFloat)
      return arith::CmpIOp::create(b,
                                   op.getSmallest() ? arith::CmpIPredicate::slt
                                                    : arith::CmpIPredicate::sgt,
                                   x, y);
    Value order =
        arith::CmpFOp::create(b,
                              op.getSmallest() ? arith::CmpFPredicate::OLT
                                               : arith::CmpFPredicate::OGT,
                              x, y);
    // NaN counts as larger than every number.
    Value xNan = arith::CmpFOp::create(b, arith::CmpFPredicate::UNO, x, x);
    Value yNan = arith::CmpFOp::create(b, arith::CmpFPredicate::UNO, y, y);
    Value one = e.constant(b.getI1Type(), 1);
    Value nanWins = op.getSmallest()
                        ? arith::AndIOp::create(
                              b, arith::XOrIOp::create(b, xNan, one), yNan)
                        : arith::AndIOp::create(
                              b, xNan, arith::XOrIOp::create(b, yNan, one));
    return arith::OrIOp::create(b, order, nanWins);
  };
  // (x, i) comes before (y, j) in the result.
  auto before = [&](Value x, Value i, Value y, Value j) -> Value {
    Value tie = arith::XOrIOp::create(
        b, arith::OrIOp::create(b, better(x, y), better(y, x)),
        e.constant(b.getI1Type(), 1));
    Value earlier = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, i, j);
    return arith::OrIOp::create(b, better(x, y),
                                arith::AndIOp::create(b, tie, earlier));
  };
  Value none = e.constant(i64, -1);
  Value zero = e.constant(type, 0);
  e.loop(begin, end, 1, [&](Value item) {
    Indices row = e.delinearize(e.uniform(item), ArrayRef(dims).drop_back());
    e.loop(e.idx(0), e.idx(op.getK()), 1, {zero, none},
           [&](Value rank, ValueRange last) {
             Value isFirst = arith::CmpIOp::create(b, arith::CmpIPredicate::eq,
                                                   rank, e.idx(0));
             SmallVector<Value> best = e.loop(
                 e.idx(0), e.dim(dims.back()), 1, {zero, none},
                 [&](Value j, ValueRange found) {
                   Indices at(row);
                   at.push_back(e.uniform(j));
                   Value x = e.element(op.getX(), at);
                   Value i = arith::IndexCastOp::create(b, i64, j);
                   Value left = arith::OrIOp::create(
                       b, isFirst, before(last[0], last[1], x, i));
                   Value nothing = arith::CmpIOp::create(
                       b, arith::CmpIPredicate::eq, found[1], none);
                   Value wins = arith::AndIOp::create(
                       b, left,
                       arith::OrIOp::create(b, nothing,
                                            before(x, i, found[0], found[1])));
                   return SmallVector<Value>{
                       arith::SelectOp::create(b, wins, x, found[0]),
                       arith::SelectOp::create(b, wins, i, found[1])};
                 });
             Indices at(row);
             at.push_back(e.uniform(rank));
             e.store(best[0], results[0], at);
             e.store(best[1], results[1], at);
             return best;
           });
  });
}

//===----------------------------------------------------------------------===//
// Scatter and update: the operand, then what is written over it.
//===----------------------------------------------------------------------===//

/// The result starts as the operand; nothing to do where it is the same memory.
static void startFrom(KernelEmitter &e, Value x, const Buffer &result) {
  auto copy = [&] {
    e.eachElement(result.dims, [&](ArrayRef<Index> at) {
      e.store(e.element(x, at), result, at);
    });
  };
  auto known = e.buffers.find(x);
  if (known == e.buffers.end())
    return copy();
  Value from =
      memref::ExtractAlignedPointerAsIndexOp::create(e.b, known->second.memref);
  Value to = memref::ExtractAlignedPointerAsIndexOp::create(e.b, result.memref);
  if (known->second.offset || result.offset)
    return copy();
  e.when(arith::CmpIOp::create(e.b, arith::CmpIPredicate::ne, from, to), copy);
}

void emitScatter(KernelEmitter &e, ScatterOp op, const Buffer &result) {
  startFrom(e, op.getX(), result);
  Dims dims = dimsOf(op.getIndices());
  Type type = elementTypeOf(op.getResult());
  e.loop(e.idx(0), e.dim(numElements(dims)), 1, [&](Value i) {
    Indices at = e.delinearize(e.uniform(i), dims);
    Indices to(at);
    to[op.getAxis()] =
        e.position(op.getIndices(), at, dimOf(op.getX(), op.getAxis()));
    Value v = e.element(op.getUpdates(), at);
    if (op.getKind() != ScatterKind::set) {
      Type accumulator = KernelEmitter::accumulatorType(type);
      Value old = e.convert(e.load(result, to), accumulator);
      v = e.convert(v, accumulator);
      switch (op.getKind()) {
      case ScatterKind::add:
        v = e.combine(ReduceKind::sum, old, v);
        break;
      case ScatterKind::mul:
        v = e.combine(ReduceKind::prod, old, v);
        break;
      case ScatterKind::max:
        v = e.combine(ReduceKind::max, old, v);
        break;
      case ScatterKind::min:
        v = e.combine(ReduceKind::min, old, v);
        break;
      case ScatterKind::set:
        break;
      }
    }
    e.store(v, result, to);
  });
}

void emitUpdate(KernelEmitter &e, UpdateOp op, const Buffer &result) {
  startFrom(e, op.getX(), result);
  Dims dims = dimsOf(op.getValues());
  int64_t axis = op.getAxis();
  // The last position that `values` can start at, plus one.
  Dim starts = dimOf(op.getX(), axis) - dims[axis] + Dim(1);
  Index start = e.position(op.getStart(), {}, dimOf(op.getX(), axis), starts);
  e.eachElement(dims, [&](ArrayRef<Index> at) {
    Indices to(at);
    to[axis] = e.addIndex(to[axis], start);
    e.store(e.element(op.getValues(), at), result, to);
  });
}

} // namespace mapsto
