//===- EmitMatmul.cpp - Matrix products with what follows them ------------===//
//
// The result is cut into panels of columns and blocks of rows. Within a panel a
// register tile of rows by one panel's columns accumulates over all of K, so an
// element is complete when its tile ends. It is stored at once or, where an
// epilogue follows, read by that from sums in L1.
// The right side is read panel by panel, [K][panel]: packed at compile time
// for weights, into scratch for other operands if whole tiles read it. These
// read the left side from scratch as well. Rows that fill no whole tile read
// both sides in place.
//
//===----------------------------------------------------------------------===//

#include "compiler/kernel/GroupEmitter.h"

using namespace mlir;

namespace mapsto {

namespace {

/// Rows of one grid item: enough for a panel to be read from L1 several times.
constexpr int64_t kRowsPerItem = 48;
/// Columns of one grid item, so that a single row can be shared by threads.
constexpr int64_t kColumnsPerItem = 256;
/// Rows of the tile that a large tile's rest is cut into: half of the largest,
/// so that there are no more sizes of tiles with many registers than with few.
constexpr int64_t kSmallTile = 6;
/// Accumulators that keep two units busy whose additions take four cycles.
constexpr int64_t kAccumulators = 8;

/// The product seen as rows [batch x M] by columns [N].
struct Product {
  Value lhs, rhs, result;
  bool packed = false, transposed = false, batchedRhs = false;
  Dims lhsDims, resultDims;
  Dim k, n, rows, batch;

  explicit Product(Operation *op) {
    if (auto matmul = dyn_cast<MatmulOp>(op)) {
      lhs = matmul.getLhs();
      rhs = matmul.getRhs();
      transposed = matmul.getTransposed();
      batchedRhs = dimsOf(rhs).size() > 2;
    } else {
      auto packedOp = cast<PackedMatmulOp>(op);
      lhs = packedOp.getLhs();
      rhs = packedOp.getRhs();
      packed = true;
    }
    result = op->getResult(0);
    lhsDims = dimsOf(lhs);
    resultDims = dimsOf(result);
    k = lhsDims.back();
    n = resultDims.back();
    // One matrix on the right serves all batches: they are rows then.
    ArrayRef<Dim> leading = ArrayRef(resultDims).drop_back();
    if (batchedRhs) {
      rows = leading.back();
      batch = numElements(leading.drop_back());
    } else {
      rows = numElements(leading);
      batch = 1;
    }
  }
};

class MatmulEmitter {
public:
  MatmulEmitter(KernelEmitter &e, const Group &group, ArrayRef<Buffer> results)
      : e(e), group(group), results(results), p(group.anchor),
        panel(2 * e.lanes), tile(e.tileRows()) {
    type = elementTypeOf(p.result);
    accumulator = KernelEmitter::accumulatorType(type);
    if (p.packed)
      panel = *dimsOf(p.rhs)[2].constant();
    vectors = panel / e.lanes;
    // A narrow matrix leaves the panel's last vectors empty.
    if (std::optional<int64_t> n = p.n.constant())
      vectors = std::clamp<int64_t>(llvm::divideCeil(*n, e.lanes), 1, vectors);
  }

  void emit(Value begin, Value end) {
    Dim rowBlocks = Dim::ceilDiv(p.rows, Dim(kRowsPerItem));
    Dim columnBlocks = Dim::ceilDiv(p.n, Dim(kColumnsPerItem));
    if (!p.packed && (p.transposed || hasWholeTiles()))
      packedPanel = e.allocate(
          {Dim::ceilDiv(p.k, Dim(e.lanes)) * Dim(e.lanes), Dim(panel)},
          accumulator);
    if (hasWholeTiles())
      packedRows =
          e.allocate({Dim(kRowsPerItem / tile), Dim::ceilDiv(p.k, Dim(e.lanes)),
                      Dim(tile), Dim(e.lanes)},
                     accumulator);
    if (group.root != group.anchor)
      sums = e.allocate({Dim(tile), Dim(kColumnsPerItem)}, accumulator);
    e.loop(begin, end, 1, [&](Value item) {
      Indices at =
          e.delinearize(e.uniform(item), {p.batch, rowBlocks, columnBlocks});
      Block block;
      block.batch = at[0];
      block.firstRow = e.mul(at[1].value, e.idx(kRowsPerItem));
      block.endRow =
          e.minIndex(e.add(block.firstRow, e.idx(kRowsPerItem)), e.dim(p.rows));
      block.firstColumn = e.mul(at[2].value, e.idx(kColumnsPerItem));
      block.endColumn = e.minIndex(
          e.add(block.firstColumn, e.idx(kColumnsPerItem)), e.dim(p.n));
      emitBlock(block);
    });
  }

private:
  /// Part of the result: of one batch, rows by columns.
  struct Block {
    Index batch;
    Value firstRow, endRow, firstColumn, endColumn;
  };
  /// A register tile: some rows by some panels.
  struct Tile {
    Index batch;
    Value row, column;
    int64_t rows, panels;
    bool inside;           // all columns are the matrix's
    bool fromPacked;       // the right side is in packedPanel
    Value packedTile = {}; // the left side is in packedRows, as this tile
  };

  KernelEmitter &e;
  const Group &group;
  ArrayRef<Buffer> results;
  Product p;
  int64_t panel, vectors, tile;
  Type type, accumulator;
  std::optional<Buffer> packedPanel;
  std::optional<Buffer> packedRows; // [tile][K / lanes][row][lanes]
  std::optional<Buffer> sums;       // where the epilogue is more than a store

  bool hasWholeTiles() const {
    std::optional<int64_t> rows = p.rows.constant();
    return !rows || *rows >= tile;
  }

  void emitBlock(Block block) {
    Value rest = arith::RemUIOp::create(
        e.b, e.sub(block.endRow, block.firstRow), e.idx(tile));
    Value endWhole = e.sub(block.endRow, rest);
    bool packsAlways = packedPanel && p.transposed;
    auto panels = [&] {
      if (hasWholeTiles())
        packRows(block, endWhole);
      e.loop(block.firstColumn, block.endColumn, panel, [&](Value column) {
        if (packedPanel)
          packPanel(block.batch, column);
        Block one = block;
        one.firstColumn = column;
        one.endColumn =
            e.minIndex(e.add(column, e.idx(panel)), block.endColumn);
        if (hasWholeTiles())
          e.loop(block.firstRow, endWhole, tile, [&](Value row) {
            Value which =
                e.divIndex(e.uniform(e.sub(row, block.firstRow)), Dim(tile))
                    .first.value;
            emitTile({block.batch, row, column, tile, 1, false,
                      packedPanel.has_value(), which},
                     e.idx(0), e.idx(0));
            if (sums)
              emitEpilogue(one, row, e.idx(tile));
          });
        if (packsAlways)
          emitRest(one, endWhole, rest, true);
      });
    };
    if (packsAlways)
      return panels();
    if (hasWholeTiles())
      e.when(e.less(block.firstRow, endWhole), panels);
    emitRest(block, endWhole, rest, false);
  }

  //===--------------------------------------------------------------------===//
  // The right side
  //===--------------------------------------------------------------------===//

  Indices rhsIndices(Index batch, Index k, Index column) {
    Dims dims = dimsOf(p.rhs);
    Indices at;
    if (p.batchedRhs)
      at = e.delinearize(batch, ArrayRef(dims).drop_back(2));
    if (p.transposed)
      llvm::append_range(at, Indices{column, k});
    else
      llvm::append_range(at, Indices{k, column});
    return at;
  }

  /// Lanes of the panel's v-th vector that are columns of the matrix; null if
  /// all are.
  Value maskOf(Value column, int64_t v) {
    std::optional<int64_t> n = p.n.constant();
    if (n && *n % panel == 0)
      return {};
    Value left = e.sub(e.dim(p.n), e.add(column, e.idx(v * e.lanes)));
    return e.firstLanes(left);
  }

  Index columnIndex(Value column, int64_t v) {
    return {v == 0 ? column : e.add(column, e.idx(v * e.lanes)), Index::Lanes,
            true};
  }

  /// One panel into scratch, its columns beyond the matrix's undefined.
  void packPanel(Index batch, Value column) {
    if (p.transposed)
      return packTransposed(batch, column);
    e.loop(e.idx(0), e.dim(p.k), 1, [&](Value k) {
      for (int64_t v = 0; v < vectors; ++v) {
        Index lanes = columnIndex(column, v);
        auto read = [&] {
          return e.elementVector(p.rhs, rhsIndices(batch, e.uniform(k), lanes));
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
  void packTransposed(Index batch, Value column) {
    Value last = e.sub(e.dim(p.n), e.idx(1));
    e.eachTransposed(
        e.idx(vectors * e.lanes), p.k,
        [&](Value inPanel, Index k) {
          Index at = e.uniform(e.minIndex(e.add(column, inPanel), last));
          Value x = e.elementVector(p.rhs, rhsIndices(batch, k, at));
          return e.convert(x, accumulator);
        },
        [&](Value inPanel, Value k, Value row) {
          e.store(row, *packedPanel,
                  {e.uniform(k), {inPanel, Index::Lanes, true}});
        });
  }

  /// Row k of the tile's v-th vector, counted over all its panels.
  Value rhsVector(const Tile &t, Value k, int64_t v) {
    Index inPanel{e.idx(v % vectors * e.lanes), Index::Lanes, true};
    if (t.fromPacked)
      return e.load(*packedPanel, {e.uniform(k), inPanel});
    if (p.packed) {
      Index which = e.divIndex(e.uniform(t.column), Dim(panel)).first;
      if (v >= vectors)
        which = e.addIndex(which, e.uniform(v / vectors));
      return e.element(p.rhs, {which, e.uniform(k), inPanel});
    }
    auto read = [&] {
      return e.elementVector(
          p.rhs, rhsIndices(t.batch, e.uniform(k), columnIndex(t.column, v)));
    };
    Value mask = t.inside ? Value() : maskOf(t.column, v);
    return mask ? e.masked(mask, read) : read();
  }

  //===--------------------------------------------------------------------===//
  // The left side
  //===--------------------------------------------------------------------===//

  /// Copies the rows of whole tiles, so that a tile reads one stream instead of
  /// as many as it has rows: those would be as far apart as K is long, in few
  /// sets of the cache where K is a power of two, and take a register each.
  void packRows(const Block &block, Value endWhole) {
    e.loop(block.firstRow, endWhole, 1, [&](Value row) {
      Indices at = rowIndices(block.batch, row);
      Value inBlock = e.sub(row, block.firstRow);
      auto [which, inTile] = e.divIndex(e.uniform(inBlock), Dim(tile));
      at.push_back({});
      e.laneLoop(p.k, [&, which = which, inTile = inTile](Index k) {
        at.back() = k;
        Value x = e.convert(e.elementVector(p.lhs, at), accumulator);
        e.store(x, *packedRows,
                {which,
                 e.divIndex(e.uniform(k.value), Dim(e.lanes)).first,
                 inTile,
                 {e.idx(0), Index::Lanes, true}});
      });
    });
  }

  //===--------------------------------------------------------------------===//
  // Tiles
  //===--------------------------------------------------------------------===//

  /// The rows that do not fill a tile, `small` at a time and then all that
  /// remain, by a tile of as many rows.
  void emitRest(const Block &block, Value row, Value rest, bool fromPacked) {
    std::optional<int64_t> rows = p.rows.constant();
    if (rows && *rows % tile == 0)
      return;
    int64_t small = std::min(tile, kSmallTile);
    Value left = arith::RemUIOp::create(e.b, rest, e.idx(small));
    Value end = e.add(row, rest), endSmall = e.sub(end, left);
    if (tile > small && (!rows || *rows % tile >= small))
      e.loop(row, endSmall, small, [&](Value at) {
        emitRows(block, at, e.sub(at, row), small, fromPacked);
      });
    for (int64_t r = 1; r < small; ++r) {
      if (rows && *rows % tile % small != r)
        continue;
      Value is =
          arith::CmpIOp::create(e.b, arith::CmpIPredicate::eq, left, e.idx(r));
      e.when(is, [&] {
        emitRows(block, endSmall, e.sub(endSmall, row), r, fromPacked);
      });
    }
    if (sums)
      emitEpilogue(block, row, rest);
  }

  /// Few rows take several panels side by side: accumulators enough to hide an
  /// addition's latency, and several streams of the right side at once.
  void emitRows(const Block &block, Value row, Value sumsRow, int64_t rows,
                bool fromPacked) {
    int64_t panels = llvm::divideCeil(kAccumulators, rows * vectors);
    // Beside the sums, a row of the right side and one element of the left.
    panels = std::clamp<int64_t>((e.registers - 1) / ((rows + 1) * vectors), 1,
                                 panels);
    if (std::optional<int64_t> n = p.n.constant())
      panels = std::min(panels, *n / panel);
    Value column = block.firstColumn;
    auto emit = [&](Value column, int64_t panels) {
      emitTile({block.batch, row, column, rows, panels,
                /*inside=*/panels > 1, fromPacked},
               sumsRow, e.sub(column, block.firstColumn));
    };
    if (panels > 1 && !fromPacked) {
      int64_t wide = panels * panel;
      Value width = e.sub(block.endColumn, column);
      Value endWide = e.sub(block.endColumn,
                            arith::RemUIOp::create(e.b, width, e.idx(wide)));
      e.loop(column, endWide, wide, [&](Value at) { emit(at, panels); });
      column = endWide;
    }
    e.loop(column, block.endColumn, panel, [&](Value at) { emit(at, 1); });
  }

  /// Indices of the result's row axes.
  Indices rowIndices(Index batch, Value row) {
    ArrayRef<Dim> leading = ArrayRef(p.resultDims).drop_back();
    if (!p.batchedRhs)
      return e.delinearize(e.uniform(row), leading);
    Indices at = e.delinearize(batch, leading.drop_back());
    at.push_back(e.uniform(row));
    return at;
  }

  /// Writes to the result or, where more follows, to `sums` at the position.
  void emitTile(const Tile &t, Value sumsRow, Value sumsColumn) {
    SmallVector<Indices> at;
    for (int64_t r = 0; r < t.rows; ++r)
      at.push_back(rowIndices(t.batch, r ? e.add(t.row, e.idx(r)) : t.row));
    int64_t width = vectors * t.panels;
    SmallVector<Value> zeros(t.rows * width,
                             e.splat(e.constant(accumulator, 0)));
    auto step = [&](Value k, ValueRange carried,
                    function_ref<Value(int64_t)> lhs) {
      SmallVector<Value> next(carried), columns;
      for (int64_t v = 0; v < width; ++v)
        columns.push_back(e.convert(rhsVector(t, k, v), accumulator));
      for (int64_t r = 0; r < t.rows; ++r) {
        Value x = e.splat(lhs(r));
        for (int64_t v = 0; v < width; ++v) {
          Value &sum = next[r * width + v];
          sum = e.fma(x, columns[v], sum);
        }
      }
      return next;
    };
    SmallVector<Value> totals;
    if (t.packedTile)
      totals = e.loop(
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
    else
      totals = e.loop(e.idx(0), e.dim(p.k), 1, zeros,
                      [&](Value k, ValueRange carried) {
                        return step(k, carried, [&](int64_t r) {
                          Indices lhs(at[r]);
                          lhs.push_back(e.uniform(k));
                          return e.convert(e.element(p.lhs, lhs), accumulator);
                        });
                      });
    for (int64_t r = 0; r < t.rows; ++r)
      for (int64_t v = 0; v < width; ++v) {
        Value total = totals[r * width + v];
        if (sums) {
          Value column = e.add(sumsColumn, e.idx(v * e.lanes));
          e.store(total, *sums,
                  {e.uniform(r ? e.add(sumsRow, e.idx(r)) : sumsRow),
                   {column, Index::Lanes, true}});
          continue;
        }
        Indices full(at[r]);
        full.push_back(columnIndex(t.column, v));
        auto write = [&] {
          e.store(total, results[0], full);
          return Value();
        };
        if (Value mask = t.inside ? Value() : maskOf(t.column, v))
          e.masked(mask, write);
        else
          write();
      }
  }

  /// The rest of the group on `count` rows of sums. Written once for a tile of
  /// any size, and with all registers to itself.
  void emitEpilogue(const Block &block, Value firstRow, Value count) {
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
};

} // namespace

Dim gridOfMatmul(const Group &group, const Machine &machine) {
  Product p(group.anchor);
  return p.batch * Dim::ceilDiv(p.rows, Dim(kRowsPerItem)) *
         Dim::ceilDiv(p.n, Dim(kColumnsPerItem));
}

void emitMatmul(KernelEmitter &e, const Group &group, ArrayRef<Buffer> results,
                Value begin, Value end) {
  MatmulEmitter(e, group, results).emit(begin, end);
}

} // namespace mapsto
