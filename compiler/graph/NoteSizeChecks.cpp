//===- NoteSizeChecks.cpp - What the sizes of a run must satisfy ----------===//
//
// A size that is an expression may come out negative, a slice may reach past
// its operand's end, a reshape may not come out even:
//
//   %y = mapsto.slice %x {starts = #mapsto.dims<"T - 1">, sizes =
//   #mapsto.dims<"1">, ...}
//   ==>
//   module attributes {mapsto.checks = [["T - 1", ">=", "0", "the slice at
//   model.mto:4:7"]]}
//
// The runtime checks these before a run, so that no kernel has to.
//
//===----------------------------------------------------------------------===//

#include "compiler/KernelAttributes.h"
#include "compiler/Passes.h"
#include "dialect/MapstoDialect.h"
#include "dialect/SourcePlace.h"

#include <set>

using namespace mlir;

namespace mapsto {

#define GEN_PASS_DEF_NOTESIZECHECKS
#include "compiler/Passes.h.inc"

namespace {

/// True where no sizes make `dim` negative.
bool isNeverNegative(const Dim &dim) {
  return llvm::all_of(dim.getTerms(), [](const auto &term) {
    const auto &[monomial, coefficient] = term;
    return coefficient > 0 && llvm::all_of(monomial, [](const Dim::Atom &atom) {
             switch (atom.op) {
             case Dim::Op::Symbol:
               return true;
             case Dim::Op::Max:
               return isNeverNegative(*atom.lhs) || isNeverNegative(*atom.rhs);
             default:
               return isNeverNegative(*atom.lhs) && isNeverNegative(*atom.rhs);
             }
           });
  });
}

struct NoteSizeChecks : impl::NoteSizeChecksBase<NoteSizeChecks> {
  std::set<std::string> known;
  SmallVector<Attribute> checks;

  void runOnOperation() override {
    getOperation().walk([&](Operation *op) {
      for (Type type : op->getResultTypes())
        if (hasSizes(type))
          for (const Dim &dim : dimsOf(type))
            atLeast(dim, 0, op);
      if (auto slice = dyn_cast<SliceOp>(op))
        noteSlice(slice);
      else if (auto reshape = dyn_cast<ReshapeOp>(op))
        note(numElements(dimsOf(reshape.getX())),
             "==", numElements(dimsOf(reshape.getResult())), op);
      else if (auto top = dyn_cast<TopKOp>(op))
        atLeast(dimsOf(top.getX()).back(), top.getK(), op);
    });
    if (!checks.empty())
      getOperation()->setAttr(kChecksAttr,
                              ArrayAttr::get(&getContext(), checks));
    known.clear();
    checks.clear();
  }

  void noteSlice(SliceOp slice) {
    Dims x = dimsOf(slice.getX()), starts = slice.getStarts().getDims(),
         sizes = slice.getSizes().getDims();
    for (auto [axis, step] : llvm::enumerate(slice.getSteps())) {
      atLeast(starts[axis], 0, slice);
      // The last element read is at start + (size - 1) * step.
      atLeast(x[axis], starts[axis] + sizes[axis] * Dim(step) - Dim(step - 1),
              slice);
    }
  }

  void atLeast(const Dim &left, const Dim &right, Operation *op) {
    if (!isNeverNegative(left - right))
      note(left, ">=", right, op);
  }

  void note(const Dim &left, StringRef relation, const Dim &right,
            Operation *op) {
    if (left == right)
      return;
    Builder b(&getContext());
    std::string place = placeOf(op->getLoc());
    std::string message = ("in the " + op->getName().stripDialect()).str();
    if (!place.empty())
      message += " at " + place;
    if (known.insert((left.str() + relation + right.str()).str()).second)
      checks.push_back(
          b.getStrArrayAttr({left.str(), relation, right.str(), message}));
  }
};

} // namespace

} // namespace mapsto
