//===- OpsDeterminant.cpp - Det
//--------------------------------------------===//

#include "frontends/onnx/Formula.h"
#include "frontends/onnx/Loops.h"
#include "frontends/onnx/Ops.h"

using namespace mlir;

namespace mapsto::onnx {
namespace {

/// A matrix and the product of its pivots so far: [B, M, M] and [B].
struct Elimination {
  mlir::Value matrix, product;
};

/// One step of Gaussian elimination with partial pivoting (Golub and Van Loan,
/// "Matrix Computations", 3.4): column `k`, an i64 scalar, is cleared below the
/// diagonal.
Elimination eliminate(Node &n, mlir::Value k, const Elimination &before) {
  Dims matrix = dimsOf(before.matrix);
  Dims rows{matrix[0], matrix[1]}, batch{matrix[0]};
  auto spread = [&](mlir::Value x, ArrayRef<Dim> as, ArrayRef<Dim> to) -> Term {
    return {n, broadcastTo(n.b, n.loc, reshape(n.b, n.loc, x, as), to)};
  };
  Dims row{matrix[0], 1, matrix[2]}, column{matrix[0], matrix[1], 1};
  Dims one{matrix[0], 1, 1};
  Type i64 = n.b.getI64Type();
  auto count = [&](ArrayRef<Dim> dims) -> Term {
    return {n, IotaOp::create(n.b, n.loc, tensorOf(dims, i64), 1)};
  };
  auto take = [&](mlir::Value x, int64_t axis) -> mlir::Value {
    return TakeOp::create(n.b, n.loc, x, k, axis);
  };
  Term at(n, broadcastTo(n.b, n.loc, k, rows));
  Term size =
      select(count(rows) >= at, abs(Term(n, take(before.matrix, 2))), -1);
  mlir::Value largest =
      cast(n.b, n.loc,
           ArgReduceOp::create(n.b, n.loc, ReduceKind::max, size.v, 1), i64);

  mlir::Value pivotRow = TakeAlongOp::create(n.b, n.loc, before.matrix,
                                             spread(largest, one, row).v, 1);
  Term upper = spread(pivotRow, row, matrix);
  Term lower = spread(take(before.matrix, 1), row, matrix);
  Term places = count(matrix);
  Term swapped =
      select(places == Term(n, broadcastTo(n.b, n.loc, k, matrix)), upper,
             select(places == spread(largest, one, matrix), lower,
                    Term(n, before.matrix)));

  Term pivot(
      n, take(reshape(n.b, n.loc, pivotRow, Dims{matrix[0], matrix[2]}), 1));
  Term divisor = spread(pivot.v, Dims{matrix[0], 1}, rows);
  Term factor = Term(n, take(swapped.v, 2)) / divisor;
  // A column of zeros alone needs no clearing.
  factor = select((count(rows) > at) & (divisor != 0), factor, 0);
  Term cleared = swapped - spread(factor.v, column, matrix) * upper;
  Term inPlace = Term(n, largest) == Term(n, broadcastTo(n.b, n.loc, k, batch));
  Term product = Term(n, before.product) * select(inPlace, pivot, -pivot);
  return {cleared.v, product.v};
}

LogicalResult determinant(Node &n) {
  if (failed(needFloats(n, 0)))
    return failure();
  Term x = wide(n, 0);
  Dims dims = dimsOf(x.v);
  if (dims.size() < 2 || !n.equal({dims.back()}, {dims[dims.size() - 2]}))
    return n.fail("its input is " + str(dims) + ", and must be of squares");
  Dims batch(dims.begin(), dims.end() - 2);
  Dim size = dims.back(), count = numElements(batch);
  LoopBody::Frame frame;
  frame.count = size;
  frame.inits = {
      reshape(n.b, n.loc, x.v, Dims{count, size, size}),
      splat(n.b, n.loc, 1, tensorOf(Dims{count}, elementTypeOf(x.v)))};
  LoopBody body(n, ValueRange(frame.inits).getTypes(), {});
  body.build([&] {
    Elimination after =
        eliminate(n, body.number(), {body.state(0), body.state(1)});
    frame.yields = {after.matrix, after.product};
  });
  mlir::Value result = body.finish(frame)[1];
  return n.result(
      cast(n.b, n.loc, reshape(n.b, n.loc, result, batch), n.type(0)));
}

} // namespace

void addDeterminantOps(OpTable &table) { table["Det"] = determinant; }

} // namespace mapsto::onnx
