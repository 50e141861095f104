//===- EmitMatmul.cpp - The course of a matrix product --------------------===//

#include "compiler/kernel/GroupEmitter.h"
#include "compiler/kernel/MatmulEmitter.h"

using namespace mlir;

namespace mapsto {

MatmulEmitter::MatmulEmitter(KernelEmitter &e, const Group &group,
                             ArrayRef<Buffer> results)
    : e(e), group(group), results(results), plan(group.anchor, e.machine),
      p(plan.p) {
  type = elementTypeOf(p.result);
  accumulator = KernelEmitter::accumulatorType(type);
  keepsSums = muchFollows();
}

void MatmulEmitter::emit(Value begin, Value end) {
  Dim lines = Dim::ceilDiv(p.k, Dim(e.lanes));
  if (!p.packed && (p.transposed || plan.hasWholeTiles) &&
      plan.takesDots != true)
    packedPanel =
        e.allocate({lines * Dim(e.lanes), Dim(plan.panel)}, accumulator);
  if (plan.hasWholeTiles)
    packedRows = e.allocate(
        {plan.blockTiles, lines, Dim(plan.tile), Dim(e.lanes)}, accumulator);
  if (keepsSums || plan.takesDots != false)
    sums =
        e.allocate({Dim(plan.tile), Dim(plan.group * plan.panel)}, accumulator);
  if (p.batch == Dim(1))
    return emitBatch(e.idx(0), begin, end);
  Value items = e.dim(plan.itemsOfBatch());
  Value firstBatch = arith::DivUIOp::create(e.b, begin, items);
  Value lastBatch = arith::CeilDivUIOp::create(e.b, end, items);
  e.loop(firstBatch, lastBatch, 1, [&](Value batch) {
    Value first = e.mul(batch, items);
    Value from = arith::MaxSIOp::create(e.b, e.sub(begin, first), e.idx(0));
    emitBatch(batch, from, e.minIndex(e.sub(end, first), items));
  });
}

/// Items go down the rows of a strip of columns, and then to the next strip. So
/// a range of them is the rest of a strip, some whole strips, which are done as
/// if they were one, and the beginning of another.
void MatmulEmitter::emitBatch(Value batch, Value begin, Value end) {
  auto rowOf = [&](Value rowTile) { return e.mul(rowTile, e.idx(plan.tile)); };
  Dim items = plan.itemsOfBatch();
  if (items == Dim(1))
    return emitBlock({batch, e.idx(0), e.dim(p.rows), e.idx(0), e.dim(p.n)});
  if (plan.strips == Dim(1))
    return emitBlock({batch, rowOf(begin),
                      e.minIndex(rowOf(end), e.dim(p.rows)), e.idx(0),
                      e.dim(p.n)});
  auto equal = [&](Value x, Value y) {
    return arith::CmpIOp::create(e.b, arith::CmpIPredicate::eq, x, y);
  };
  Value zero = e.idx(0), one = e.idx(1);
  Value rowTiles = e.dim(plan.rowTiles), width = e.dim(plan.strip);
  // Small products of many batches do without divisions.
  Value isAll = equal(e.sub(end, begin), e.dim(items));
  constexpr int64_t kPieces = 3;
  Value pieces = arith::SelectOp::create(e.b, isAll, one, e.idx(kPieces));
  e.loop(zero, pieces, 1, ValueRange(begin), [&](Value, ValueRange carried) {
    Value at = carried[0], left = e.sub(end, at);
    Type index = e.b.getIndexType();
    SmallVector<Value> piece = e.branch(
        isAll, {index, index, index},
        [&] { return SmallVector<Value>{zero, zero, e.dim(plan.strips)}; },
        [&] {
          Value strip = arith::DivUIOp::create(e.b, at, rowTiles);
          Value firstTile = e.sub(at, e.mul(strip, rowTiles));
          Value whole = arith::DivUIOp::create(e.b, left, rowTiles);
          whole =
              arith::SelectOp::create(e.b, equal(firstTile, zero), whole, one);
          Value count = arith::MaxUIOp::create(e.b, whole, one);
          return SmallVector<Value>{strip, firstTile, count};
        });
    Value strip = piece[0], firstTile = piece[1], count = piece[2];
    Value endTile = e.minIndex(e.add(firstTile, left), rowTiles);
    e.when(e.less(at, end), [&] {
      Value column = e.mul(strip, width);
      Value endColumn = e.mul(e.add(strip, count), width);
      emitBlock({batch, rowOf(firstTile),
                 e.minIndex(rowOf(endTile), e.dim(p.rows)), column,
                 e.minIndex(endColumn, e.dim(p.n))});
    });
    return SmallVector<Value>{
        e.add(at, e.mul(count, e.sub(endTile, firstTile)))};
  });
}

void MatmulEmitter::eachColumns(const Block &block, int64_t columns,
                                function_ref<void(const Block &)> body) {
  e.loop(block.firstColumn, block.endColumn, columns, [&](Value column) {
    Block part = block;
    part.firstColumn = column;
    part.endColumn = e.minIndex(e.add(column, e.idx(columns)), block.endColumn);
    body(part);
  });
}

void MatmulEmitter::emitBlock(const Block &block) {
  if (plan.takesDots)
    return *plan.takesDots ? emitDots(block) : emitPacking(block);
  Value enough = e.less(e.dim(p.rows * Dim(plan.dotsPerRow)), e.dim(p.k));
  e.when(enough, [&] { emitDots(block); });
  e.when(e.negate(enough), [&] { emitPacking(block); });
}

void MatmulEmitter::emitPacking(const Block &block) {
  if (!plan.hasWholeTiles)
    return emitTiled(block);
  Value rows = e.mul(e.dim(plan.blockTiles), e.idx(plan.tile));
  e.loop(block.firstRow, block.endRow, rows, [&](Value row) {
    Block part = block;
    part.firstRow = row;
    part.endRow = e.minIndex(e.add(part.firstRow, rows), block.endRow);
    emitTiled(part);
  });
}

void MatmulEmitter::emitTiled(const Block &block) {
  Value rest = arith::RemUIOp::create(e.b, e.sub(block.endRow, block.firstRow),
                                      e.idx(plan.tile));
  Value endWhole = e.sub(block.endRow, rest);
  auto restOf = [&](const Block &part, bool fromPanel) {
    emitRest(part, endWhole, rest, fromPanel);
  };
  int64_t wide = plan.group * plan.panel;
  if (!plan.hasWholeTiles || p.packed) {
    if (plan.hasWholeTiles)
      packRows(block, endWhole);
    return eachColumns(block, wide, [&](const Block &part) {
      if (plan.hasWholeTiles)
        emitWholeTiles(part, endWhole, [](const Block &) {});
      if (packedPanel)
        return eachColumns(part, plan.panel, [&](const Block &one) {
          packPanel(one.batch, one.firstColumn);
          restOf(one, true);
        });
      restOf(part, false);
    });
  }
  auto packing = [&] {
    packRows(block, endWhole);
    emitWholeTiles(block, endWhole,
                   [&](const Block &one) { restOf(one, true); });
  };
  if (p.transposed)
    return packing();
  Value any = e.less(block.firstRow, endWhole);
  e.when(any, packing);
  e.when(e.negate(any), [&] {
    eachColumns(block, wide, [&](const Block &part) { restOf(part, false); });
  });
}

/// Panel by panel: tiles down to `endWhole`, and what is done with the rest.
void MatmulEmitter::emitWholeTiles(const Block &block, Value endWhole,
                                   function_ref<void(const Block &)> rest) {
  eachColumns(block, plan.panel, [&](const Block &one) {
    if (packedPanel)
      packPanel(one.batch, one.firstColumn);
    e.loop(block.firstRow, endWhole, plan.tile, [&](Value row) {
      Value which =
          e.divIndex(e.uniform(e.sub(row, block.firstRow)), Dim(plan.tile))
              .first.value;
      emitTile({one.batch, row, one.firstColumn, plan.tile, 1,
                packedPanel.has_value(), which},
               e.idx(0), e.idx(0));
      if (keepsSums)
        emitEpilogue(one, row, e.idx(plan.tile));
    });
    rest(one);
  });
}

/// The rows that do not fill a tile, `smallTile` at a time and then all that
/// remain, by a tile of as many rows.
void MatmulEmitter::emitRest(const Block &block, Value row, Value count,
                             bool fromPanel) {
  std::optional<int64_t> rows = p.rows.constant();
  if (rows && *rows % plan.tile == 0)
    return;
  int64_t small = plan.smallTile;
  Value left = arith::RemUIOp::create(e.b, count, e.idx(small));
  Value end = e.add(row, count), endSmall = e.sub(end, left);
  if (plan.tile > small && (!rows || *rows % plan.tile >= small))
    e.loop(row, endSmall, small, [&](Value at) {
      emitRows(block, at, e.sub(at, row), small, fromPanel);
    });
  for (int64_t r = 1; r < small; ++r) {
    if (rows && *rows % plan.tile % small != r)
      continue;
    Value is =
        arith::CmpIOp::create(e.b, arith::CmpIPredicate::eq, left, e.idx(r));
    e.when(is, [&] {
      emitRows(block, endSmall, e.sub(endSmall, row), r, fromPanel);
    });
  }
  if (keepsSums)
    emitEpilogue(block, row, count);
}

/// Few rows take several panels side by side: accumulators enough to hide an
/// addition's latency, and several streams of the right side at once.
void MatmulEmitter::emitRows(const Block &block, Value row, Value sumsRow,
                             int64_t rows, bool fromPanel) {
  int64_t panels = fromPanel ? 1 : plan.panelsBeside(rows, e.registers);
  auto emit = [&](Value column, int64_t panels) {
    emitTile({block.batch, row, column, rows, panels, fromPanel}, sumsRow,
             e.sub(column, block.firstColumn));
  };
  Value column = block.firstColumn;
  if (panels > 1) {
    int64_t wide = panels * plan.panel;
    Value width = e.sub(block.endColumn, column);
    Value endWide =
        e.sub(block.endColumn, arith::RemUIOp::create(e.b, width, e.idx(wide)));
    e.loop(column, endWide, wide, [&](Value at) { emit(at, panels); });
    column = endWide;
  }
  e.loop(column, block.endColumn, plan.panel, [&](Value at) { emit(at, 1); });
}

void emitMatmul(KernelEmitter &e, const Group &group, ArrayRef<Buffer> results,
                Value begin, Value end) {
  MatmulEmitter(e, group, results).emit(begin, end);
}

} // namespace mapsto
