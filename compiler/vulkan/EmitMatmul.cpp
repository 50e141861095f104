//===- EmitMatmul.cpp - A matrix product as a shader ----------------------===//

#include "compiler/vulkan/EmitMatmul.h"

#include "compiler/kernel/MatmulPlan.h"
#include "compiler/vulkan/MatmulTilings.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"

using namespace mlir;

namespace mapsto {

namespace {

/// Elements that one access to shared memory can have.
constexpr int64_t kFour = 4;

class MatmulShader {
public:
  MatmulShader(KernelEmitter &e, func::FuncOp function, const Group &group,
               ArrayRef<Buffer> results);
  void emit();

private:
  KernelEmitter &e;
  func::FuncOp function;
  const Group &group;
  Buffer result;
  const Product p;
  Type type, accumulator;

  // The specialisation constants, of MatmulTilings.h.
  Value across, rowsEach, columnsEach, depth, slices;

  /// Where an invocation's first row and column are within its workgroup's
  /// tile, and how far its fours of them are apart.
  Value inRow, inColumn, rowStep, columnStep;

  void emitTiles();
  void emitFewRows();
  /// A side of the product on its way through shared memory.
  struct Side {
    Value tile;   ///< the shared array: [depth][stride]
    Value stride; ///< of a step along K in it
    Value extent; ///< rows or columns of the tile
    Value ahead;  ///< this invocation's elements of the next tile
    Value share;  ///< how many these are
    Value bound;  ///< rows or columns of the matrix
    /// How neighbours lie in memory: along K, else along the rows or columns,
    /// of panels of so many where that is not 0.
    bool isAlongK;
    int64_t panel = 0;
  };
  Side makeSide(StringRef name, Value extent, Value bound, bool isAlongK,
                int64_t panel);
  void eachOfShare(const Side &side,
                   function_ref<void(Value n, Value inTile, Value k)> body);
  void fetch(const Side &side, Value first, Value firstK,
             function_ref<Value(Value position, Value k)> read);
  void stage(const Side &side);
  void multiply(const Side &lhs, const Side &rhs, Value lhsOwn, Value rhsOwn,
                Value sums);
  Value ownPosition(Value i, Value step);
  Value rhsElement(Value batch, Value k, Value column);
  Value elementOr0(Value condition, function_ref<Value()> element);
  void store(Value batch, Value row, Value column, Value sum);

  Value div(Value x, Value y) { return arith::DivUIOp::create(e.b, x, y); }
  Value rem(Value x, Value y) { return arith::RemUIOp::create(e.b, x, y); }
  Value ceilDiv(Value x, Value y) {
    return div(e.sub(e.add(x, y), e.idx(1)), y);
  }
  Value both(Value x, Value y) { return arith::AndIOp::create(e.b, x, y); }
  Value zero() { return e.constant(accumulator, 0); }
  Value get(Value array, Value at) {
    return memref::LoadOp::create(e.b, array, at);
  }
  void put(Value array, Value at, Value value) {
    memref::StoreOp::create(e.b, value, array, at);
  }
  Value ownArray(StringRef name, Value size) {
    return e.ownArray(name, size, accumulator).memref;
  }
  void unrolled(StringRef name, Value count, function_ref<void(Value)> body) {
    e.unrolled(count, name, [&](Index i) { body(i.value); });
  }
  Index varying(Value v) { return {v, Index::Vector}; }
  bool readsRhsAlongK() const;
  /// Walks the workgroup's items, of which a batch has so many.
  void eachItem(Value ofBatch,
                function_ref<void(Value batch, Value inBatch)> body);
};

MatmulShader::MatmulShader(KernelEmitter &e, func::FuncOp function,
                           const Group &group, ArrayRef<Buffer> results)
    : e(e), function(function), group(group), result(results[0]),
      p(group.anchor) {
  type = elementTypeOf(p.result);
  accumulator = KernelEmitter::accumulatorType(type);
}

void MatmulShader::emit() {
  SmallVector<Tiling> tilings = matmulTilings(p, accumulator);
  setTilings(function, tilings);
  bool isFew = llvm::any_of(tilings, isOfFewRows);
  bool isMany = !llvm::all_of(tilings, isOfFewRows);
  across = addConstant(function, "across");
  rowsEach = addConstant(function, "rowsEach");
  columnsEach = addConstant(function, "columnsEach");
  depth = addConstant(function, "depth");
  slices = addConstant(function, "slices");
  if (!isFew)
    return emitTiles();
  if (!isMany)
    return emitFewRows();
  auto none = [](function_ref<void()> body) {
    body();
    return SmallVector<Value>();
  };
  e.branch(
      e.less(e.idx(1), slices), {},
      [&] { return none([&] { emitFewRows(); }); },
      [&] { return none([&] { emitTiles(); }); });
}

//===----------------------------------------------------------------------===//
// Elements
//===----------------------------------------------------------------------===//

Value MatmulShader::rhsElement(Value batch, Value k, Value column) {
  if (!p.packed)
    return p.rhsElement(e, batch, varying(k), varying(column));
  auto [panel, inPanel] = e.divIndex(varying(column), dimsOf(p.rhs)[2]);
  return e.element(p.rhs, {panel, varying(k), inPanel});
}

/// An operand's element as sums have it, or 0 where the condition does not
/// hold.
Value MatmulShader::elementOr0(Value condition, function_ref<Value()> element) {
  return e.branch(
      condition, {accumulator},
      [&] { return SmallVector<Value>{e.convert(element(), accumulator)}; },
      [&] { return SmallVector<Value>{zero()}; })[0];
}

/// The sum through what follows the product, to memory.
void MatmulShader::store(Value batch, Value row, Value column, Value sum) {
  Value product = e.convert(sum, type);
  Indices at = p.rowIndices(e, batch, varying(row));
  at.push_back(varying(column));
  e.given[p.result] = [product](ArrayRef<Index>) { return product; };
  e.store(e.element(group.root->getResult(0), at), result, at);
  e.given.erase(p.result);
}

//===----------------------------------------------------------------------===//
// Tiles
//===----------------------------------------------------------------------===//

/// Four more to a step along K: what is written along K meets different banks,
/// and fours of rows or columns stay where one access reads them.
MatmulShader::Side MatmulShader::makeSide(StringRef name, Value extent,
                                          Value bound, bool isAlongK,
                                          int64_t panel) {
  Value stride = named(e.add(extent, e.idx(kFour)), "stride");
  Value share = named(ceilDiv(e.mul(depth, extent), e.invocations()), "share");
  Value tile =
      e.sharedArray((name + "Tile").str(), e.mul(depth, stride), accumulator)
          .memref;
  return {tile,  stride, extent,   ownArray((name + "Ahead").str(), share),
          share, bound,  isAlongK, panel};
}

/// The elements of a tile that an invocation brings there: as they lie in
/// memory, neighbours are neighbouring invocations'.
void MatmulShader::eachOfShare(const Side &side,
                               function_ref<void(Value, Value, Value)> body) {
  unrolled("n", side.share, [&](Value n) {
    Value i = e.add(e.mul(n, e.invocations()), e.invocation());
    named(i, "i");
    Value inTile, k;
    if (side.isAlongK) {
      inTile = div(i, depth);
      k = rem(i, depth);
    } else if (side.panel) {
      Value width = e.idx(side.panel), row = div(i, width);
      inTile = e.add(e.mul(div(row, depth), width), rem(i, width));
      k = rem(row, depth);
    } else {
      inTile = rem(i, side.extent);
      k = div(i, side.extent);
    }
    body(n, inTile, k);
  });
}

/// Reads the share of the tile at `first` and, along K, at `firstK`. What lies
/// outside of the matrix is 0.
void MatmulShader::fetch(const Side &side, Value first, Value firstK,
                         function_ref<Value(Value, Value)> read) {
  eachOfShare(side, [&](Value n, Value inTile, Value inStep) {
    Value position = named(e.add(first, inTile), "position");
    Value k = named(e.add(firstK, inStep), "k");
    Value inside = both(e.less(position, side.bound), e.less(k, e.dim(p.k)));
    put(side.ahead, n, elementOr0(inside, [&] { return read(position, k); }));
  });
}

/// Puts what has been fetched into shared memory.
void MatmulShader::stage(const Side &side) {
  eachOfShare(side, [&](Value n, Value inTile, Value k) {
    put(side.tile, e.add(e.mul(k, side.stride), inTile), get(side.ahead, n));
  });
}

/// An invocation's i-th row or column, from its first one: fours of neighbours,
/// which one access reads, as far apart as all invocations' fours are long.
Value MatmulShader::ownPosition(Value i, Value step) {
  Value four = e.idx(kFour);
  return e.add(e.mul(div(i, four), step), rem(i, four));
}

void MatmulShader::multiply(const Side &lhs, const Side &rhs, Value lhsOwn,
                            Value rhsOwn, Value sums) {
  e.loop(e.idx(0), depth, 1, [&](Value k) {
    named(k, "k");
    Value lhsAt = named(e.add(e.mul(k, lhs.stride), inRow), "lhsAt");
    Value rhsAt = named(e.add(e.mul(k, rhs.stride), inColumn), "rhsAt");
    unrolled("r", rowsEach, [&](Value r) {
      put(lhsOwn, r, get(lhs.tile, e.add(lhsAt, ownPosition(r, rowStep))));
    });
    unrolled("c", columnsEach, [&](Value c) {
      put(rhsOwn, c, get(rhs.tile, e.add(rhsAt, ownPosition(c, columnStep))));
    });
    unrolled("r", rowsEach, [&](Value r) {
      unrolled("c", columnsEach, [&](Value c) {
        Value at = named(e.add(e.mul(r, columnsEach), c), "sum");
        put(sums, at, e.fma(get(lhsOwn, r), get(rhsOwn, c), get(sums, at)));
      });
    });
  });
}

void MatmulShader::eachItem(Value ofBatch,
                            function_ref<void(Value, Value)> body) {
  bool single = p.batch == Dim(1);
  Value items =
      single ? ofBatch : named(e.mul(ofBatch, e.dim(p.batch)), "items");
  Value first = gpu::BlockIdOp::create(e.b, gpu::Dimension::x);
  Value groups = gpu::GridDimOp::create(e.b, gpu::Dimension::x);
  e.loop(first, items, groups, [&](Value item) {
    named(item, "item");
    if (single)
      return body(e.idx(0), item);
    body(named(div(item, ofBatch), "batch"),
         named(rem(item, ofBatch), "inBatch"));
  });
}

/// Does the operand lie in memory so that its last axis's neighbours are
/// neighbours? Views that are read through may have it otherwise.
static bool keepsLastAxis(KernelEmitter &e, Value operand) {
  while (!e.buffers.count(operand)) {
    auto transpose = operand.getDefiningOp<TransposeOp>();
    if (!transpose)
      return true;
    ArrayRef<int64_t> permutation = transpose.getPermutation();
    if (permutation.back() != int64_t(permutation.size()) - 1)
      return false;
    operand = transpose.getX();
  }
  return true;
}

bool MatmulShader::readsRhsAlongK() const {
  return !p.packed && p.transposed == keepsLastAxis(e, p.rhs);
}

void MatmulShader::emitTiles() {
  Value four = e.idx(kFour);
  Value down = named(div(e.invocations(), across), "down");
  inRow = named(e.mul(div(e.invocation(), across), four), "inRow");
  inColumn = named(e.mul(rem(e.invocation(), across), four), "inColumn");
  rowStep = named(e.mul(down, four), "rowStep");
  columnStep = named(e.mul(across, four), "columnStep");
  Value tileRows = named(e.mul(down, rowsEach), "tileRows");
  Value tileColumns = named(e.mul(across, columnsEach), "tileColumns");
  Side lhs =
      makeSide("lhs", tileRows, e.dim(p.rows), keepsLastAxis(e, p.lhs), 0);
  int64_t panel = p.packed ? *dimsOf(p.rhs)[2].constant() : 0;
  if (panel && kLeastTileColumns % panel != 0)
    panel = 0;
  Side rhs = makeSide("rhs", tileColumns, e.dim(p.n), readsRhsAlongK(), panel);
  Value lhsOwn = ownArray("lhs", rowsEach);
  Value rhsOwn = ownArray("rhs", columnsEach);
  Value sums = ownArray("sums", e.mul(rowsEach, columnsEach));
  Value tilesDown = named(ceilDiv(e.dim(p.rows), tileRows), "tilesDown");
  Value tilesAcross = ceilDiv(e.dim(p.n), tileColumns);
  Value tiles = named(e.mul(tilesDown, tilesAcross), "tiles");

  eachItem(tiles, [&](Value batch, Value tile) {
    Value firstRow = named(e.mul(rem(tile, tilesDown), tileRows), "firstRow");
    Value firstColumn =
        named(e.mul(div(tile, tilesDown), tileColumns), "firstColumn");
    auto fetchBoth = [&](Value firstK) {
      fetch(lhs, firstRow, firstK, [&](Value row, Value k) {
        return p.lhsElement(e, batch, varying(row), varying(k));
      });
      fetch(rhs, firstColumn, firstK, [&](Value column, Value k) {
        return rhsElement(batch, k, column);
      });
    };
    unrolled("i", e.mul(rowsEach, columnsEach),
             [&](Value i) { put(sums, i, zero()); });
    // While a step is computed the next one's elements are on their way.
    fetchBoth(e.idx(0));
    e.loop(e.idx(0), e.dim(p.k), depth, [&](Value firstK) {
      named(firstK, "firstK");
      e.barrier();
      stage(lhs);
      stage(rhs);
      e.barrier();
      Value next = named(e.add(firstK, depth), "nextK");
      e.when(e.less(next, e.dim(p.k)), [&] { fetchBoth(next); });
      multiply(lhs, rhs, lhsOwn, rhsOwn, sums);
    });
    unrolled("r", rowsEach, [&](Value r) {
      Value row = e.add(e.add(firstRow, inRow), ownPosition(r, rowStep));
      named(row, "row");
      unrolled("c", columnsEach, [&](Value c) {
        Value column =
            e.add(e.add(firstColumn, inColumn), ownPosition(c, columnStep));
        named(column, "column");
        e.when(both(e.less(row, e.dim(p.rows)), e.less(column, e.dim(p.n))),
               [&] {
                 Value at = e.add(e.mul(r, columnsEach), c);
                 store(batch, row, column, get(sums, at));
               });
      });
    });
  });
}

//===----------------------------------------------------------------------===//
// Few rows
//===----------------------------------------------------------------------===//

void MatmulShader::emitFewRows() {
  // Neighbours read neighbouring elements of the right side.
  bool rhsAlongK = readsRhsAlongK();
  Value inStrip =
      rhsAlongK ? div(e.invocation(), slices) : rem(e.invocation(), across);
  Value slice =
      rhsAlongK ? rem(e.invocation(), slices) : div(e.invocation(), across);
  named(inStrip, "inStrip");
  named(slice, "slice");
  Value strips = named(ceilDiv(e.dim(p.n), across), "strips");
  // A row's sums, slice by slice of K.
  Value width = named(e.mul(across, slices), "width");
  Value partial =
      e.sharedArray("partialSums", e.mul(rowsEach, width), accumulator).memref;
  Value sums = ownArray("sums", rowsEach);
  Value rhs = ownArray("rhs", depth);
  Value lastRow = named(e.sub(e.dim(p.rows), e.idx(1)), "lastRow");

  eachItem(strips, [&](Value batch, Value strip) {
    Value firstColumn = named(e.mul(strip, across), "firstColumn");
    unrolled("r", rowsEach, [&](Value r) { put(sums, r, zero()); });
    Value column = named(e.add(firstColumn, inStrip), "column");
    e.loop(e.idx(0), e.dim(p.k), e.mul(depth, slices), [&](Value firstK) {
      named(firstK, "firstK");
      auto kOf = [&](Value n) {
        return named(e.add(e.add(firstK, e.mul(n, slices)), slice), "k");
      };
      // Several elements are on their way at once.
      unrolled("n", depth, [&](Value n) {
        Value k = kOf(n);
        Value inside = both(e.less(column, e.dim(p.n)), e.less(k, e.dim(p.k)));
        put(rhs, n,
            elementOr0(inside, [&] { return rhsElement(batch, k, column); }));
      });
      unrolled("n", depth, [&](Value n) {
        Value k = kOf(n);
        Value inside = e.less(k, e.dim(p.k));
        unrolled("r", rowsEach, [&](Value r) {
          Value row = e.minIndex(r, lastRow);
          Value x = elementOr0(inside, [&] {
            return p.lhsElement(e, batch, varying(row), varying(k));
          });
          put(sums, r, e.fma(x, get(rhs, n), get(sums, r)));
        });
      });
    });
    e.barrier(); // the last item's sums have been read
    unrolled("r", rowsEach, [&](Value r) {
      Value at = e.add(e.mul(slice, across), inStrip);
      put(partial, e.add(e.mul(r, width), at), get(sums, r));
    });
    e.barrier();
    e.loop(
        e.invocation(), e.mul(rowsEach, across), e.invocations(), [&](Value i) {
          Value row = named(div(i, across), "row");
          Value inStrip = rem(i, across);
          Value column = named(e.add(firstColumn, inStrip), "column");
          e.when(both(e.less(row, e.dim(p.rows)), e.less(column, e.dim(p.n))),
                 [&] {
                   Value from = e.add(e.mul(row, width), inStrip);
                   Value total =
                       e.loop(e.idx(0), slices, 1, {zero()},
                              [&](Value s, ValueRange sum) {
                                Value at = e.add(from, e.mul(s, across));
                                return SmallVector<Value>{e.combine(
                                    ReduceKind::sum, sum[0], get(partial, at))};
                              })[0];
                   store(batch, row, column, total);
                 });
        });
  });
}

} // namespace

void emitMatmulShader(KernelEmitter &e, func::FuncOp function,
                      const Group &group, ArrayRef<Buffer> results) {
  MatmulShader(e, function, group, results).emit();
}

} // namespace mapsto
