//===- EmitMatmul.cpp - Matrix products with what follows them ------------===//
//
// The result is cut into panels of columns and blocks of rows. Within a panel a
// register tile of rows by one panel's columns accumulates over all of K, so an
// element is complete when its tile ends and the epilogue runs on registers.
// The right side is read panel by panel, [K][panel]: packed at compile time
// for weights, into scratch for a transposed operand, or in place.
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
        panel(2 * e.lanes) {
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
    if (!p.packed && p.transposed)
      packedPanel = e.allocate({p.k, Dim(panel)}, elementTypeOf(p.rhs));
    e.loop(begin, end, 1, [&](Value item) {
      Indices at =
          e.delinearize(e.uniform(item), {p.batch, rowBlocks, columnBlocks});
      Value firstRow = e.mul(at[1].value, e.idx(kRowsPerItem));
      Value lastRow =
          e.minIndex(e.add(firstRow, e.idx(kRowsPerItem)), e.dim(p.rows));
      Value firstColumn = e.mul(at[2].value, e.idx(kColumnsPerItem));
      Value lastColumn =
          e.minIndex(e.add(firstColumn, e.idx(kColumnsPerItem)), e.dim(p.n));
      e.loop(firstColumn, lastColumn, panel, [&](Value column) {
        emitPanel(at[0], firstRow, lastRow, column);
      });
    });
  }

private:
  KernelEmitter &e;
  const Group &group;
  ArrayRef<Buffer> results;
  Product p;
  int64_t panel, vectors;
  Type type, accumulator;
  std::optional<Buffer> packedPanel;
  Value columnMask; // per panel

  void emitPanel(Index batch, Value firstRow, Value lastRow, Value column) {
    if (packedPanel)
      packPanel(batch, column);
    int64_t tile = e.tileRows();
    Value count = e.sub(lastRow, firstRow);
    Value whole =
        e.sub(lastRow, arith::RemUIOp::create(e.b, count, e.idx(tile)));
    e.loop(firstRow, whole, tile,
           [&](Value row) { emitTile(batch, row, tile, column); });
    e.loop(whole, lastRow, 1,
           [&](Value row) { emitTile(batch, row, 1, column); });
  }

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

  void packPanel(Index batch, Value column) {
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
    e.forget();
  }

  Value rhsVector(Index batch, Value k, Value column, int64_t v) {
    if (packedPanel)
      return e.load(*packedPanel,
                    {e.uniform(k), {e.idx(v * e.lanes), Index::Lanes, true}});
    if (p.packed) {
      Value which = arith::DivUIOp::create(e.b, column, e.idx(panel));
      return e.element(p.rhs, {e.uniform(which),
                               e.uniform(k),
                               {e.idx(v * e.lanes), Index::Lanes, true}});
    }
    auto read = [&] {
      return e.elementVector(
          p.rhs, rhsIndices(batch, e.uniform(k), columnIndex(column, v)));
    };
    Value mask = maskOf(column, v);
    return mask ? e.masked(mask, read) : read();
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

  void emitTile(Index batch, Value row, int64_t rows, Value column) {
    SmallVector<Indices> at;
    for (int64_t r = 0; r < rows; ++r)
      at.push_back(rowIndices(batch, r ? e.add(row, e.idx(r)) : row));
    SmallVector<Value> zeros(rows * vectors,
                             e.splat(e.constant(accumulator, 0)));
    SmallVector<Value> sums = e.loop(
        e.idx(0), e.dim(p.k), 1, zeros, [&](Value k, ValueRange carried) {
          SmallVector<Value> next(carried), columns;
          for (int64_t v = 0; v < vectors; ++v)
            columns.push_back(
                e.convert(rhsVector(batch, k, column, v), accumulator));
          for (int64_t r = 0; r < rows; ++r) {
            Indices lhs(at[r]);
            lhs.push_back(e.uniform(k));
            Value x = e.splat(e.convert(e.element(p.lhs, lhs), accumulator));
            for (int64_t v = 0; v < vectors; ++v) {
              Value &sum = next[r * vectors + v];
              sum = e.fma(x, columns[v], sum);
            }
          }
          return next;
        });
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t v = 0; v < vectors; ++v)
        emitEpilogue(at[r], columnIndex(column, v), maskOf(column, v),
                     sums[r * vectors + v]);
  }

  /// The rest of the group on one vector of results.
  void emitEpilogue(Indices at, Index column, Value mask, Value sum) {
    at.push_back(column);
    Value product = e.convert(sum, type);
    e.given[p.result] = [product](ArrayRef<Index>) { return product; };
    auto write = [&] {
      Value v = e.elementVector(group.root->getResult(0), at);
      e.store(v, results[0], at);
      return v;
    };
    if (mask)
      e.masked(mask, write);
    else
      write();
    e.given.erase(p.result);
  }
};

} // namespace

Dim gridOfMatmul(const Group &group) {
  Product p(group.anchor);
  return p.batch * Dim::ceilDiv(p.rows, Dim(kRowsPerItem)) *
         Dim::ceilDiv(p.n, Dim(kColumnsPerItem));
}

void emitMatmul(KernelEmitter &e, const Group &group, ArrayRef<Buffer> results,
                Value begin, Value end) {
  MatmulEmitter(e, group, results).emit(begin, end);
}

} // namespace mapsto
