//===- ScanGates.cpp - Stages of gates in a recurrence's shader -----------===//
//
// An invocation takes units, and of each the sums of its gates for all rows: a
// weight that it has read serves all of them.
//
//===----------------------------------------------------------------------===//

#include "compiler/vulkan/ScanShader.h"

using namespace mlir;

namespace mapsto {

void ScanShader::emitGates(const ScanStage &stage) {
  auto oneRow = [&] {
    eachUnit(stage, [&](Index unit) {
      known[firstRow] = e.uniform(0);
      combine(stage, firstRow, unit, sums(stage, {firstRow}, unit));
    });
  };
  if (plan.mostRows == 1)
    return oneRow();
  Value isOne =
      arith::CmpIOp::create(e.b, arith::CmpIPredicate::eq, rowCount, e.idx(1));
  e.when(isOne, oneRow);
  e.when(e.negate(isOne), [&] { emitRowsOfGates(stage); });
}

void ScanShader::emitRowsOfGates(const ScanStage &stage) {
  SmallVector<Index> rows{firstRow};
  Value last = e.sub(rowCount, e.idx(1));
  for (int64_t r = 1; r < plan.mostRows; ++r) {
    Index row = e.uniform(e.minIndex(e.idx(r), last));
    rows.push_back(e.addIndex(row, firstRow));
    known[rows.back()] = row;
  }
  known[firstRow] = e.uniform(0);
  eachUnit(stage, [&](Index unit) {
    SmallVector<Value> all = sums(stage, rows, unit);
    size_t gates = stage.gates.size();
    for (auto [r, row] : llvm::enumerate(rows)) {
      auto combineRow = [&, r = r, row = row] {
        combine(stage, row, unit, ArrayRef(all).slice(r * gates, gates));
      };
      if (r == 0)
        combineRow();
      else
        e.when(e.less(e.idx(r), rowCount), combineRow);
    }
  });
}

void ScanShader::eachUnit(const ScanStage &stage,
                          function_ref<void(Index)> body) {
  e.laneLoop(stage.units, [&](Index unit) {
    name(unit.value, "unit");
    body(unit);
  });
}

Index ScanShader::columnFrom(int64_t column, Index unit) {
  return column ? e.addIndex(unit, e.uniform(column)) : unit;
}

SmallVector<Value> ScanShader::sums(const ScanStage &stage,
                                    ArrayRef<Index> rows, Index unit) {
  PackedMatmulOp matmul = stage.gates.front().matmul;
  Value lhs = matmul.getLhs();
  Type type = KernelEmitter::accumulatorType(elementTypeOf(matmul.getResult()));
  // Of each gate the column of its weights, a panel's width from one to the
  // next.
  SmallVector<Buffer> columns;
  for (const ScanStage::Gate &gate : stage.gates) {
    Value rhs = PackedMatmulOp(gate.matmul).getRhs();
    Dims dims = dimsOf(rhs); // panels, K, columns of a panel
    auto [panel, within] = e.divIndex(columnFrom(gate.column, unit), dims[2]);
    Index begin = e.addIndex(e.mulIndex(panel, dims[1] * dims[2]), within);
    columns.push_back({e.buffers.lookup(rhs).memref,
                       begin.value,
                       {dims[1], dims[2]},
                       elementTypeOf(rhs)});
  }
  SmallVector<Value> zeros(rows.size() * columns.size(), e.constant(type, 0));
  return e.loop(e.idx(0), e.dim(dimsOf(lhs).back()), 1, zeros,
                [&](Value k, ValueRange carried) {
                  SmallVector<Value> weights, next;
                  for (const Buffer &column : columns)
                    weights.push_back(e.convert(
                        e.load(column, {e.uniform(k), e.uniform(0)}), type));
                  for (Index row : rows) {
                    Value x =
                        e.convert(e.element(lhs, {row, e.uniform(k)}), type);
                    for (Value weight : weights)
                      next.push_back(e.fma(x, weight, carried[next.size()]));
                  }
                  return next;
                });
}

void ScanShader::combine(const ScanStage &stage, Index row, Index unit,
                         ArrayRef<Value> sums) {
  UnitColumns products;
  for (auto [gate, sum] : llvm::zip_equal(stage.gates, sums)) {
    Value product = PackedMatmulOp(gate.matmul).getResult();
    products[product].push_back({columnFrom(gate.column, unit).value,
                                 e.convert(sum, elementTypeOf(product))});
  }
  giveColumns(e, products);
  SmallVector<Left> all;
  for (auto [value, column] : stage.outputs) {
    Indices at{row, columnFrom(column, unit)};
    all.push_back({value, e.element(value, at), at});
  }
  leave(stage, all);
  for (auto &[product, parts] : products)
    e.given.erase(product);
}

} // namespace mapsto
