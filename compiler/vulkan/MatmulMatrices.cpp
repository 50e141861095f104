//===- MatmulMatrices.cpp - A product by matrices of subgroups ------------===//
//
// As with other tiles both sides come through shared memory, in f16; what an
// invocation multiplies there a subgroup does here, matrix by matrix, in units
// made for it. The sums, in f32, go through shared memory on their way to what
// follows the product, since which invocation has which of them is the
// device's business.
//
//===----------------------------------------------------------------------===//

#include "compiler/vulkan/MatmulShader.h"
#include "compiler/vulkan/Matrices.h"

using namespace mlir;

namespace mapsto {

void MatmulShader::emitMatrices() {
  Value subgroup = named(subgroupOf(e), "subgroup");
  // The subgroup's part of the tile.
  Value ownRows = named(e.mul(rowsEach, matrixRows), "ownRows");
  Value ownColumns = named(e.mul(columnsEach, matrixColumns), "ownColumns");
  Value inRow = named(e.mul(div(subgroup, across), ownRows), "inRow");
  Value inColumn = named(e.mul(rem(subgroup, across), ownColumns), "inColumn");
  Value tileRows = named(e.mul(down, ownRows), "tileRows");
  Value tileColumns = named(e.mul(across, ownColumns), "tileColumns");
  Side lhs = makeLhs(tileRows), rhs = makeRhs(tileColumns);

  Value count = named(e.mul(rowsEach, columnsEach), "count");
  Value subgroups = named(e.mul(across, down), "subgroups");
  Value lhsOwn =
      matrixArray(e, "lhs", rowsEach, matrixRows, matrixDepth, lhs.element);
  Value rhsOwn = matrixArray(e, "rhs", columnsEach, matrixDepth, matrixColumns,
                             rhs.element);
  Value sums =
      matrixArray(e, "sums", count, matrixRows, matrixColumns, accumulator);
  // A matrix of sums of each subgroup.
  Value sumStride = named(e.add(matrixColumns, e.idx(4)), "sumStride");
  Value sumsEach = named(e.mul(matrixRows, sumStride), "sumsEach");
  Value staged =
      e.sharedArray("stagedSums", e.mul(subgroups, sumsEach), accumulator)
          .memref;

  auto load = [&](Value matrices, Value i, const Side &side, Value position,
                  Value k, bool isColumnMajor) {
    Value at = named(placeInTile(side, position, k), "at");
    loadMatrix(e, {matrices, i}, {side.tile, at, side.stride, isColumnMajor});
  };
  auto multiply = [&] {
    e.loop(e.idx(0), depth, matrixDepth, [&](Value k) {
      named(k, "k");
      unrolled("r", rowsEach, [&](Value r) {
        load(lhsOwn, r, lhs, e.add(inRow, e.mul(r, matrixRows)), k,
             !lhs.isTileAlongK);
      });
      unrolled("c", columnsEach, [&](Value c) {
        load(rhsOwn, c, rhs, e.add(inColumn, e.mul(c, matrixColumns)), k,
             rhs.isTileAlongK);
      });
      unrolled("r", rowsEach, [&](Value r) {
        unrolled("c", columnsEach, [&](Value c) {
          Value sum = named(e.add(e.mul(r, columnsEach), c), "sum");
          multiplyMatrices(e, {lhsOwn, r}, {rhsOwn, c}, {sums, sum});
        });
      });
    });
  };

  eachTile(
      tileRows, tileColumns,
      [&](Value batch, Value firstRow, Value firstColumn) {
        unrolled("i", count, [&](Value i) { clearMatrix(e, {sums, i}); });
        eachStep(batch, lhs, firstRow, rhs, firstColumn, multiply);
        // A matrix of each subgroup at once goes out, by all invocations.
        unrolled("r", rowsEach, [&](Value r) {
          unrolled("c", columnsEach, [&](Value c) {
            e.barrierOfArrays(); // the matrices before have been read
            storeMatrix(e, {sums, e.add(e.mul(r, columnsEach), c)},
                        {staged, e.mul(subgroup, sumsEach), sumStride});
            e.barrierOfArrays();
            Value elements =
                named(e.mul(matrixRows, matrixColumns), "elements");
            e.loop(
                e.invocation(), e.mul(subgroups, elements), e.invocations(),
                [&](Value i) {
                  Value of = named(div(i, elements), "of");
                  Value inMatrix = named(rem(i, elements), "inMatrix");
                  Value matrixRow =
                      named(div(inMatrix, matrixColumns), "matrixRow");
                  Value matrixColumn =
                      named(rem(inMatrix, matrixColumns), "matrixColumn");
                  auto position = [&](Value first, Value part, Value own,
                                      Value n, Value size, Value within) {
                    Value ofMatrix = e.add(e.mul(part, own), e.mul(n, size));
                    return e.add(e.add(first, ofMatrix), within);
                  };
                  Value row = named(position(firstRow, div(of, across), ownRows,
                                             r, matrixRows, matrixRow),
                                    "row");
                  Value column =
                      named(position(firstColumn, rem(of, across), ownColumns,
                                     c, matrixColumns, matrixColumn),
                            "column");
                  e.when(both(e.less(row, e.dim(p.rows)),
                              e.less(column, e.dim(p.n))),
                         [&] {
                           Value at = e.add(e.mul(of, sumsEach),
                                            e.add(e.mul(matrixRow, sumStride),
                                                  matrixColumn));
                           store(batch, row, column, get(staged, at));
                         });
                });
          });
        });
      });
}

} // namespace mapsto
