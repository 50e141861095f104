//===- MatmulFewRows.cpp - A product of a few rows ------------------------===//

#include "compiler/vulkan/MatmulShader.h"

using namespace mlir;

namespace mapsto {

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
    unrolled("r", rowsEach, [&](Value r) { put(sums, r, zero(accumulator)); });
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
        put(rhs, n, elementOr0(inside, accumulator, [&] {
              return rhsElement(batch, k, column);
            }));
      });
      unrolled("n", depth, [&](Value n) {
        Value k = kOf(n);
        Value inside = e.less(k, e.dim(p.k));
        unrolled("r", rowsEach, [&](Value r) {
          Value row = e.minIndex(r, lastRow);
          Value x = elementOr0(inside, accumulator, [&] {
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
                       e.loop(e.idx(0), slices, 1, {zero(accumulator)},
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

} // namespace mapsto
