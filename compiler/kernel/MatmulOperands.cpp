//===- MatmulOperands.cpp - What a product reads, and its packing ---------===//

#include "compiler/kernel/MatmulEmitter.h"

using namespace mlir;

namespace mapsto {

/// The operand as matrices one after the other, if it is in memory: its rows'
/// axes need not be told apart then.
static std::optional<Buffer> matricesOf(KernelEmitter &e, Value operand,
                                        Dims dims) {
  auto it = e.buffers.find(operand);
  if (it == e.buffers.end() || e.given.count(operand))
    return std::nullopt;
  Buffer flat = it->second;
  flat.dims = dims;
  return flat;
}

//===----------------------------------------------------------------------===//
// The right side
//===----------------------------------------------------------------------===//

Value Product::rhsElement(KernelEmitter &e, Value at, Index k,
                          Index column) const {
  Index first = transposed ? column : k, second = transposed ? k : column;
  Dim rightRows = transposed ? n : this->k;
  Dim rightColumns = transposed ? this->k : n;
  if (auto flat = matricesOf(e, rhs, {batch, rightRows, rightColumns}))
    return e.load(*flat, {e.uniform(at), first, second});
  Indices indices;
  if (batchedRhs)
    indices = e.delinearize(e.uniform(at), ArrayRef(dimsOf(rhs)).drop_back(2));
  indices.append({first, second});
  return e.element(rhs, indices);
}

Value MatmulEmitter::rhsElement(Value batch, Index k, Index column) {
  return p.rhsElement(e, batch, k, column);
}

/// Lanes of the panel's v-th vector that are columns of the matrix; null if
/// all are.
Value MatmulEmitter::maskOf(Value column, int64_t v) {
  std::optional<int64_t> n = p.n.constant();
  if (n && *n % plan.panel == 0)
    return {};
  Value left = e.sub(e.dim(p.n), e.add(column, e.idx(v * e.lanes)));
  return e.firstLanes(left);
}

Index MatmulEmitter::columnIndex(Value column, int64_t v) {
  return {v == 0 ? column : e.add(column, e.idx(v * e.lanes)), Index::Lanes,
          true};
}

/// One panel into scratch, its columns beyond the matrix's undefined.
void MatmulEmitter::packPanel(Value batch, Value column) {
  if (p.transposed)
    return packTransposed(batch, column);
  e.loop(e.idx(0), e.dim(p.k), 1, [&](Value k) {
    for (int64_t v = 0; v < plan.vectors; ++v) {
      auto read = [&] {
        return e.splat(rhsElement(batch, e.uniform(k), columnIndex(column, v)));
      };
      Value mask = maskOf(column, v);
      Value x = mask ? e.masked(mask, read) : read();
      e.store(x, *packedPanel,
              {e.uniform(k), {e.idx(v * e.lanes), Index::Lanes, true}});
    }
  });
}

/// Squares of as many columns as a vector has lanes: vectors along K are
/// read, and vectors along the columns written. Past the last column it is
/// repeated; rows past K have their place.
void MatmulEmitter::packTransposed(Value batch, Value column) {
  Value last = e.sub(e.dim(p.n), e.idx(1));
  e.eachTransposed(
      e.idx(plan.vectors * e.lanes), p.k,
      [&](Value inPanel, Index k) {
        Index at = e.uniform(e.minIndex(e.add(column, inPanel), last));
        return e.convert(e.splat(rhsElement(batch, k, at)), accumulator);
      },
      [&](Value inPanel, Value k, Value row) {
        e.store(row, *packedPanel,
                {e.uniform(k), {inPanel, Index::Lanes, true}});
      });
}

/// Row k of the tile's v-th vector, counted over all its panels.
Value MatmulEmitter::rhsVector(const Tile &t, Value k, int64_t v) {
  Index inPanel{e.idx(v % plan.vectors * e.lanes), Index::Lanes, true};
  if (t.fromPanel)
    return e.load(*packedPanel, {e.uniform(k), inPanel});
  if (p.packed) {
    Index which = e.divIndex(e.uniform(t.column), Dim(plan.panel)).first;
    if (v >= plan.vectors)
      which = e.addIndex(which, e.uniform(v / plan.vectors));
    return e.convert(e.element(p.rhs, {which, e.uniform(k), inPanel}),
                     accumulator);
  }
  auto read = [&] {
    return e.splat(rhsElement(t.batch, e.uniform(k), columnIndex(t.column, v)));
  };
  // Several panels side by side are all the matrix's.
  Value mask = t.panels > 1 ? Value() : maskOf(t.column, v);
  return e.convert(mask ? e.masked(mask, read) : read(), accumulator);
}

//===----------------------------------------------------------------------===//
// The left side
//===----------------------------------------------------------------------===//

Indices Product::rowIndices(KernelEmitter &e, Value at, Index row) const {
  ArrayRef<Dim> leading = ArrayRef(resultDims).drop_back();
  if (!batchedRhs)
    return e.delinearize(row, leading);
  Indices indices = e.delinearize(e.uniform(at), leading.drop_back());
  indices.push_back(row);
  return indices;
}

Value Product::lhsElement(KernelEmitter &e, Value at, Index row,
                          Index k) const {
  if (auto flat = matricesOf(e, lhs, {batch, rows, this->k}))
    return e.load(*flat, {e.uniform(at), row, k});
  Indices indices = rowIndices(e, at, row);
  indices.push_back(k);
  return e.element(lhs, indices);
}

Value MatmulEmitter::lhsElement(Value batch, Value row, Index k) {
  return e.convert(p.lhsElement(e, batch, e.uniform(row), k), accumulator);
}

/// Copies the rows of whole tiles, so that a tile reads one stream instead of
/// as many as it has rows: those would be as far apart as K is long, in few
/// sets of the cache where K is a power of two, and take a register each.
void MatmulEmitter::packRows(const Block &block, Value endWhole) {
  e.loop(block.firstRow, endWhole, 1, [&](Value row) {
    Value inBlock = e.sub(row, block.firstRow);
    auto [which, inTile] = e.divIndex(e.uniform(inBlock), Dim(plan.tile));
    e.laneLoop(p.k, [&, which = which, inTile = inTile](Index k) {
      e.store(e.splat(lhsElement(block.batch, row, k)), *packedRows,
              {which,
               e.divIndex(e.uniform(k.value), Dim(e.lanes)).first,
               inTile,
               {e.idx(0), Index::Lanes, true}});
    });
  });
}

} // namespace mapsto
