//===- MatmulDots.cpp - A few rows by a transposed matrix -----------------===//
//
// Both sides' rows run along K here. To bring the right side's into panels
// takes a shuffle for each of its vectors and more, as much as some rows of
// products do: for so few, elements are sums over lanes of products along K.
//
//===----------------------------------------------------------------------===//

#include "compiler/kernel/MatmulEmitter.h"

using namespace mlir;

namespace mapsto {

/// Rows by columns of dots at once: sums enough to keep the arithmetic busy,
/// with both sides' vectors beside them in registers.
static int64_t columnsBeside(int64_t rows, int64_t chains, int64_t registers) {
  constexpr int64_t kLeastColumns = 4;
  int64_t wanted = std::max(chains / rows, kLeastColumns);
  // A single row's columns are read as operands.
  int64_t fit = rows == 1 ? registers - 2 : (registers - 1) / (rows + 1);
  return llvm::bit_floor<uint64_t>(std::min(fit, wanted));
}

void MatmulEmitter::emitDots(const Block &block) {
  eachColumns(block, plan.group * plan.panel, [&](const Block &part) {
    e.loop(part.firstRow, part.endRow, plan.tile, [&](Value first) {
      Value end = e.minIndex(e.add(first, e.idx(plan.tile)), part.endRow);
      Value row = first;
      for (int64_t rows : {4, 2, 1}) {
        Value left = arith::RemUIOp::create(e.b, e.sub(end, row), e.idx(rows));
        Value endWhole = e.sub(end, left);
        int64_t columns = columnsBeside(rows, plan.chains, e.registers);
        e.loop(row, endWhole, rows, [&](Value at) {
          e.loop(part.firstColumn, part.endColumn, columns, [&](Value column) {
            emitDotTile(part, at, e.sub(at, first), rows, column, columns);
          });
        });
        row = endWhole;
      }
      emitEpilogue(part, first, e.sub(end, first));
    });
  });
}

/// Past the last column it is repeated; its sums have their place.
void MatmulEmitter::emitDotTile(const Block &part, Value row, Value sumsRow,
                                int64_t rows, Value column, int64_t columns) {
  Value last = e.sub(e.dim(p.n), e.idx(1));
  SmallVector<Value> rowsAt, columnsAt;
  for (int64_t r = 0; r < rows; ++r)
    rowsAt.push_back(e.add(row, e.idx(r)));
  for (int64_t c = 0; c < columns; ++c)
    columnsAt.push_back(e.minIndex(e.add(column, e.idx(c)), last));
  Sums zeros(rows * columns, e.splat(e.constant(accumulator, 0)));
  Sums totals = e.laneLoop(p.k, zeros, [&](Index k, ValueRange carried) {
    Sums next(carried), left;
    for (Value r : rowsAt)
      left.push_back(e.splat(lhsElement(part.batch, r, k)));
    for (auto [c, at] : llvm::enumerate(columnsAt)) {
      Value right = e.convert(e.splat(rhsElement(part.batch, k, e.uniform(at))),
                              accumulator);
      for (int64_t r = 0; r < rows; ++r)
        next[r * columns + c] = e.fma(left[r], right, next[r * columns + c]);
    }
    return next;
  });
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < columns; ++c) {
      Value inPart = e.add(e.sub(column, part.firstColumn), e.idx(c));
      e.store(e.combineLanes(ReduceKind::sum, totals[r * columns + c]), *sums,
              {e.uniform(e.add(sumsRow, e.idx(r))), e.uniform(inPart)});
    }
}

} // namespace mapsto
