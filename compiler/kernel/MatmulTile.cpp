//===- MatmulTile.cpp - The inner product of a register tile --------------===//

#include "compiler/kernel/MatmulEmitter.h"

using namespace mlir;

namespace mapsto {

MatmulEmitter::Sums MatmulEmitter::multiply(const Tile &t) {
  int64_t width = plan.vectors * t.panels;
  Sums zeros(t.rows * width, e.splat(e.constant(accumulator, 0)));
  auto step = [&](Value k, ValueRange carried,
                  function_ref<Value(int64_t)> lhs) {
    Sums next(carried), columns;
    for (int64_t v = 0; v < width; ++v)
      columns.push_back(rhsVector(t, k, v));
    for (int64_t r = 0; r < t.rows; ++r) {
      Value x = e.splat(lhs(r));
      for (int64_t v = 0; v < width; ++v) {
        Value &sum = next[r * width + v];
        sum = e.fma(x, columns[v], sum);
      }
    }
    return next;
  };
  if (!t.packedTile) {
    SmallVector<Value> rows;
    for (int64_t r = 0; r < t.rows; ++r)
      rows.push_back(r ? e.add(t.row, e.idx(r)) : t.row);
    return e.loop(e.idx(0), e.dim(p.k), 1, zeros,
                  [&](Value k, ValueRange carried) {
                    return step(k, carried, [&](int64_t r) {
                      return lhsElement(t.batch, rows[r], e.uniform(k));
                    });
                  });
  }
  return e.loop(
      e.idx(0), e.dim(p.k), e.lanes, zeros,
      [&](Value first, ValueRange carried) {
        Index line = e.divIndex(e.uniform(first), Dim(e.lanes)).first;
        Value length = e.idx(e.lanes);
        std::optional<int64_t> k = p.k.constant();
        if (!k || *k % e.lanes != 0)
          length = e.minIndex(length, e.sub(e.dim(p.k), first));
        return e.loop(
            e.idx(0), length, 1, carried, [&](Value i, ValueRange carried) {
              return step(e.add(first, i), carried, [&](int64_t r) {
                return e.load(*packedRows, {e.uniform(t.packedTile), line,
                                            e.uniform(r), e.uniform(i)});
              });
            });
      });
}

/// Writes to the result or, where much follows, to `sums` at the position.
void MatmulEmitter::emitTile(const Tile &t, Value sumsRow, Value sumsColumn) {
  Sums totals = multiply(t);
  if (!keepsSums)
    return storeTile(t, totals);
  int64_t width = plan.vectors * t.panels;
  for (int64_t r = 0; r < t.rows; ++r)
    for (int64_t v = 0; v < width; ++v)
      e.store(totals[r * width + v], *sums,
              {e.uniform(r ? e.add(sumsRow, e.idx(r)) : sumsRow),
               {e.add(sumsColumn, e.idx(v * e.lanes)), Index::Lanes, true}});
}

} // namespace mapsto
