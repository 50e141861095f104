//===- EmitMatmul.cpp - A matrix product as a shader ----------------------===//

#include "compiler/vulkan/EmitMatmul.h"

#include "compiler/kernel/MatmulPlan.h"
#include "compiler/vulkan/MatmulTilings.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"

using namespace mlir;

namespace mapsto {

namespace {

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

  /// Where an invocation stands within its workgroup's tile.
  Value inRow, inColumn;

  void emitTiles();
  void emitFewRows();
  /// A side's tile of shared memory: `extent` rows or columns, [depth][stride].
  struct Staged {
    Value array, extent, stride;
  };
  Staged stage(StringRef name, Value extent);
  void fill(const Staged &to, Value first, Value firstK, Value bound,
            int64_t panel, bool isAlongK,
            function_ref<Value(Value position, Value k)> read);
  void multiply(const Staged &lhs, const Staged &rhs, Value lhsOwn,
                Value rhsOwn, Value sums, Value down);
  Value rhsElement(Value batch, Value k, Value column);
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
  /// The workgroup's items, one after the other.
  void eachItem(Value items, function_ref<void(Value)> body) {
    Value first = gpu::BlockIdOp::create(e.b, gpu::Dimension::x);
    Value groups = gpu::GridDimOp::create(e.b, gpu::Dimension::x);
    e.loop(first, items, groups,
           [&](Value item) { body(named(item, "item")); });
  }
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

/// A row of it is one longer than the tile, so that what is written along K
/// meets different banks.
MatmulShader::Staged MatmulShader::stage(StringRef name, Value extent) {
  Value stride = e.add(extent, e.idx(1));
  return {e.sharedArray(name, e.mul(depth, stride), accumulator).memref, extent,
          stride};
}

/// Copies positions from `first` on, and K from `firstK` on, in the order that
/// they have in memory: along K, along the positions, or panel by panel along
/// the positions. What lies outside of the matrix is 0.
void MatmulShader::fill(const Staged &to, Value first, Value firstK,
                        Value bound, int64_t panel, bool isAlongK,
                        function_ref<Value(Value, Value)> read) {
  e.loop(e.invocation(), e.mul(depth, to.extent), e.invocations(),
         [&](Value i) {
           Value inTile, k;
           if (isAlongK) {
             inTile = div(i, depth);
             k = rem(i, depth);
           } else if (panel) {
             Value width = e.idx(panel), row = div(i, width);
             inTile = e.add(e.mul(div(row, depth), width), rem(i, width));
             k = rem(row, depth);
           } else {
             inTile = rem(i, to.extent);
             k = div(i, to.extent);
           }
           named(inTile, "inTile");
           named(k, "k");
           Value position = named(e.add(first, inTile), "position");
           Value kAt = named(e.add(firstK, k), "kAt");
           Value x = e.branch(
               both(e.less(position, bound), e.less(kAt, e.dim(p.k))),
               {accumulator},
               [&] {
                 return SmallVector<Value>{
                     e.convert(read(position, kAt), accumulator)};
               },
               [&] { return SmallVector<Value>{zero()}; })[0];
           put(to.array, e.add(e.mul(k, to.stride), inTile), x);
         });
}

/// An invocation's rows are as far apart as there are invocations down the
/// tile, and its columns likewise: neighbours read neighbouring words of shared
/// memory, and write such of the result.
void MatmulShader::multiply(const Staged &lhs, const Staged &rhs, Value lhsOwn,
                            Value rhsOwn, Value sums, Value down) {
  e.loop(e.idx(0), depth, 1, [&](Value k) {
    named(k, "k");
    Value lhsAt = e.add(e.mul(k, lhs.stride), inRow);
    Value rhsAt = e.add(e.mul(k, rhs.stride), inColumn);
    unrolled("r", rowsEach, [&](Value r) {
      put(lhsOwn, r, get(lhs.array, e.add(lhsAt, e.mul(r, down))));
    });
    unrolled("c", columnsEach, [&](Value c) {
      put(rhsOwn, c, get(rhs.array, e.add(rhsAt, e.mul(c, across))));
    });
    unrolled("r", rowsEach, [&](Value r) {
      unrolled("c", columnsEach, [&](Value c) {
        Value at = e.add(e.mul(r, columnsEach), c);
        put(sums, at, e.fma(get(lhsOwn, r), get(rhsOwn, c), get(sums, at)));
      });
    });
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

void MatmulShader::emitTiles() {
  Value down = named(div(e.invocations(), across), "down");
  inRow = named(div(e.invocation(), across), "inRow");
  inColumn = named(rem(e.invocation(), across), "inColumn");
  Value tileRows = e.mul(down, rowsEach);
  Value tileColumns = e.mul(across, columnsEach);
  Staged lhs = stage("lhsTile", tileRows), rhs = stage("rhsTile", tileColumns);
  Value tilesDown = named(ceilDiv(e.dim(p.rows), tileRows), "tilesDown");
  Value tilesAcross = named(ceilDiv(e.dim(p.n), tileColumns), "tilesAcross");
  Value tiles = e.mul(tilesDown, tilesAcross);
  int64_t panel = p.packed ? *dimsOf(p.rhs)[2].constant() : 0;
  bool lhsAlongK = keepsLastAxis(e, p.lhs);
  bool rhsAlongK = !p.packed && p.transposed == keepsLastAxis(e, p.rhs);

  Value items = p.batch == Dim(1) ? tiles : e.mul(tiles, e.dim(p.batch));
  eachItem(items, [&](Value item) {
    Value batch = p.batch == Dim(1) ? e.idx(0) : div(item, tiles);
    Value tile = p.batch == Dim(1) ? item : rem(item, tiles);
    named(batch, "batch");
    Value firstRow = named(e.mul(rem(tile, tilesDown), tileRows), "firstRow");
    Value firstColumn =
        named(e.mul(div(tile, tilesDown), tileColumns), "firstColumn");
    Value sums = ownArray("sums", e.mul(rowsEach, columnsEach));
    Value lhsOwn = ownArray("lhs", rowsEach);
    Value rhsOwn = ownArray("rhs", columnsEach);
    unrolled("i", e.mul(rowsEach, columnsEach),
             [&](Value i) { put(sums, i, zero()); });
    e.loop(e.idx(0), e.dim(p.k), depth, [&](Value firstK) {
      named(firstK, "firstK");
      e.barrier();
      fill(lhs, firstRow, firstK, e.dim(p.rows), 0, lhsAlongK,
           [&](Value row, Value k) {
             return p.lhsElement(e, batch, varying(row), varying(k));
           });
      fill(rhs, firstColumn, firstK, e.dim(p.n), panel, rhsAlongK,
           [&](Value column, Value k) { return rhsElement(batch, k, column); });
      e.barrier();
      multiply(lhs, rhs, lhsOwn, rhsOwn, sums, down);
    });
    unrolled("r", rowsEach, [&](Value r) {
      Value row = named(e.add(e.add(firstRow, inRow), e.mul(r, down)), "row");
      unrolled("c", columnsEach, [&](Value c) {
        Value column = named(
            e.add(e.add(firstColumn, inColumn), e.mul(c, across)), "column");
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
  bool rhsAlongK = !p.packed && p.transposed == keepsLastAxis(e, p.rhs);
  Value inStrip =
      rhsAlongK ? div(e.invocation(), slices) : rem(e.invocation(), across);
  Value slice =
      rhsAlongK ? rem(e.invocation(), slices) : div(e.invocation(), across);
  named(inStrip, "inStrip");
  named(slice, "slice");
  Value strips = named(ceilDiv(e.dim(p.n), across), "strips");
  // A row's sums, slice by slice of K.
  Value width = e.mul(across, slices);
  Value partial =
      e.sharedArray("partialSums", e.mul(rowsEach, width), accumulator).memref;
  Value lastRow = e.sub(e.dim(p.rows), e.idx(1));

  Value items = p.batch == Dim(1) ? strips : e.mul(strips, e.dim(p.batch));
  eachItem(items, [&](Value item) {
    Value batch = p.batch == Dim(1) ? e.idx(0) : div(item, strips);
    Value strip = p.batch == Dim(1) ? item : rem(item, strips);
    named(batch, "batch");
    Value firstColumn = named(e.mul(strip, across), "firstColumn");
    Value sums = ownArray("sums", rowsEach);
    unrolled("r", rowsEach, [&](Value r) { put(sums, r, zero()); });
    Value column = named(e.add(firstColumn, inStrip), "column");
    e.when(e.less(column, e.dim(p.n)), [&] {
      e.loop(slice, e.dim(p.k), slices, [&](Value k) {
        named(k, "k");
        Value y = e.convert(rhsElement(batch, k, column), accumulator);
        unrolled("r", rowsEach, [&](Value r) {
          Value row = e.minIndex(r, lastRow);
          Value x = e.convert(p.lhsElement(e, batch, varying(row), varying(k)),
                              accumulator);
          put(sums, r, e.fma(x, y, get(sums, r)));
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
