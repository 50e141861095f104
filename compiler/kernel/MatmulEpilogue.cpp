//===- MatmulEpilogue.cpp - What follows a product, in its kernel ---------===//

#include "compiler/kernel/MatmulEmitter.h"

using namespace mlir;

namespace mapsto {

/// Operations that a tile's sums go through in registers: more, or one that
/// needs many registers, would be written out for every size of a tile.
constexpr int64_t kFewOperations = 4;

bool MatmulEmitter::muchFollows() const {
  int64_t operations = 0;
  for (Operation *op : group.ops) {
    if (op == group.anchor || !op->hasTrait<OpTrait::Elementwise>())
      continue;
    if (isTranscendental(op))
      return true;
    ++operations;
  }
  return operations > kFewOperations;
}

Indices MatmulEmitter::rowIndices(Value batch, Value row) {
  return p.rowIndices(e, batch, e.uniform(row));
}

/// Sums as they come out of the registers, through what follows, to memory.
void MatmulEmitter::storeTile(const Tile &t, ArrayRef<Value> totals) {
  int64_t width = plan.vectors * t.panels;
  bool follows = group.root != group.anchor;
  SmallVector<Value> rows;
  for (int64_t r = 0; r < t.rows; ++r)
    rows.push_back(r ? e.add(t.row, e.idx(r)) : t.row);
  Buffer result = results[0];
  if (!follows)
    result.dims = {p.batch, p.rows, p.n};
  auto write = [&](int64_t v) {
    Index column = columnIndex(t.column, v);
    for (int64_t r = 0; r < t.rows; ++r) {
      Value total = totals[r * width + v];
      if (!follows) {
        e.store(total, result,
                {e.uniform(t.batch), e.uniform(rows[r]), column});
        continue;
      }
      Indices at = rowIndices(t.batch, rows[r]);
      at.push_back(column);
      Value sum = e.convert(total, type);
      e.given[p.result] = [sum](ArrayRef<Index>) { return sum; };
      e.store(e.elementVector(group.root->getResult(0), at), result, at);
      e.given.erase(p.result);
    }
    return Value();
  };
  auto writeAll = [&](bool masked) {
    for (int64_t v = 0; v < width; ++v)
      if (masked)
        e.masked(maskOf(t.column, v), [&] { return write(v); });
      else
        write(v);
  };
  std::optional<int64_t> n = p.n.constant();
  if (t.panels > 1 || (n && *n % plan.panel == 0))
    return writeAll(false);
  if (n && *n < plan.panel)
    return writeAll(true);
  // Only the last panel has columns that are not the matrix's: masked stores
  // are slow where masks are no registers.
  Value whole = e.less(e.add(t.column, e.idx(plan.panel - 1)), e.dim(p.n));
  e.when(whole, [&] { writeAll(false); });
  e.when(e.negate(whole), [&] { writeAll(true); });
}

/// The rest of the group on `count` rows of sums. Written once for a tile of
/// any size, and with all registers to itself.
void MatmulEmitter::emitEpilogue(const Block &block, Value firstRow,
                                 Value count) {
  e.loop(e.idx(0), count, 1, [&](Value row) {
    Indices at = rowIndices(block.batch, e.add(firstRow, row));
    Value width = e.sub(block.endColumn, block.firstColumn);
    e.laneLoop(width, [&](Index i) {
      Value sum = e.convert(e.load(*sums, {e.uniform(row), i}), type);
      e.given[p.result] = [sum](ArrayRef<Index>) { return sum; };
      Indices full(at);
      full.push_back({e.add(block.firstColumn, i.value), Index::Lanes, true});
      e.store(e.elementVector(group.root->getResult(0), full), results[0],
              full);
      e.given.erase(p.result);
    });
  });
}

} // namespace mapsto
