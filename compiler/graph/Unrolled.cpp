//===- Unrolled.cpp - A recurrence whose steps were written out -----------===//

#include "compiler/graph/Unrolled.h"

using namespace mlir;

namespace mapsto {

/// A step's copies are looked for in the next: so many steps show a pattern.
static constexpr int64_t kFewestSteps = 3;

static constexpr char kDiffer[] = "its steps are not all the same";
static constexpr char kNeedsMore[] =
    "a step needs more of those before it than the last one's results";

//===----------------------------------------------------------------------===//
// Copies
//===----------------------------------------------------------------------===//

/// What the kernel of a scan is made of; a recurrence of one step becomes a
/// part of the step that it is in.
static bool fitsScan(Operation *op) {
  if (auto scan = dyn_cast<ScanOp>(op))
    return scan.getCount() == "1" && !scan.getLengths();
  return op->getNumRegions() == 0 &&
         (op->hasTrait<OpTrait::Elementwise>() ||
          isa<BroadcastOp, ReshapeOp, TransposeOp, SliceOp, FlipOp, ConcatOp,
              PadOp, ReduceOp, ArgReduceOp, SoftmaxOp, TakeOp, TakeAlongOp,
              MatmulOp>(op));
}

/// Whether two ops are the same but for their operands.
bool Unrolled::isCopy(Operation *a, Operation *b) {
  if (a->getName() != b->getName() ||
      a->getOperandTypes() != b->getOperandTypes() ||
      a->getResultTypes() != b->getResultTypes() ||
      a->getAttrDictionary() != b->getAttrDictionary())
    return false;
  return llvm::all_of(llvm::zip_equal(a->getRegions(), b->getRegions()),
                      [](auto regions) {
                        return OperationEquivalence::isRegionEquivalentTo(
                            &std::get<0>(regions), &std::get<1>(regions),
                            OperationEquivalence::IgnoreLocations);
                      });
}

Unrolled::Unrolled(ArrayRef<Operation *> anchors, OpSet before)
    : block(anchors.front()->getBlock()), steps(anchors.size()),
      before(std::move(before)) {
  add(anchors);
}

unsigned Unrolled::add(ArrayRef<Operation *> copies) {
  ops.emplace_back();
  for (Operation *copy : copies)
    addCopy(ops.size() - 1, copy);
  return ops.size() - 1;
}

void Unrolled::addCopy(unsigned op, Operation *copy) {
  places[copy] = {op, int64_t(ops[op].copies.size())};
  ops[op].copies.push_back(copy);
}

std::optional<Unrolled::Place> Unrolled::placeOf(Value v) const {
  auto at = places.find(v.getDefiningOp());
  return at == places.end() ? std::nullopt : std::optional(at->second);
}

bool Unrolled::areCopies(ArrayRef<Value> values) const {
  auto first = dyn_cast<OpResult>(values.front());
  if (!first || first.getOwner()->getBlock() != block ||
      before.contains(first.getOwner()) || !fitsScan(first.getOwner()))
    return false;
  llvm::SmallPtrSet<Operation *, 8> seen;
  return llvm::all_of(values, [&](Value v) {
    auto result = dyn_cast<OpResult>(v);
    return result && result.getResultNumber() == first.getResultNumber() &&
           seen.insert(result.getOwner()).second &&
           result.getOwner()->getBlock() == block &&
           !places.contains(result.getOwner()) &&
           isCopy(first.getOwner(), result.getOwner());
  });
}

/// Whether the values are results of one op, step by step from `first` on;
/// copies of it that were not known yet are added.
bool Unrolled::follow(Place first, ArrayRef<Value> values) {
  unsigned result = cast<OpResult>(values.front()).getResultNumber();
  for (auto [i, value] : llvm::enumerate(values)) {
    auto made = dyn_cast<OpResult>(value);
    if (!made || made.getResultNumber() != result)
      return false;
    Place wanted{first.op, first.step + int64_t(i)};
    if (std::optional<Place> at = placeOf(value)) {
      if (!(*at == wanted))
        return false;
      continue;
    }
    StepOp &op = ops[first.op];
    if (int64_t(op.copies.size()) != wanted.step ||
        made.getOwner()->getBlock() != block ||
        !isCopy(op.copies.front(), made.getOwner()))
      return false;
    addCopy(first.op, made.getOwner());
  }
  return true;
}

SmallVector<Value> Unrolled::valuesOf(unsigned op, unsigned source) const {
  SmallVector<Value> values;
  for (Operation *copy : ops[op].copies)
    values.push_back(copy->getOperand(source));
  return values;
}

std::optional<Source> Unrolled::classify(ArrayRef<Value> values) {
  if (llvm::all_equal(values))
    return Source{Source::Same};
  auto numberOf = [](Value v) { return cast<OpResult>(v).getResultNumber(); };
  if (std::optional<Place> at = placeOf(values[0])) {
    if (at->step != 0 || !follow(*at, values))
      return std::nullopt;
    return Source{Source::Inner, at->op, numberOf(values[0])};
  }
  ArrayRef<Value> later = values.drop_front();
  bool sameType = values[0].getType() == later[0].getType();
  if (std::optional<Place> at = placeOf(later[0])) {
    if (at->step != 0 || !sameType || !follow(*at, later))
      return std::nullopt;
    return Source{Source::Carried, at->op, numberOf(later[0])};
  }
  std::optional<StepSlices> slices = StepSlices::of(values[0], values[1]);
  auto isStep = [&](auto step) {
    return slices->isStep(step.value(), step.index());
  };
  if (slices && llvm::all_of(llvm::enumerate(values), isStep))
    return Source{Source::Sliced};
  auto made = [&](ArrayRef<Value> by) {
    SmallVector<Operation *> copies;
    for (Value v : by)
      copies.push_back(v.getDefiningOp());
    return add(copies);
  };
  if (areCopies(values))
    return Source{Source::Inner, made(values), numberOf(values[0])};
  if (sameType && later.size() > 1 && areCopies(later))
    return Source{Source::Carried, made(later), numberOf(later[0])};
  if (!llvm::all_equal(
          llvm::map_range(values, [](Value v) { return v.getType(); })))
    return std::nullopt;
  return Source{Source::Given};
}

//===----------------------------------------------------------------------===//
// The last step
//===----------------------------------------------------------------------===//

/// What a copy in a step reads of another op, if that has such a copy.
Value Unrolled::expected(const Source &source, int64_t step) const {
  const StepOp &op = ops[source.op];
  int64_t of = source.kind == Source::Carried ? step - 1 : step;
  if (of < 0 || of >= int64_t(op.copies.size()))
    return nullptr;
  return op.copies[of]->getResult(source.result);
}

bool Unrolled::fits(unsigned op, int64_t step, Operation *copy) const {
  Operation *first = ops[op].copies[0], *second = ops[op].copies[1];
  if (!isCopy(first, copy))
    return false;
  for (auto [k, source] : llvm::enumerate(ops[op].sources)) {
    Value v = copy->getOperand(k);
    switch (source.kind) {
    case Source::Same:
      if (v != first->getOperand(k))
        return false;
      break;
    case Source::Carried:
      if (step == 0)
        break;
      [[fallthrough]];
    case Source::Inner:
      if (v != expected(source, step))
        return false;
      break;
    case Source::Sliced:
      if (!StepSlices::of(first->getOperand(k), second->getOperand(k))
               ->isStep(v, step))
        return false;
      break;
    case Source::Given:
      if (placeOf(v))
        return false;
      break;
    }
  }
  return true;
}

/// Takes an op as the copy in a step if it is that, with what it reads of the
/// same step.
bool Unrolled::adopt(unsigned op, int64_t step, Operation *copy) {
  if (!copy || copy->getBlock() != block || places.contains(copy) ||
      int64_t(ops[op].copies.size()) != step ||
      !isCopy(ops[op].copies[0], copy))
    return false;
  for (auto [k, source] : llvm::enumerate(ops[op].sources))
    if (source.kind == Source::Inner && !expected(source, step)) {
      auto made = dyn_cast<OpResult>(copy->getOperand(k));
      if (!made || made.getResultNumber() != source.result ||
          !adopt(source.op, step, made.getOwner()))
        return false;
    }
  if (!fits(op, step, copy))
    return false;
  addCopy(op, copy);
  return true;
}

/// Looks for the copy of an op in the step after its last copy's, among what
/// reads the values that it must read.
bool Unrolled::find(unsigned op, int64_t step) {
  auto amongUsers = [&](Value v) {
    SmallVector<Operation *> users(v.getUsers());
    return llvm::any_of(users,
                        [&](Operation *user) { return adopt(op, step, user); });
  };
  for (const Source &source : ops[op].sources)
    if (source.kind == Source::Inner || source.kind == Source::Carried)
      if (Value v = expected(source, step))
        return amongUsers(v);
  for (auto [k, source] : llvm::enumerate(ops[op].sources)) {
    if (source.kind != Source::Sliced)
      continue;
    auto slices = StepSlices::of(ops[op].copies[0]->getOperand(k),
                                 ops[op].copies[1]->getOperand(k));
    SmallVector<Operation *> users(slices->first.getX().getUsers());
    for (Operation *user : users)
      if (isa<SliceOp>(user) && slices->isStep(user->getResult(0), step) &&
          amongUsers(user->getResult(0)))
        return true;
  }
  return false;
}

SmallVector<unsigned> Unrolled::inOrder() const {
  auto order = llvm::to_vector(
      llvm::seq<unsigned>(0, recurrent ? recurrent : ops.size()));
  llvm::sort(order, [&](unsigned a, unsigned b) {
    return ops[a].copies[0]->isBeforeInBlock(ops[b].copies[0]);
  });
  return order;
}

/// Adds the copies in a step that can be found; whether there are any.
bool Unrolled::addStep(int64_t step) {
  bool found = false;
  for (unsigned op : inOrder())
    if (int64_t(ops[op].copies.size()) == step)
      found |= find(op, step);
  return found;
}

void Unrolled::dropLastStep() {
  --steps;
  for (StepOp &op : ops)
    if (int64_t(op.copies.size()) > steps)
      places.erase(op.copies.pop_back_val());
}

/// Whether what the last step lacks can be computed there for nobody.
bool Unrolled::mayLackCopies() const {
  size_t lacking = 0;
  for (const StepOp &op : ops) {
    if (int64_t(op.copies.size()) == steps)
      continue;
    ++lacking;
    for (auto [k, source] : llvm::enumerate(op.sources))
      if (source.kind == Source::Given ||
          (source.kind == Source::Sliced &&
           !StepSlices::of(op.copies[0]->getOperand(k),
                           op.copies[1]->getOperand(k))
                ->reaches(steps)))
        return false;
  }
  return 2 * lacking < ops.size();
}

/// Finds what a search from later steps to earlier ones did not meet: the end
/// of the last step, and one more step. Where that has no end, as it has no
/// input, the steps are better cut where it has: `before` says where.
void Unrolled::complete() {
  for (int64_t step = steps - 2; step < steps; ++step)
    addStep(step);
  if (addStep(steps)) {
    ++steps;
    if (!mayLackCopies())
      for (const StepOp &op : ops)
        if (int64_t(op.copies.size()) == steps)
          before.insert(op.copies.front());
  }
  if (!mayLackCopies())
    dropLastStep();
}

//===----------------------------------------------------------------------===//
// What is around
//===----------------------------------------------------------------------===//

bool Unrolled::isDependent(Operation *op) const {
  return op && dependents.contains(op);
}

void Unrolled::findDependents() {
  for (Operation &op : *block) {
    bool depends = places.contains(&op);
    if (!depends)
      op.walk([&](Operation *inner) {
        for (Value operand : inner->getOperands())
          depends |= isDependent(operand.getDefiningOp());
      });
    if (depends)
      dependents.insert(&op);
  }
}

bool Unrolled::isUsedOutside(Value v) const {
  return llvm::any_of(v.getUsers(),
                      [&](Operation *user) { return !places.contains(user); });
}

/// Whether the ops are a recurrence, all of them.
std::optional<std::string> Unrolled::check() const {
  bool overTime = false;
  for (auto [i, op] : llvm::enumerate(ops)) {
    int64_t copies = op.copies.size();
    if (copies != steps && (copies != steps - 1 || !mayLackCopies()))
      return "its last steps are other ones";
    for (auto [step, copy] : llvm::enumerate(op.copies))
      if (!fits(i, step, copy))
        return kDiffer;
    for (auto [k, source] : llvm::enumerate(op.sources)) {
      if (source.kind == Source::Inner)
        continue;
      SmallVector<Value> values = valuesOf(i, k);
      if (source.kind == Source::Carried)
        values.resize(1);
      if (source.kind == Source::Sliced)
        values.assign({values[0].getDefiningOp<SliceOp>().getX()});
      for (Value v : values)
        if (isDependent(v.getDefiningOp()))
          return source.kind == Source::Given ? kDiffer : kNeedsMore;
      overTime |= source.kind == Source::Sliced || source.kind == Source::Given;
    }
    // A region's values are those of all steps.
    bool apart = true;
    op.copies[0]->walk([&](Operation *inner) {
      if (inner != op.copies[0])
        for (Value v : inner->getOperands())
          apart &= !isDependent(v.getDefiningOp());
    });
    if (!apart)
      return kNeedsMore;
    for (Operation *copy : ArrayRef(op.copies).drop_back())
      for (Value v : copy->getResults())
        overTime |= isUsedOutside(v);
  }
  return overTime ? std::nullopt : std::optional(std::string());
}

//===----------------------------------------------------------------------===//
// All of it
//===----------------------------------------------------------------------===//

std::optional<std::string> Unrolled::match() {
  for (size_t i = 0; i < ops.size(); ++i)
    for (unsigned k = 0; k < ops[i].copies[0]->getNumOperands(); ++k) {
      std::optional<Source> source = classify(valuesOf(i, k));
      if (!source)
        return kDiffer;
      ops[i].sources.push_back(*source);
    }
  complete();
  if (steps < kFewestSteps)
    return kDiffer;
  findDependents();
  if (auto why = check())
    return why;
  chooseAxis();
  findReadouts();
  return std::nullopt;
}

} // namespace mapsto
