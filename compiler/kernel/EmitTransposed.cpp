//===- EmitTransposed.cpp - Pointwise kernels of a transposed input -------===//
//
// Where the lanes of the result would each read another row of the input, rows
// are read as they lie, and squares of vectors transposed. An item is a strip
// of rows of the result: as many as one visit to a row of the input has use
// for, since each may be in another page.
//
// Transposing 4096 x 2048 on one thread of a Zen 4 EPYC takes 5.5 ms, element
// by element 63 (2026-11-21).
//
//===----------------------------------------------------------------------===//

#include "compiler/kernel/GroupEmitter.h"

using namespace mlir;

namespace mapsto {

/// Rows of an item: four lines of f32.
static constexpr int64_t kStrip = 64;

/// The axis of the result that the input's rows lie along.
static int64_t stripAxis(TransposeOp op) {
  ArrayRef<int64_t> permutation = op.getPermutation();
  return llvm::find(permutation, static_cast<int64_t>(permutation.size()) - 1) -
         permutation.begin();
}

TransposeOp transposedRead(const Group &group) {
  TransposeOp found;
  if (group.kind != KernelKind::map)
    return {};
  for (Operation *op : group.ops) {
    if (auto transpose = dyn_cast<TransposeOp>(op)) {
      if (found)
        return {};
      found = transpose;
    } else if (!(op->hasTrait<OpTrait::Elementwise>() || isSplat(op) ||
                 isa<BroadcastOp>(op))) {
      return {};
    }
  }
  if (!found || group.contains(found.getX().getDefiningOp()) ||
      elementTypeOf(found.getX()).isInteger(1))
    return {};
  Dims dims = dimsOf(found.getResult());
  int64_t along = stripAxis(found);
  bool apart = along + 1 != static_cast<int64_t>(dims.size()) &&
               dims[along] != Dim(1) && dims.back() != Dim(1);
  return apart && dims == dimsOf(group.root->getResult(0)) ? found
                                                           : TransposeOp();
}

/// Few ops are in the code once for each row of a square; more would make it
/// large.
static bool isShort(const Group &group) {
  constexpr size_t kFewOps = 6;
  return group.ops.size() <= kFewOps &&
         llvm::none_of(group.ops, isTranscendental);
}

static Dims stripsOf(TransposeOp op) {
  Dims dims = dimsOf(op.getResult());
  int64_t along = stripAxis(op);
  dims[along] = Dim::ceilDiv(dims[along], Dim(kStrip));
  dims.pop_back();
  return dims;
}

Dim gridOfTransposed(TransposeOp op) { return numElements(stripsOf(op)); }

void emitTransposed(KernelEmitter &e, const Group &group, TransposeOp op,
                    const Buffer &result, Value begin, Value end) {
  Value root = group.root->getResult(0);
  Dims dims = dimsOf(root);
  int64_t along = stripAxis(op);
  Value columns = e.dim(dims.back());
  std::optional<Buffer> tile; // a square's rows
  if (!isShort(group))
    tile = e.allocate({Dim(e.lanes), Dim(e.lanes)}, elementTypeOf(op.getX()));
  e.loop(begin, end, 1, [&](Value item) {
    Indices at = e.delinearize(e.uniform(item), stripsOf(op));
    Value first = e.mul(at[along].value, e.idx(kStrip));
    Value last = e.minIndex(e.add(first, e.idx(kStrip)), e.dim(dims[along]));
    at.push_back({});
    e.laneLoop(dims.back(), [&](Index column) {
      e.loop(first, last, e.lanes, [&](Value row) {
        // As many rows of the input as lanes, from `row` on.
        Value inside = e.firstLanes(e.sub(last, row));
        // Halves as their bits: of bf16 few targets shuffle any.
        Type type = elementTypeOf(op.getX());
        bool half = type.isBF16() || type.isF16();
        auto as = [&](Value v, Type element) -> Value {
          return half ? arith::BitcastOp::create(e.b, e.vectorOf(element), v)
                      : v;
        };
        SmallVector<Value> square;
        e.unmasked([&] {
          for (int64_t lane = 0; lane < e.lanes; ++lane) {
            Value source = e.minIndex(e.add(column.value, e.idx(lane)),
                                      e.sub(columns, e.idx(1)));
            at[along] = {row, Index::Lanes};
            at.back() = e.uniform(source);
            Indices from(at.size());
            for (auto [axis, of] : llvm::enumerate(op.getPermutation()))
              from[of] = at[axis];
            Value v = e.masked(
                inside, [&] { return e.elementVector(op.getX(), from); });
            square.push_back(as(v, e.b.getI16Type()));
          }
        });
        auto put = [&](Value own, std::function<Value()> known) {
          at[along] = e.uniform(own);
          at.back() = column;
          e.given[op.getResult()] = [known](ArrayRef<Index>) {
            return known();
          };
          e.store(e.element(root, at), result, at);
        };
        SmallVector<Value> rows = e.transpose(square);
        if (!tile) {
          for (auto [lane, value] : llvm::enumerate(rows)) {
            Value own = e.add(row, e.idx(lane)), known = as(value, type);
            e.when(e.less(own, last), [&] { put(own, [=] { return known; }); });
          }
          return;
        }
        Index lanes{e.idx(0), Index::Lanes, true};
        e.unmasked([&] {
          for (auto [lane, value] : llvm::enumerate(rows))
            e.store(as(value, type), *tile, {e.uniform(lane), lanes});
        });
        Value count = e.minIndex(e.sub(last, row), e.idx(e.lanes));
        e.loop(e.idx(0), count, 1, [&](Value lane) {
          put(e.add(row, lane),
              [&] { return e.load(*tile, {e.uniform(lane), lanes}); });
        });
      });
    });
  });
  e.given.erase(op.getResult());
}

} // namespace mapsto
