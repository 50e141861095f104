//===- Hoisting.cpp - Work that leaves a loop body or a score -------------===//

#include "compiler/graph/Hoisting.h"
#include "compiler/graph/Grouping.h"

using namespace mlir;

namespace mapsto {

using OpSet = llvm::SetVector<Operation *>;

/// The ancestor of `op` that is in `block`, if any.
static Operation *ancestorIn(Block &block, Operation *op) {
  return block.findAncestorOpInBlock(*op);
}

Dependence::Dependence(Block &block, ArrayRef<unsigned> argumentClasses) {
  for (auto [argument, ofClass] :
       llvm::zip_equal(block.getArguments(), argumentClasses))
    classes[argument] = ofClass;
  for (Operation &op : block) {
    unsigned all = of(&op);
    for (Value result : op.getResults())
      classes[result] = all;
  }
}

unsigned Dependence::of(Operation *op) const {
  unsigned all = 0;
  op->walk([&](Operation *inner) {
    for (Value operand : inner->getOperands())
      all |= of(operand);
  });
  return all;
}

/// Adds to `set` what its ops need and `accept` accepts, of the same block.
static void addNeeded(OpSet &set, Block &block,
                      function_ref<bool(Operation *)> accept) {
  for (size_t i = 0; i < set.size(); ++i)
    set[i]->walk([&](Operation *inner) {
      for (Value operand : inner->getOperands()) {
        Operation *producer = operand.getDefiningOp();
        if (producer && producer->getBlock() == &block && accept(producer))
          set.insert(producer);
      }
    });
}

/// The ops of a set in the order in which the block has them.
static SmallVector<Operation *> inOrder(const OpSet &set) {
  SmallVector<Operation *> ops(set.begin(), set.end());
  llvm::sort(ops,
             [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
  return ops;
}

static void moveOut(Block &block, OpSet set) {
  for (Operation *op : inOrder(set))
    op->moveBefore(block.getParentOp());
}

void hoistInvariants(Block &block, const Dependence &dependence,
                     function_ref<bool(Operation *)> isWorth) {
  OpSet set;
  for (Operation &op : block.without_terminator())
    if (dependence.of(&op) == 0 && isWorth(&op))
      set.insert(&op);
  addNeeded(set, block, [](Operation *) { return true; });
  moveOut(block, set);
}

/// The values that the rest of the block reads of those computed outside:
/// results of `set`, and arguments of the class.
static SmallVector<Value> frontier(Block &block, const OpSet &set,
                                   const Batching &batching) {
  SmallVector<Value> values;
  auto isRead = [&](Value value) {
    return llvm::any_of(value.getUsers(), [&](Operation *user) {
      return !set.contains(ancestorIn(block, user));
    });
  };
  for (BlockArgument argument : block.getArguments())
    if (batching.contains(argument) && isRead(argument))
      values.push_back(argument);
  for (Operation *op : inOrder(set))
    for (Value result : op->getResults())
      if (isRead(result))
        values.push_back(result);
  return values;
}

SmallVector<Value> hoistBatch(Block &block, const Dependence &dependence,
                              unsigned ofClass, Batching &batching,
                              function_ref<bool(Operation *)> isRoot) {
  auto varies = [&](Value value) { return dependence.of(value) == ofClass; };
  auto isCandidate = [&](Operation *op) {
    return dependence.of(op) == ofClass && batching.canApply(op, varies);
  };

  OpSet set;
  for (Operation &op : block.without_terminator()) {
    if (dependence.of(&op) != ofClass || !isRoot(&op))
      continue;
    OpSet chain;
    chain.insert(&op);
    addNeeded(chain, block, [&](Operation *producer) {
      return dependence.of(producer) == ofClass;
    });
    if (llvm::all_of(chain, isCandidate))
      set.insert(chain.begin(), chain.end());
  }
  if (set.empty())
    return {};

  auto isOutside = [&](Value value) {
    return !varies(value) || batching.contains(value) ||
           set.contains(value.getDefiningOp());
  };
  size_t read = frontier(block, set, batching).size();
  for (Operation &op : block.without_terminator()) {
    if (set.contains(&op) || isa<BroadcastOp>(op) || !isCandidate(&op) ||
        !llvm::all_of(op.getOperands(), isOutside) ||
        llvm::none_of(op.getOperands(), [&](Value operand) {
          return set.contains(operand.getDefiningOp());
        }))
      continue;
    set.insert(&op);
    size_t now = frontier(block, set, batching).size();
    if (now <= read)
      read = now;
    else
      set.remove(&op);
  }

  OpSet invariants = set;
  addNeeded(invariants, block,
            [&](Operation *producer) { return dependence.of(producer) == 0; });
  invariants.set_subtract(set);
  moveOut(block, invariants);

  OpBuilder builder(block.getParentOp());
  for (Operation *op : inOrder(set))
    batching.apply(builder, op);
  SmallVector<Value> values = frontier(block, set, batching);
  llvm::erase_if(values, [](Value v) { return isa<BlockArgument>(v); });
  return values;
}

/// Whether the op is a value that needs no storage where it is used.
static bool isSinkable(Operation *op) {
  if (isa<SizeOp, IotaOp, BroadcastOp>(op) || isSplat(op))
    return true;
  if (auto reshape = dyn_cast<ReshapeOp>(op))
    if (Operation *source = reshape.getX().getDefiningOp())
      return isSinkable(source);
  return false;
}

void sinkFreeOps(Block &block) {
  OpBuilder builder = OpBuilder::atBlockBegin(&block);
  IRMapping copies;
  // From around the block, sinkable: its copy at the block's start.
  std::function<Value(Value)> sink = [&](Value value) -> Value {
    if (Value copy = copies.lookupOrNull(value))
      return copy;
    Operation *op = value.getDefiningOp();
    if (!op || ancestorIn(block, op) || !isSinkable(op))
      return value;
    for (Value operand : op->getOperands())
      if (Value inside = sink(operand); inside != operand)
        copies.map(operand, inside);
    builder.clone(*op, copies);
    return copies.lookup(value);
  };
  SmallVector<Operation *> ops;
  block.walk([&](Operation *op) { ops.push_back(op); });
  for (Operation *op : ops)
    for (OpOperand &operand : op->getOpOperands())
      operand.set(sink(operand.get()));
}

void eraseUnused(Block &block) {
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block)))
    if (isOpTriviallyDead(&op))
      op.erase();
}

/// Rows [from, from + count) of the inner axis of a matrix. Of a parameter
/// whose rows these are, they are a parameter too.
static Value innerPart(GraphBuilder &b, Value matrix, bool transposed, Dim from,
                       Dim count) {
  auto weight = matrix.getDefiningOp<WeightOp>();
  if (!weight || transposed || !from.constant() || !count.constant() ||
      weight.getPanel())
    return b.slice(matrix, transposed ? 1 : 0, from, count);
  OpBuilder::InsertionGuard guard(b.builder);
  b.builder.setInsertionPointAfter(weight);
  Dims dims = dimsOf(matrix);
  dims[0] = count;
  return b.create<WeightOp>(tensorOf(dims, elementTypeOf(matrix)), weight,
                            *from.constant());
}

void splitConcatMatmuls(Block &block, ArrayRef<unsigned> classes,
                        function_ref<bool(MatmulOp)> isWorth) {
  Dependence dependence(block, classes);
  SmallVector<std::pair<MatmulOp, Value>> splits;
  for (auto matmul : block.getOps<MatmulOp>()) {
    // A row handed over as a matrix of one row is looked through.
    Value lhs = matmul.getLhs();
    if (auto reshape = lhs.getDefiningOp<ReshapeOp>())
      if (Dims to = dimsOf(lhs), from = dimsOf(reshape.getX());
          from.size() == 1 && to.size() == 2 && to[0] == Dim(1))
        lhs = reshape.getX();
    auto concat = lhs.getDefiningOp<ConcatOp>();
    if (!concat || !isWorth(matmul) || dependence.of(matmul.getRhs()) != 0 ||
        dimsOf(matmul.getRhs()).size() != 2 ||
        concat.getAxis() + 1 != dimsOf(lhs).size())
      continue;
    unsigned first = dependence.of(concat.getParts().front());
    if (llvm::any_of(concat.getParts(),
                     [&](Value part) { return dependence.of(part) != first; }))
      splits.push_back({matmul, lhs});
  }
  for (auto [matmul, lhs] : splits) {
    OpBuilder builder(matmul);
    GraphBuilder b(builder, matmul.getLoc());
    Value sum;
    Dim from(0);
    for (Value part : lhs.getDefiningOp<ConcatOp>().getParts()) {
      Dim count = dimsOf(part).back();
      Value rows = part;
      if (lhs != matmul.getLhs())
        rows = b.reshape(part, {Dim(1), count});
      Value matrix =
          innerPart(b, matmul.getRhs(), matmul.getTransposed(), from, count);
      Value product = b.matmul(rows, matrix, matmul.getTransposed());
      sum = sum ? b.add(sum, product) : product;
      from += count;
    }
    matmul.getResult().replaceAllUsesWith(sum);
    matmul.erase();
  }
}

} // namespace mapsto
