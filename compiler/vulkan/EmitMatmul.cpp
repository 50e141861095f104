//===- EmitMatmul.cpp - A matrix product as a shader ----------------------===//

#include "compiler/vulkan/EmitMatmul.h"

#include "compiler/vulkan/MatmulShader.h"
#include "compiler/vulkan/Matrices.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"

using namespace mlir;

namespace mapsto {

/// Elements that one access to shared memory can have.
static constexpr int64_t kFour = 4;

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
  SmallVector<Tiling> withMatrices = matrixTilings(p);
  if (!isMany || withMatrices.empty())
    return emitWithoutMatrices(isFew, isMany);
  setTilings(function, withMatrices, kMatrixTilingsAttr);
  if (isFew)
    function->setAttr(kMatricesWhenAttr,
                      e.b.getStringAttr(beyondFewRows(p).str()));
  down = addConstant(function, "down");
  matrixRows = addConstant(function, "matrixRows");
  matrixColumns = addConstant(function, "matrixColumns");
  matrixDepth = addConstant(function, "matrixDepth");
  either(
      addIfMatrices(function),
      [&] {
        hasMatrices = true;
        emitMatrices();
        hasMatrices = false;
      },
      [&] { emitWithoutMatrices(isFew, isMany); });
}

void MatmulShader::emitWithoutMatrices(bool isFew, bool isMany) {
  if (!isFew)
    return emitTiles();
  if (!isMany)
    return emitFewRows();
  either(
      e.less(e.idx(1), slices), [&] { emitFewRows(); }, [&] { emitTiles(); });
}

void MatmulShader::either(Value condition, Function<void()> then,
                          Function<void()> otherwise) {
  auto nothing = [](Function<void()> body) {
    body();
    return SmallVector<Value>();
  };
  e.branch(
      condition, {}, [&] { return nothing(then); },
      [&] { return nothing(otherwise); });
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

/// An operand's element in another type, or 0 where the condition does not
/// hold.
Value MatmulShader::elementOr0(Value condition, Type element,
                               function_ref<Value()> read) {
  return e.branch(
      condition, {element},
      [&] { return SmallVector<Value>{e.convert(read(), element)}; },
      [&] { return SmallVector<Value>{zero(element)}; })[0];
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

MatmulShader::Side MatmulShader::makeSide(StringRef name, Value extent,
                                          Value bound, bool isAlongK,
                                          int64_t panel) {
  Side side;
  side.element = accumulator;
  side.extent = extent;
  side.bound = bound;
  side.isAlongK = isAlongK;
  side.panel = panel;
  Value steps = depth, length = extent;
  // Some more: what is written along K meets different banks, and fours of
  // rows or columns stay where one access reads them.
  int64_t apart = kFour;
  if (hasMatrices) {
    // A matrix is read either way: as the elements lie in memory.
    side.element = elementTypeOf(p.lhs);
    side.isTileAlongK = isAlongK;
    apart = kMatrixAlignment;
    if (isAlongK)
      std::swap(steps, length);
  }
  side.stride = named(e.add(length, e.idx(apart)), "stride");
  side.tile = e.sharedArray((name + "Tile").str(), e.mul(steps, side.stride),
                            side.element)
                  .memref;
  side.share = named(ceilDiv(e.mul(depth, extent), e.invocations()), "share");
  side.ahead =
      e.ownArray((name + "Ahead").str(), side.share, side.element).memref;
  return side;
}

MatmulShader::Side MatmulShader::makeLhs(Value extent) {
  return makeSide("lhs", extent, e.dim(p.rows), keepsLastAxis(e, p.lhs), 0);
}

MatmulShader::Side MatmulShader::makeRhs(Value extent) {
  int64_t panel = p.packed ? *dimsOf(p.rhs)[2].constant() : 0;
  if (panel && kLeastTileColumns % panel != 0)
    panel = 0;
  return makeSide("rhs", extent, e.dim(p.n), readsRhsAlongK(), panel);
}

Value MatmulShader::placeInTile(const Side &side, Value inTile, Value k) {
  if (side.isTileAlongK)
    std::swap(inTile, k);
  return e.add(e.mul(k, side.stride), inTile);
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
    put(side.ahead, n,
        elementOr0(inside, side.element, [&] { return read(position, k); }));
  });
}

/// Puts what has been fetched into shared memory.
void MatmulShader::stage(const Side &side) {
  eachOfShare(side, [&](Value n, Value inTile, Value k) {
    put(side.tile, placeInTile(side, inTile, k), get(side.ahead, n));
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

void MatmulShader::eachTile(Value tileRows, Value tileColumns,
                            function_ref<void(Value, Value, Value)> body) {
  Value tilesDown = named(ceilDiv(e.dim(p.rows), tileRows), "tilesDown");
  Value tilesAcross = ceilDiv(e.dim(p.n), tileColumns);
  Value tiles = named(e.mul(tilesDown, tilesAcross), "tiles");
  eachItem(tiles, [&](Value batch, Value tile) {
    Value firstRow = named(e.mul(rem(tile, tilesDown), tileRows), "firstRow");
    Value firstColumn =
        named(e.mul(div(tile, tilesDown), tileColumns), "firstColumn");
    body(batch, firstRow, firstColumn);
  });
}

void MatmulShader::eachStep(Value batch, const Side &lhs, Value firstRow,
                            const Side &rhs, Value firstColumn,
                            function_ref<void()> body) {
  auto fetchBoth = [&](Value firstK) {
    fetch(lhs, firstRow, firstK, [&](Value row, Value k) {
      return p.lhsElement(e, batch, varying(row), varying(k));
    });
    fetch(rhs, firstColumn, firstK,
          [&](Value column, Value k) { return rhsElement(batch, k, column); });
  };
  fetchBoth(e.idx(0));
  e.loop(e.idx(0), e.dim(p.k), depth, [&](Value firstK) {
    named(firstK, "firstK");
    e.barrier();
    stage(lhs);
    stage(rhs);
    e.barrier();
    Value next = named(e.add(firstK, depth), "nextK");
    e.when(e.less(next, e.dim(p.k)), [&] { fetchBoth(next); });
    body();
  });
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
  Side lhs = makeLhs(tileRows), rhs = makeRhs(tileColumns);
  Value lhsOwn = ownArray("lhs", rowsEach);
  Value rhsOwn = ownArray("rhs", columnsEach);
  Value sums = ownArray("sums", e.mul(rowsEach, columnsEach));

  eachTile(
      tileRows, tileColumns,
      [&](Value batch, Value firstRow, Value firstColumn) {
        unrolled("i", e.mul(rowsEach, columnsEach),
                 [&](Value i) { put(sums, i, zero(accumulator)); });
        eachStep(batch, lhs, firstRow, rhs, firstColumn,
                 [&] { multiply(lhs, rhs, lhsOwn, rhsOwn, sums); });
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

void emitMatmulShader(KernelEmitter &e, func::FuncOp function,
                      const Group &group, ArrayRef<Buffer> results) {
  MatmulShader(e, function, group, results).emit();
}

} // namespace mapsto
