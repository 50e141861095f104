//===- HoistFromAttention.cpp - Out of a score what one side decides ------===//
//
// A score is written for one query and one key. What it computes of the key
// alone, or of the query alone, is done once per key or query: as one matmul
// over all of them, given to the op as another feature of the key or query.
// For additive attention (Bahdanau et al., arXiv:1409.0473) both projections
// leave the score:
//
//   mapsto.attention queries(%q : [B, L, Dq]) keys(%k : [B, S, Dk]) ... score {
//     ^bb0(%q_i: [Dq], %k_j: [Dk]):
//       %a = mapsto.matmul (reshape %q_i), %w2 {transposed}
//       %b = mapsto.matmul (reshape %k_j), %w1 {transposed}
//       %t = mapsto.tanh (mapsto.add %a, %b)
//       mapsto.yield (reshape (mapsto.matmul %t, %v {transposed}))
//   }
// becomes
//   %qs = mapsto.matmul %q, %w2 {transposed}
//   %ks = mapsto.matmul %k, %w1 {transposed}
//   mapsto.attention queries(%qs : [B, L, U]) keys(%ks : [B, S, U]) ... score {
//     ^bb0(%a: [U], %b: [U]):
//       %t = mapsto.tanh (mapsto.add %a, %b)
//       mapsto.yield (mapsto.reduce sum (mapsto.mul %t, %v) {axes = [0]})
//   }
//
// A projection to one number per key stays: it is a dot product like any other
// score. The matmuls that are left are written as products and sums, so that a
// score is pointwise ops and reductions. One that is a dot product becomes the
// op's own: factors its scale, and what is done to the product its `modify`.
//
//===----------------------------------------------------------------------===//

#include "compiler/Passes.h"
#include "compiler/graph/Hoisting.h"

namespace mapsto {

#define GEN_PASS_DEF_HOISTFROMATTENTION
#include "compiler/Passes.h.inc"

using namespace mlir;

namespace {

enum : unsigned { kQuery = 1, kKey = 2 };

SmallVector<unsigned> classesOf(AttentionOp op) {
  SmallVector<unsigned> classes(op.getQueries().size(), kQuery);
  classes.append(op.getKeys().size(), kKey);
  return classes;
}

bool isOneElement(Value value) { return numElements(dimsOf(value)) == Dim(1); }

Value throughReshapes(Value value) {
  while (auto reshape = value.getDefiningOp<ReshapeOp>())
    value = reshape.getX();
  return value;
}

//===----------------------------------------------------------------------===//
// Features of one side
//===----------------------------------------------------------------------===//

/// Hoists what depends on the queries alone (or the keys alone).
void hoistSide(AttentionOp op, unsigned side) {
  Block &score = op.getScore().front();
  Dependence dependence(score, classesOf(op));
  MutableOperandRange operands =
      side == kQuery ? op.getQueriesMutable() : op.getKeysMutable();
  unsigned first = side == kQuery ? 0 : op.getQueries().size();

  Dims outer = dimsOf(operands[0].get()); // [batch..., L]
  outer.pop_back();
  Batching batching(outer, 0);
  for (unsigned i = 0; i < operands.size(); ++i)
    batching.set(score.getArgument(first + i), operands[i].get());
  SmallVector<Value> features =
      hoistBatch(score, dependence, side, batching, [](Operation *root) {
        return isa<MatmulOp>(root) && !isOneElement(root->getResult(0));
      });

  for (Value feature : features) {
    // A feature is one row per query or key.
    OpBuilder outside(op);
    Dim size = numElements(dimsOf(feature));
    Dims rows = outer;
    rows.push_back(size);
    GraphBuilder b(outside, feature.getLoc());
    Value all = b.reshape(batching.get(feature), rows);
    BlockArgument row = score.insertArgument(
        first + operands.size(), tensorOf({size}, elementTypeOf(feature)),
        feature.getLoc());
    operands.append(all);
    OpBuilder inside = OpBuilder::atBlockBegin(&score);
    Value shaped =
        GraphBuilder(inside, feature.getLoc()).reshape(row, dimsOf(feature));
    feature.replaceAllUsesWith(shaped);
  }
  eraseUnused(score);
}

/// Drops features that the score does not read; one of each side remains.
void dropUnused(AttentionOp op) {
  Block &score = op.getScore().front();
  auto drop = [&](MutableOperandRange operands, unsigned first) {
    for (unsigned i = operands.size(); i-- > 0 && operands.size() > 1;) {
      if (!score.getArgument(first + i).use_empty())
        continue;
      score.eraseArgument(first + i);
      operands.erase(i);
    }
  };
  drop(op.getKeysMutable(), op.getQueries().size());
  drop(op.getQueriesMutable(), 0);
}

//===----------------------------------------------------------------------===//
// What is left: pointwise ops and reductions
//===----------------------------------------------------------------------===//

/// A product of rows as a sum of products: [M, K] by [N, K] is the sum over K
/// of [M, 1, K] * [N, K].
void writeAsReduction(MatmulOp op) {
  Dims lhs = dimsOf(op.getLhs()), rhs = dimsOf(op.getRhs());
  if (lhs.size() != 2 || rhs.size() != 2)
    return;
  OpBuilder builder(op);
  GraphBuilder b(builder, op.getLoc());
  bool transposed = op.getTransposed();
  Dim rows = lhs[0], inner = lhs[1], columns = rhs[transposed ? 0 : 1];
  Value sum;
  if (rows == Dim(1) && columns == Dim(1)) {
    auto row = [&](Value x) { return b.reshape(throughReshapes(x), {inner}); };
    sum = b.reduce(ReduceKind::sum, b.mul(row(op.getLhs()), row(op.getRhs())),
                   {0});
  } else if (transposed) {
    Dims all{rows, columns, inner};
    sum = b.reduce(
        ReduceKind::sum,
        b.mul(b.broadcast(b.reshape(op.getLhs(), {rows, Dim(1), inner}), all),
              b.broadcast(op.getRhs(), all)),
        {2});
  } else {
    Dims all{rows, inner, columns};
    sum = b.reduce(
        ReduceKind::sum,
        b.mul(b.broadcast(b.reshape(op.getLhs(), {rows, inner, Dim(1)}), all),
              b.broadcast(op.getRhs(), all)),
        {1});
  }
  op.getResult().replaceAllUsesWith(b.reshape(sum, dimsOf(op.getResult())));
  op.erase();
}

/// Pointwise ops on one element of any rank are done on scalars.
void writeAsScalar(Operation *op) {
  Value result = op->getResult(0);
  if (!isPointwise(op) || dimsOf(result).empty() || !isOneElement(result))
    return;
  OpBuilder builder(op);
  GraphBuilder b(builder, op->getLoc());
  IRMapping scalars;
  for (Value operand : op->getOperands()) {
    Value x = operand;
    while (Operation *producer = x.getDefiningOp()) {
      if (!isa<ReshapeOp, BroadcastOp>(producer) ||
          !isOneElement(producer->getOperand(0)))
        break;
      x = producer->getOperand(0);
    }
    scalars.map(operand, b.reshape(x, {}));
  }
  Value scalar = builder.clone(*op, scalars)->getResult(0);
  scalar.setType(tensorOf({}, elementTypeOf(result)));
  result.replaceAllUsesWith(b.reshape(scalar, dimsOf(result)));
  op->erase();
}

/// reshape(reshape(x)) is one reshape, or x.
void foldReshapes(Block &block) {
  for (auto reshape : llvm::make_early_inc_range(block.getOps<ReshapeOp>())) {
    OpBuilder builder(reshape);
    Value source = throughReshapes(reshape.getX());
    Value folded = GraphBuilder(builder, reshape.getLoc())
                       .reshape(source, dimsOf(reshape.getResult()));
    reshape.getResult().replaceAllUsesWith(folded);
    reshape.erase();
  }
}

void simplifyScore(Block &score) {
  for (auto matmul : llvm::make_early_inc_range(score.getOps<MatmulOp>()))
    writeAsReduction(matmul);
  for (Operation &op : llvm::make_early_inc_range(score.without_terminator()))
    if (op.getNumResults() == 1)
      writeAsScalar(&op);
  foldReshapes(score);
  eraseUnused(score);
}

//===----------------------------------------------------------------------===//
// Scores that are a dot product
//===----------------------------------------------------------------------===//

/// A score that is a dot product of rows, and then something else.
struct DotScore {
  BlockArgument query, key;
  Value product; // of the two, times `scale`
  double scale = 1;
  SmallVector<Operation *> after; // from the product to the score, in order
};

/// The ops of the block between `from` and `to` that `to` needs; nothing if it
/// needs an argument of the block other than through `from`.
std::optional<SmallVector<Operation *>> opsBetween(Block &block, Value from,
                                                   Value to) {
  SmallVector<Operation *> ops;
  DenseSet<Value> seen{from};
  SmallVector<Value> pending{to};
  while (!pending.empty()) {
    Value value = pending.pop_back_val();
    if (!seen.insert(value).second)
      continue;
    if (auto argument = dyn_cast<BlockArgument>(value)) {
      if (argument.getOwner() == &block)
        return std::nullopt;
      continue;
    }
    Operation *op = value.getDefiningOp();
    if (op->getBlock() != &block)
      continue;
    ops.push_back(op);
    llvm::append_range(pending, op->getOperands());
  }
  llvm::sort(ops,
             [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
  ops.erase(llvm::unique(ops), ops.end());
  return ops;
}

std::optional<double> constantOf(Value value) {
  while (Operation *op = value.getDefiningOp()) {
    if (auto constant = dyn_cast<ConstantOp>(op)) {
      auto elements = dyn_cast<DenseFPElementsAttr>(constant.getValue());
      if (!elements || !elements.isSplat())
        return std::nullopt;
      APFloat x = elements.getSplatValue<APFloat>();
      bool inexact;
      x.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &inexact);
      return x.convertToDouble();
    }
    if (!isa<ReshapeOp, BroadcastOp>(op))
      break;
    value = op->getOperand(0);
  }
  return std::nullopt;
}

/// Takes factors that are next after the product into the scale.
void takeFactors(DotScore &dot) {
  while (!dot.after.empty() && dot.product.hasOneUse()) {
    Operation *next = *dot.product.getUsers().begin();
    std::optional<double> factor;
    if (auto mul = dyn_cast<MulOp>(next)) {
      factor =
          constantOf(mul.getLhs() == dot.product ? mul.getRhs() : mul.getLhs());
    } else if (auto div = dyn_cast<DivOp>(next)) {
      if (div.getLhs() == dot.product)
        if (factor = constantOf(div.getRhs()); factor)
          factor = 1 / *factor;
    }
    if (!factor)
      return;
    dot.scale *= *factor;
    dot.product = next->getResult(0);
    llvm::erase(dot.after, next);
  }
}

std::optional<DotScore> matchDot(AttentionOp op) {
  Block &score = op.getScore().front();
  Value result = cast<YieldOp>(score.getTerminator()).getValues()[0];
  for (auto reduce : score.getOps<ReduceOp>()) {
    auto mul = reduce.getX().getDefiningOp<MulOp>();
    if (reduce.getKind() != ReduceKind::sum || !mul ||
        !dimsOf(reduce.getResult()).empty() ||
        elementTypeOf(reduce.getResult()) != elementTypeOf(result))
      continue;
    auto a = dyn_cast<BlockArgument>(throughReshapes(mul.getLhs()));
    auto b = dyn_cast<BlockArgument>(throughReshapes(mul.getRhs()));
    if (!a || !b || a.getOwner() != &score || b.getOwner() != &score)
      continue;
    if (a.getArgNumber() > b.getArgNumber())
      std::swap(a, b);
    if (a.getArgNumber() >= op.getQueries().size() ||
        b.getArgNumber() < op.getQueries().size())
      continue;
    auto after = opsBetween(score, reduce.getResult(), result);
    if (!after)
      continue;
    DotScore dot{a, b, reduce.getResult(), 1, *after};
    takeFactors(dot);
    // The rest works on the score alone, as `modify` does.
    if (llvm::all_of(dot.after, [](Operation *op) {
          return op->getNumRegions() == 0 && op->getNumResults() == 1 &&
                 dimsOf(op->getResult(0)).empty();
        }))
      return dot;
  }
  return std::nullopt;
}

/// The block of `modify`, made if there is none.
Block &modifyBlock(AttentionOp op, Type score) {
  Region &modify = op.getModify();
  if (!modify.empty())
    return modify.front();
  Block &block = modify.emplaceBlock();
  block.addArgument(score, op.getLoc());
  // One index per batch axis, the query's and the key's.
  Type index = RankedTensorType::get({}, IntegerType::get(op.getContext(), 64));
  for (size_t i = 0, n = dimsOf(op.getQueries()[0]).size(); i < n; ++i)
    block.addArgument(index, op.getLoc());
  OpBuilder builder = OpBuilder::atBlockEnd(&block);
  YieldOp::create(builder, op.getLoc(), ValueRange{block.getArgument(0)});
  return block;
}

void useOwnDot(AttentionOp op, DotScore dot) {
  Value query = op.getQueries()[dot.query.getArgNumber()];
  Value key = op.getKeys()[dot.key.getArgNumber() - op.getQueries().size()];
  Region &score = op.getScore();
  if (!dot.after.empty()) {
    Block &modify = modifyBlock(op, dot.product.getType());
    BlockArgument raw = modify.getArgument(0);
    OpBuilder builder = OpBuilder::atBlockBegin(&modify);
    IRMapping mapping;
    mapping.map(dot.product, raw);
    SmallPtrSet<Operation *, 8> added;
    for (Operation *after : dot.after)
      added.insert(builder.clone(*after, mapping));
    Value result = cast<YieldOp>(score.front().getTerminator()).getValues()[0];
    raw.replaceUsesWithIf(mapping.lookup(result), [&](OpOperand &use) {
      return !added.contains(use.getOwner());
    });
  }
  op.setScale(APFloat(dot.scale));
  score.dropAllReferences();
  score.getBlocks().clear();
  op.getKeysMutable().assign(key);
  op.getQueriesMutable().assign(query);
}

//===----------------------------------------------------------------------===//

void hoistFrom(AttentionOp op) {
  if (op.getScore().empty())
    return;
  Block &score = op.getScore().front();
  splitConcatMatmuls(score, classesOf(op), [](MatmulOp) { return true; });
  hoistInvariants(score, Dependence(score, classesOf(op)), [](Operation *op) {
    return !isFree(op) && !(isPointwise(op) && isOneElement(op->getResult(0)));
  });
  hoistSide(op, kQuery);
  hoistSide(op, kKey);
  simplifyScore(score);
  dropUnused(op);
  if (std::optional<DotScore> dot = matchDot(op))
    useOwnDot(op, *dot);
  else
    sinkFreeOps(score);
}

struct HoistFromAttention
    : public impl::HoistFromAttentionBase<HoistFromAttention> {
  void runOnOperation() override {
    getOperation().walk([](AttentionOp op) { hoistFrom(op); });
  }
};

} // namespace
} // namespace mapsto
