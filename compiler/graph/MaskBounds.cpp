//===- MaskBounds.cpp - Which keys a mask can leave -----------------------===//

#include "compiler/graph/MaskBounds.h"

using namespace mlir;

namespace mapsto {

namespace {

/// i * query + j * key + constant.
struct Linear {
  int64_t query = 0, key = 0;
  Dim constant;
};

std::optional<Linear> linearize(Value v, Value i, Value j) {
  if (v == i)
    return Linear{1, 0, 0};
  if (v == j)
    return Linear{0, 1, 0};
  Operation *op = v.getDefiningOp();
  if (!op)
    return std::nullopt;
  if (auto constant = dyn_cast<ConstantOp>(op)) {
    auto value = dyn_cast<DenseIntElementsAttr>(constant.getValue());
    if (value && value.isSplat())
      return Linear{0, 0, value.getSplatValue<APInt>().getSExtValue()};
    return std::nullopt;
  }
  if (auto size = dyn_cast<SizeOp>(op)) {
    if (FailureOr<Dim> dim = Dim::parse(size.getDim()); succeeded(dim))
      return Linear{0, 0, *dim};
    return std::nullopt;
  }
  if (isa<AddOp, SubOp>(op)) {
    auto x = linearize(op->getOperand(0), i, j);
    auto y = linearize(op->getOperand(1), i, j);
    if (!x || !y)
      return std::nullopt;
    int64_t s = isa<AddOp>(op) ? 1 : -1;
    return Linear{x->query + s * y->query, x->key + s * y->key,
                  x->constant + Dim(s) * y->constant};
  }
  return std::nullopt;
}

/// Whether a value of the region is the same in all rows of an item.
bool isShared(Value v, Block &mask, size_t sharedArguments,
              DenseSet<Value> &known) {
  if (auto argument = dyn_cast<BlockArgument>(v))
    return argument.getOwner() != &mask ||
           argument.getArgNumber() < sharedArguments;
  Operation *op = v.getDefiningOp();
  if (op->getBlock() != &mask || known.contains(v))
    return true;
  bool all = op->getNumRegions() == 0 &&
             llvm::all_of(op->getOperands(), [&](Value operand) {
               return isShared(operand, mask, sharedArguments, known);
             });
  if (all)
    known.insert(v);
  return all;
}

ComparePredicate swapped(ComparePredicate predicate) {
  switch (predicate) {
  case ComparePredicate::le:
    return ComparePredicate::ge;
  case ComparePredicate::lt:
    return ComparePredicate::gt;
  case ComparePredicate::ge:
    return ComparePredicate::le;
  case ComparePredicate::gt:
    return ComparePredicate::lt;
  case ComparePredicate::eq:
  case ComparePredicate::ne:
    return predicate;
  }
  llvm_unreachable("every predicate is listed");
}

/// j + constant against a value.
bool collectKeyBound(ComparePredicate predicate, const Dim &constant,
                     Value value, MaskBounds &bounds) {
  Dim before = constant - Dim(1);
  switch (predicate) {
  case ComparePredicate::le:
    bounds.ends.push_back({value, before});
    return true;
  case ComparePredicate::lt:
    bounds.ends.push_back({value, constant});
    return true;
  case ComparePredicate::ge:
    bounds.begins.push_back({value, constant});
    return true;
  case ComparePredicate::gt:
    bounds.begins.push_back({value, before});
    return true;
  case ComparePredicate::eq:
    bounds.ends.push_back({value, before});
    bounds.begins.push_back({value, constant});
    return true;
  case ComparePredicate::ne:
    return false;
  }
  llvm_unreachable("every predicate is listed");
}

/// Whether the bounds say all that the condition does.
bool collect(Value condition, Block &mask, size_t sharedArguments,
             MaskBounds &bounds) {
  Operation *op = condition.getDefiningOp();
  if (!op)
    return false;
  if (isa<AndOp>(op)) {
    bool left = collect(op->getOperand(0), mask, sharedArguments, bounds);
    bool right = collect(op->getOperand(1), mask, sharedArguments, bounds);
    return left && right;
  }
  auto compare = dyn_cast<CompareOp>(op);
  if (!compare)
    return false;
  unsigned count = mask.getNumArguments();
  Value i = mask.getArgument(count - 2), j = mask.getArgument(count - 1);
  auto x = linearize(compare.getLhs(), i, j);
  auto y = linearize(compare.getRhs(), i, j);
  auto isKey = [](const std::optional<Linear> &v) {
    return v && v->query == 0 && v->key == 1;
  };
  auto shared = [&](Value v) {
    DenseSet<Value> known;
    return isShared(v, mask, sharedArguments, known);
  };
  if (isKey(x) && shared(compare.getRhs()))
    return collectKeyBound(compare.getPredicate(), x->constant,
                           compare.getRhs(), bounds);
  if (isKey(y) && shared(compare.getLhs()))
    return collectKeyBound(swapped(compare.getPredicate()), y->constant,
                           compare.getLhs(), bounds);
  if (!x || !y)
    return false;
  // As: query * i + key * j + constant >= 0.
  auto atLeastZero = [&](const Linear &large, const Linear &small,
                         bool strict) {
    int64_t query = large.query - small.query, key = large.key - small.key;
    Dim constant = large.constant - small.constant - Dim(strict ? 1 : 0);
    if (query == 1 && key == -1)
      bounds.ahead.push_back(constant); // j <= i + constant
    else if (query == -1 && key == 1)
      bounds.behind.push_back(constant); // j >= i - constant
    else
      return false;
    return true;
  };
  switch (compare.getPredicate()) {
  case ComparePredicate::le:
    return atLeastZero(*y, *x, false);
  case ComparePredicate::lt:
    return atLeastZero(*y, *x, true);
  case ComparePredicate::ge:
    return atLeastZero(*x, *y, false);
  case ComparePredicate::gt:
    return atLeastZero(*x, *y, true);
  case ComparePredicate::eq:
    return atLeastZero(*x, *y, false) && atLeastZero(*y, *x, false);
  case ComparePredicate::ne:
    return false;
  }
  llvm_unreachable("every predicate is listed");
}

} // namespace

MaskBounds analyzeMask(Region &mask, size_t sharedArguments) {
  MaskBounds bounds;
  Block &block = mask.front();
  bounds.exact = collect(block.getTerminator()->getOperand(0), block,
                         sharedArguments, bounds);
  return bounds;
}

} // namespace mapsto
