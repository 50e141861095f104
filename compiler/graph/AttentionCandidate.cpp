//===- AttentionCandidate.cpp - What may be attention: is it? -------------===//

#include "compiler/graph/AttentionCandidate.h"

using namespace mlir;

namespace mapsto {

static bool endsAlike(Value a, Value b) {
  return ArrayRef(dimsOf(a)).take_back(2) == ArrayRef(dimsOf(b)).take_back(2);
}

/// What is behind views and casts.
static Value behindViews(Value v) {
  while (isa_and_nonnull<BroadcastOp, ReshapeOp, CastOp>(v.getDefiningOp()))
    v = v.getDefiningOp()->getOperand(0);
  return v;
}

/// A condition that says of each query that all of a table is -inf: the table.
static Value tableOfNoKeys(Value condition) {
  auto compare = behindViews(condition).getDefiningOp<CompareOp>();
  if (!compare || compare.getPredicate() != ComparePredicate::eq ||
      uniformValue(compare.getRhs()) != -INFINITY)
    return nullptr;
  Value largest = compare.getLhs();
  auto reduce = behindViews(largest).getDefiningOp<ReduceOp>();
  if (!reduce || reduce.getKind() != ReduceKind::max)
    return nullptr;
  Dims rows = dimsOf(reduce.getX());
  if (reduce.getAxes() != ArrayRef<int64_t>(int64_t(rows.size()) - 1))
    return nullptr;
  rows.back() = 1;
  auto broadcast = largest.getDefiningOp<BroadcastOp>();
  return dimsOf(broadcast ? broadcast.getX() : largest) == rows ? reduce.getX()
                                                                : Value();
}

/// Of a select of the weights that are no number, or of those of queries with
/// no key left, to set them to 0: the weights.
static Value guardedWeights(SelectOp select) {
  if (uniformValue(select.getX()) != 0)
    return nullptr;
  auto isNan = select.getCondition().getDefiningOp<IsNanOp>();
  if (isNan ? isNan.getX() == select.getY()
            : bool(tableOfNoKeys(select.getCondition())))
    return select.getY();
  return nullptr;
}

SoftmaxOp softmaxOf(MatmulOp output) {
  Value v = output.getLhs();
  while (Operation *op = v.getDefiningOp()) {
    if (auto softmax = dyn_cast<SoftmaxOp>(op))
      return softmax;
    if (auto select = dyn_cast<SelectOp>(op))
      v = guardedWeights(select);
    else
      v = isa<CastOp, ReshapeOp>(op) ? op->getOperand(0) : Value();
    if (!v)
      return nullptr;
  }
  return nullptr;
}

//===----------------------------------------------------------------------===//
// Matching
//===----------------------------------------------------------------------===//

/// From the output's left side to the softmax.
std::optional<std::string> AttentionCandidate::followWeights() {
  Value v = output.getLhs();
  SmallVector<Value> seen;
  while (v.getDefiningOp() != softmax) {
    Operation *op = v.getDefiningOp();
    weightsPath.insert(op);
    seen.push_back(v);
    if (auto select = dyn_cast<SelectOp>(op)) {
      if (Value table = tableOfNoKeys(select.getCondition()))
        guards.push_back(table);
      else
        weightsPath.insert(select.getCondition().getDefiningOp());
      v = select.getY();
    } else {
      v = op->getOperand(0);
    }
    if (!endsAlike(v, output.getLhs()))
      return "its weights are reshaped before they meet the values";
  }
  seen.push_back(v);
  for (Value value : seen)
    for (Operation *user : value.getUsers())
      weightsWanted |= user != output && !weightsPath.contains(user);
  return std::nullopt;
}

/// Pointwise ops and reshapes from `v` up to products, users after producers.
void AttentionCandidate::collectPath(Value v, llvm::SetVector<Operation *> &ops,
                                     SmallVectorImpl<MatmulOp> &products) {
  Operation *op = v.getDefiningOp();
  if (!op || ops.contains(op))
    return;
  if (auto matmul = dyn_cast<MatmulOp>(op)) {
    if (!llvm::is_contained(products, matmul))
      products.push_back(matmul);
    return;
  }
  if (!isPointwise(op) && !isa<ReshapeOp>(op))
    return;
  for (Value operand : op->getOperands())
    collectPath(operand, ops, products);
  ops.insert(op);
}

std::optional<std::string> AttentionCandidate::findProduct() {
  llvm::SetVector<Operation *> ops;
  SmallVector<MatmulOp> products;
  collectPath(softmax.getX(), ops, products);
  if (products.empty())
    return "its scores are no product of queries and keys";
  llvm::erase_if(products, [&](MatmulOp matmul) {
    return !endsAlike(matmul, softmax.getX());
  });
  if (products.empty())
    return "its scores are reshaped between the product and the softmax";
  product = products.front();
  path.clear();
  llvm::SmallPtrSet<Operation *, 8> from{product};
  for (Operation *op : ops)
    if (llvm::any_of(op->getOperands(), [&](Value operand) {
          return operand.getDefiningOp() &&
                 from.contains(operand.getDefiningOp());
        })) {
      from.insert(op);
      path.insert(op);
    }
  // That all of a table is -inf says that no key is left if it was added. Of
  // a number that is not -inf it is never so.
  for (Value table : guards)
    if (uniformValue(table).value_or(-INFINITY) == -INFINITY &&
        llvm::none_of(path, [&](Operation *op) {
          return isa<AddOp>(op) &&
                 llvm::any_of(op->getOperands(), [&](Value operand) {
                   return behindViews(operand) == behindViews(table);
                 });
        }))
      return "its weights are changed before they meet the values";
  for (Operation *op : from) {
    if (!endsAlike(op->getResult(0), softmax.getX()))
      return "its scores are reshaped between the product and the softmax";
    for (Operation *user : op->getUsers())
      if (user != softmax && !path.contains(user))
        return "its scores are used elsewhere too";
  }
  return std::nullopt;
}

std::optional<std::string> AttentionCandidate::checkOperands() {
  auto isMatrix = [](MatmulOp matmul) {
    return dimsOf(matmul.getRhs()).size() < dimsOf(matmul.getLhs()).size();
  };
  auto isWeight = [](Value v) {
    while (isa_and_nonnull<ReshapeOp, TransposeOp, CastOp>(v.getDefiningOp()))
      v = v.getDefiningOp()->getOperand(0);
    return isa_and_nonnull<WeightOp, ConstantOp>(v.getDefiningOp());
  };
  for (auto [matmul, what] :
       {std::pair(product, "keys"), std::pair(output, "values")})
    if (isMatrix(matmul) || isWeight(matmul.getRhs()))
      return ("its " + Twine(what) +
              " are one matrix for the whole batch: products with that are "
              "faster apart")
          .str();
  if (!isa<FloatType>(elementTypeOf(softmax.getX())))
    return "its scores are no floats";

  // The batch in its finest form: [B * H] and [B, H] both occur.
  batch = leadOf(product);
  SmallVector<Value> all{softmax.getX(), output.getLhs()};
  for (Operation *op : path)
    all.push_back(op->getResult(0));
  auto longAxes = [](ArrayRef<Dim> dims) {
    return llvm::count_if(dims, [](const Dim &d) { return d != Dim(1); });
  };
  for (Value v : all)
    if (longAxes(leadOf(v)) > longAxes(batch))
      batch = leadOf(v);
  all.push_back(product);
  for (Value v : all)
    if (!canMovePlace(batch, leadOf(v)))
      return "its batch is reshaped between the products";
  return std::nullopt;
}

/// Takes factors that are next after the product.
void AttentionCandidate::takeScale() {
  base = product;
  while (base.hasOneUse()) {
    Operation *next = *base.getUsers().begin();
    if (!path.contains(next))
      return;
    auto number = [&](unsigned side) {
      return uniformValue(next->getOperand(side));
    };
    double factor = 1;
    if (isa<MulOp>(next)) {
      auto found = number(next->getOperand(0) == base ? 1 : 0);
      if (!found)
        return;
      factor = *found;
    } else if (isa<DivOp>(next)) {
      auto found = next->getOperand(0) == base ? number(1) : std::nullopt;
      if (!found || *found == 0)
        return;
      factor = 1 / *found;
    } else if (!isa<ReshapeOp>(next) &&
               !(isa<CastOp>(next) &&
                 elementTypeOf(next->getResult(0)).getIntOrFloatBitWidth() >=
                     elementTypeOf(base).getIntOrFloatBitWidth())) {
      return;
    }
    scale *= factor;
    base = next->getResult(0);
    path.remove(next);
  }
}

std::optional<std::string> AttentionCandidate::match() {
  if (int64_t(softmax.getAxis()) + 1 != int64_t(dimsOf(softmax.getX()).size()))
    return "its softmax is not over the last axis";
  for (auto step :
       {&AttentionCandidate::followWeights, &AttentionCandidate::findProduct,
        &AttentionCandidate::checkOperands})
    if (auto why = (this->*step)())
      return why;
  takeScale();
  return std::nullopt;
}

} // namespace mapsto
