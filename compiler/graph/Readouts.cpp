//===- Readouts.cpp - What is made of each step of a recurrence -----------===//

#include "compiler/graph/Batching.h"
#include "compiler/graph/Unrolled.h"

using namespace mlir;

namespace mapsto {

/// Time is where the first sequence has it, if all that runs over time has room
/// for it there.
void Unrolled::chooseAxis() {
  std::optional<int64_t> wanted;
  int64_t room = std::numeric_limits<int64_t>::max();
  auto rankOf = [](Value v) { return int64_t(dimsOf(v).size()); };
  for (unsigned i : inOrder()) {
    StepOp &op = ops[i];
    for (auto [k, source] : llvm::enumerate(op.sources)) {
      Value first = op.copies[0]->getOperand(k);
      if (source.kind == Source::Given)
        room = std::min(room, rankOf(first));
      if (source.kind != Source::Sliced)
        continue;
      auto slices = StepSlices::of(first, op.copies[1]->getOperand(k));
      room = std::min(room, int64_t(slices->stepDims().size()));
      if (!wanted) {
        wanted = slices->axis;
        reversed = slices->delta < 0;
      }
    }
    for (Value v : op.copies[0]->getResults())
      if (isUsedOutside(v))
        room = std::min(room, rankOf(v));
  }
  axis = wanted && *wanted <= room ? *wanted : 0;
}

/// Adds what each step makes of the result, beginning as `first` in step 0, if
/// it can be computed for all steps at once.
bool Unrolled::addReadout(OpResult of, Operation *first) {
  if (first->getBlock() != block || places.contains(first))
    return false;
  StepOp &op = ops[places.lookup(of.getOwner()).op];
  SmallVector<Source, 2> sources;
  llvm::SmallDenseSet<Value> given;
  for (Value v : first->getOperands()) {
    if (std::optional<Place> at = placeOf(v)) {
      if (at->step != 0)
        return false;
      unsigned result = cast<OpResult>(v).getResultNumber();
      sources.push_back({Source::Inner, at->op, result});
    } else {
      if (isDependent(v.getDefiningOp()))
        return false;
      sources.push_back({Source::Same});
    }
  }
  SmallVector<Operation *> copies{first};
  for (int64_t step = 1; step < steps; ++step) {
    auto matches = [&](Operation *user) {
      if (user->getBlock() != block || places.contains(user) ||
          user == copies.back() || !isCopy(first, user))
        return false;
      for (auto [k, source] : llvm::enumerate(sources)) {
        Value v = user->getOperand(k);
        if (source.kind == Source::Inner
                ? v != expected(source, step)
                : placeOf(v) || isDependent(v.getDefiningOp()))
          return false;
        if (source.kind == Source::Same && v != first->getOperand(k))
          source.kind = Source::Given;
      }
      return true;
    };
    Value v = op.copies[step]->getResult(of.getResultNumber());
    auto users = v.getUsers();
    auto user = llvm::find_if(users, matches);
    if (user == users.end())
      return false;
    copies.push_back(*user);
  }
  for (auto [k, source] : llvm::enumerate(sources))
    if (source.kind == Source::Given)
      given.insert(first->getOperand(k));
  auto varies = [&](Value v) { return placeOf(v) || given.contains(v); };
  if (!Batching({Dim(steps)}, axis).canApply(first, varies))
    return false;
  ops[add(copies)].sources = sources;
  return true;
}

void Unrolled::findReadouts() {
  recurrent = ops.size();
  for (size_t i = 0; i < ops.size(); ++i) {
    if (int64_t(ops[i].copies.size()) != steps)
      continue;
    for (OpResult result : ops[i].copies[0]->getResults()) {
      SmallVector<Operation *> users(result.getUsers());
      for (Operation *user : users)
        addReadout(result, user);
    }
  }
}

} // namespace mapsto
