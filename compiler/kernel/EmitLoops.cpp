//===- EmitLoops.cpp - Pointwise and row kernels --------------------------===//
//
// The grid is the rows of the result: all axes but the last, which the lanes
// walk. Reductions along a row are emitted where the row's index is known,
// ahead of the lanes (see KernelEmitter::element), so softmax and norms are
// passes over one row that stays in cache. Where the result itself is the
// reduction, an item is one element and the lanes share its sum.
//
//===----------------------------------------------------------------------===//

#include "compiler/kernel/GroupEmitter.h"

using namespace mlir;

namespace mapsto {

/// Does each element of the result come from a reduction along a row?
static bool oneElementPerItem(const Group &group) {
  Dims root = withoutOnes(dimsOf(group.root->getResult(0)));
  return llvm::any_of(group.ops, [&](Operation *op) {
    return reducesRows(op) && withoutOnes(dimsOf(op->getResult(0))) == root;
  });
}

Dim gridOfLoops(const Group &group) {
  Dims dims = dimsOf(group.root->getResult(0));
  if (!dims.empty() && !oneElementPerItem(group))
    dims.pop_back();
  return numElements(dims);
}

/// What a reduction along the last axis and the passes after it both read, and
/// is too dear to compute twice: the exp of a softmax. Gives these reductions.
static SmallVector<ReduceOp> keepDearRows(KernelEmitter &e,
                                          const Group &group) {
  SmallVector<ReduceOp> reductions;
  for (Operation *op : group.ops) {
    auto reduce = dyn_cast<ReduceOp>(op);
    if (!reduce || !reducesRows(op))
      continue;
    Operation *source = reduce.getX().getDefiningOp();
    if (source && isTranscendental(source) && !reduce.getX().hasOneUse() &&
        llvm::is_contained(group.ops, source) &&
        e.kept.insert(reduce.getX()).second)
      reductions.push_back(reduce);
  }
  return reductions;
}

void emitLoops(KernelEmitter &e, const Group &group, ArrayRef<Buffer> results,
               Value begin, Value end) {
  Value root = group.root->getResult(0);
  Dims dims = dimsOf(root);
  bool lanes = !dims.empty() && !oneElementPerItem(group);
  ArrayRef<Dim> outer = lanes ? ArrayRef(dims).drop_back() : ArrayRef(dims);

  SmallVector<ReduceOp> keeping;
  if (!e.machine.lanesAreInvocations)
    keeping = keepDearRows(e, group);
  e.loop(begin, end, 1, [&](Value item) {
    Indices at = e.delinearize(e.uniform(item), outer);
    if (!lanes || dims.back() == Dim(1)) {
      if (lanes)
        at.push_back(e.uniform(0));
      e.store(e.element(root, at), results[0], at);
    } else {
      // Ahead of whoever reads the row they keep.
      for (ReduceOp reduce : keeping)
        if (ArrayRef(dimsOf(reduce.getResult())) == outer)
          e.element(reduce.getResult(), at);
      e.laneLoop(dims.back(), [&](Index i) {
        Indices full(at);
        full.push_back(i);
        e.store(e.element(root, full), results[0], full);
      });
    }
    if (group.kind == KernelKind::row)
      prefetchNextRows(e, e.b.getInsertionBlock(), outer);
  });
  for (Value tensor : e.kept)
    e.given.erase(tensor);
  e.kept.clear();
}

} // namespace mapsto
