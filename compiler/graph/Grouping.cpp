//===- Grouping.cpp - Which ops become one kernel -------------------------===//

#include "compiler/graph/Grouping.h"

using namespace mlir;

namespace mapsto {

bool isSplat(Operation *op) {
  auto constant = dyn_cast<ConstantOp>(op);
  if (!constant)
    return false;
  auto value = dyn_cast<DenseElementsAttr>(constant.getValue());
  return value && value.isSplat();
}

Dims withoutOnes(ArrayRef<Dim> dims) {
  Dims rest;
  llvm::copy_if(dims, std::back_inserter(rest),
                [](const Dim &d) { return d != Dim(1); });
  return rest;
}

bool isTranscendental(Operation *op) {
  return isa<ExpOp, Expm1Op, LogOp, Log1pOp, TanhOp, SigmoidOp, ErfOp, SinOp,
             CosOp, TanOp, AtanOp, PowOp>(op);
}

SmallVector<int64_t> reducedAxes(Operation *op) {
  if (auto arg = dyn_cast<ArgReduceOp>(op))
    return {static_cast<int64_t>(arg.getAxis())};
  SmallVector<int64_t> axes(cast<ReduceOp>(op).getAxes());
  llvm::sort(axes);
  return axes;
}

SmallVector<int64_t> reducedAmongLong(Operation *op) {
  SmallVector<int64_t> axes = reducedAxes(op), among;
  int64_t count = 0;
  for (auto [axis, dim] : llvm::enumerate(dimsOf(op->getOperand(0)))) {
    if (dim == Dim(1))
      continue;
    if (llvm::is_contained(axes, static_cast<int64_t>(axis)))
      among.push_back(count);
    ++count;
  }
  return among;
}

static bool isReduction(Operation *op) {
  return isa<ReduceOp, ArgReduceOp>(op);
}

bool reducesRows(Operation *op) {
  if (!isReduction(op))
    return false;
  Dims dims = dimsOf(op->getOperand(0));
  SmallVector<int64_t> axes = reducedAxes(op);
  return !axes.empty() &&
         axes.back() + 1 == static_cast<int64_t>(dims.size()) &&
         dims.back() != Dim(1);
}

bool reducesColumns(Operation *op) {
  if (!isReduction(op))
    return false;
  SmallVector<int64_t> axes = reducedAmongLong(op);
  int64_t rank = withoutOnes(dimsOf(op->getOperand(0))).size();
  return !axes.empty() && axes.back() + 1 != rank;
}

namespace {

bool isOutsideGroups(Operation *op) {
  return isa<WeightOp, RepeatOp, LaunchOp>(op) ||
         (isa<ConstantOp>(op) && !isSplat(op));
}

/// Moves or repeats elements without computing.
bool isView(Operation *op) {
  return isa<BroadcastOp, ReshapeOp, TransposeOp, SliceOp, IotaOp, SizeOp>(
             op) ||
         isSplat(op);
}

bool isPointwise(Operation *op) { return op->hasTrait<OpTrait::Elementwise>(); }

/// Element rules that read their operand at another place or several.
bool isMovement(Operation *op) {
  return isa<FlipOp, ConcatOp, PadOp, TakeOp, TakeAlongOp>(op);
}

bool isConvolution(Operation *op) {
  return isa<Conv1dOp, ConvTranspose1dOp>(op);
}

/// Worth computing once only.
bool isExpensive(Operation *op) {
  return isTranscendental(op) ||
         isa<SqrtOp, RsqrtOp, ConcatOp, PadOp, TakeAlongOp>(op);
}

Dim elements(Value v) { return numElements(dimsOf(v)); }

bool isScalar(Operation *op) {
  return op->getNumResults() == 1 && elements(op->getResult(0)) == Dim(1);
}

KernelKind kindOf(Operation *op) {
  return TypeSwitch<Operation *, KernelKind>(op)
      .Case<MatmulOp, PackedMatmulOp>([](auto) { return KernelKind::matmul; })
      .Case([](AttentionOp) { return KernelKind::attention; })
      .Case([](ScanOp) { return KernelKind::scan; })
      .Case<Conv1dOp, ConvTranspose1dOp>([](auto) { return KernelKind::conv; })
      .Case([](CumulativeOp) { return KernelKind::cumulative; })
      .Case([](TopKOp) { return KernelKind::topk; })
      .Case([](ScatterOp) { return KernelKind::scatter; })
      .Case([](UpdateOp) { return KernelKind::update; })
      .Default([](Operation *op) {
        return reducesRows(op) ? KernelKind::row : KernelKind::map;
      });
}

bool isAnchor(KernelKind kind) {
  return kind != KernelKind::map && kind != KernelKind::row &&
         kind != KernelKind::conv;
}

/// Does `user` depend on `op` within the group?
bool dependsOn(const Group &group, Operation *user, Operation *op) {
  llvm::SmallPtrSet<Operation *, 16> reached{op};
  for (Operation *next : group.ops) {
    if (next == op)
      continue;
    bool depends = false;
    next->walk([&](Operation *inner) {
      for (Value operand : inner->getOperands())
        if (Operation *definition = operand.getDefiningOp())
          depends |= reached.contains(definition);
    });
    if (depends)
      reached.insert(next);
    if (next == user)
      return depends;
  }
  return reached.contains(user);
}

class Former {
public:
  explicit Former(Block &block) : block(block) {}

  SmallVector<Group> run() {
    for (Operation &op : llvm::reverse(block))
      if (!op.hasTrait<OpTrait::IsTerminator>())
        place(&op);
    std::reverse(groups.begin(), groups.end());
    for (Group &group : groups)
      llvm::sort(group.ops, [](Operation *x, Operation *y) {
        return x->isBeforeInBlock(y);
      });
    return std::move(groups);
  }

private:
  Block &block;
  SmallVector<Group> groups; // last in the program first
  llvm::DenseMap<Operation *, SmallVector<size_t, 2>> groupsOf;
  llvm::SmallPtrSet<Operation *, 8> neededInMemory;

  void place(Operation *op) {
    if (isOutsideGroups(op)) {
      for (Value operand : op->getOperands())
        if (Operation *definition = operand.getDefiningOp())
          neededInMemory.insert(definition);
      return;
    }
    llvm::SmallSetVector<size_t, 4> users;
    bool inMemory = neededInMemory.contains(op);
    for (Operation *user : op->getUsers()) {
      Operation *here = block.findAncestorOpInBlock(*user);
      if (!here || here->hasTrait<OpTrait::IsTerminator>() ||
          isOutsideGroups(here))
        inMemory = true;
      else if (auto it = groupsOf.find(here); it != groupsOf.end())
        users.insert(it->second.begin(), it->second.end());
    }
    if (op->use_empty())
      return; // dead

    // A reshape of something in memory is the same memory.
    if (isa<ReshapeOp>(op) && inMemory) {
      if (Operation *definition = op->getOperand(0).getDefiningOp())
        neededInMemory.insert(definition);
      return;
    }
    bool repeatable =
        isView(op) || (isScalar(op) && isPointwise(op)) || (isa<CastOp>(op));
    bool one = users.size() == 1;
    if (!inMemory && !users.empty() && (one || repeatable) &&
        llvm::all_of(users, [&](size_t g) { return canJoin(op, groups[g]); })) {
      for (size_t g : users)
        join(op, g);
      return;
    }
    // Views read in several ways: repeat them where possible, and where not,
    // put them in memory.
    Group group;
    group.kind = kindOf(op);
    group.root = op;
    group.anchor = isAnchor(group.kind) ? op : nullptr;
    groups.push_back(group);
    join(op, groups.size() - 1);
  }

  void join(Operation *op, size_t g) {
    Group &group = groups[g];
    group.ops.insert(group.ops.begin(), op);
    groupsOf[op].push_back(g);
    KernelKind kind = kindOf(op);
    if (isAnchor(kind)) {
      group.kind = kind;
      group.anchor = op;
    } else if (kind != KernelKind::map && group.kind == KernelKind::map) {
      group.kind = kind;
    }
  }

  bool canJoin(Operation *op, const Group &group) {
    if (isView(op))
      return true;
    if (isPointwise(op) || isMovement(op))
      return producerCanJoin(op, group);
    if (isReduction(op))
      return reductionCanJoin(op, group);
    if (isConvolution(op))
      return group.kind == KernelKind::map &&
             dimsOf(op->getResult(0)) == dimsOf(group.root->getResult(0)) &&
             onlyPointwiseAfter(op, group);
    if (isa<MatmulOp, PackedMatmulOp>(op))
      return group.kind == KernelKind::map &&
             dimsOf(op->getResult(0)) == dimsOf(group.root->getResult(0)) &&
             onlyPointwiseAfter(op, group);
    return false;
  }

  bool producerCanJoin(Operation *op, const Group &group) {
    bool beforeAnchor = group.anchor && usedBefore(op, group, group.anchor);
    // What an anchor reads many times is not computed again each time.
    if (beforeAnchor)
      return isa<CastOp>(op) || isScalar(op);
    if (!isExpensive(op))
      return group.kind != KernelKind::conv || !usedByConvolution(op, group);
    Dim own = elements(op->getResult(0));
    Dims rows = dimsOf(group.root->getResult(0));
    if (own == Dim(1) || own == numElements(rows))
      return true;
    // Once per row, as the reductions are.
    if (!rows.empty())
      rows.pop_back();
    if (own == numElements(rows))
      return true;
    if (llvm::any_of(group.ops, [&](Operation *other) {
          return isReduction(other) && elements(other->getOperand(0)) == own;
        }))
      return true;
    return isOfSpread(op, group); // once per column
  }

  /// Is `op` read by the anchor or by something that leads to it?
  bool usedBefore(Operation *op, const Group &group, Operation *anchor) {
    for (Operation *user : op->getUsers()) {
      Operation *here = block.findAncestorOpInBlock(*user);
      if (!here || !group.contains(here))
        continue;
      if (here == anchor || dependsOn(group, anchor, here))
        return true;
    }
    return false;
  }

  bool usedByConvolution(Operation *op, const Group &group) {
    return llvm::any_of(group.ops, [&](Operation *other) {
      return isConvolution(other) && usedBefore(op, group, other);
    });
  }

  bool onlyPointwiseAfter(Operation *op, const Group &group) {
    for (Operation *user : op->getUsers()) {
      Operation *here = block.findAncestorOpInBlock(*user);
      if (!here || !group.contains(here))
        continue;
      for (Operation *other : group.ops)
        if ((other == here || dependsOn(group, other, here)) &&
            !isPointwise(other))
          return false;
    }
    return true;
  }

  /// Does it reduce columns of what has the result's rows?
  bool isSpread(Operation *op, const Group &group) {
    return reducesColumns(op) &&
           withoutOnes(dimsOf(op->getOperand(0))) ==
               withoutOnes(dimsOf(group.root->getResult(0)));
  }

  /// Passes over columns end in one over all rows (EmitColumns).
  bool spreadCanJoin(Operation *op, const Group &group) {
    if (!isSpread(op, group) || group.kind != KernelKind::map)
      return false;
    return llvm::none_of(group.ops, [&](Operation *other) {
      return isa<TransposeOp>(other) ||
             (isReduction(other) &&
              (!isSpread(other, group) ||
               reducedAmongLong(other) != reducedAmongLong(op)));
    });
  }

  /// Is it computed, a value for each column, from a reduction that will join?
  bool isOfSpread(Operation *op, const Group &group) {
    llvm::SetVector<Operation *> sources;
    sources.insert(op);
    for (size_t n = 0; n < sources.size(); ++n)
      for (Value operand : sources[n]->getOperands()) {
        Operation *source = operand.getDefiningOp();
        if (!source || elements(operand) != elements(op->getResult(0)))
          continue;
        if (isReduction(source) && spreadCanJoin(source, group))
          return true;
        if (isPointwise(source) || isView(source))
          sources.insert(source);
      }
    return false;
  }

  /// A reduction joins where it is computed once per row, per column, or per
  /// element of the result.
  bool reductionCanJoin(Operation *op, const Group &group) {
    if (group.kind != KernelKind::map && group.kind != KernelKind::row)
      return false;
    if (llvm::any_of(group.ops, isMovement))
      return false;
    Dims own = withoutOnes(dimsOf(op->getResult(0)));
    Dims root = dimsOf(group.root->getResult(0));
    Dims rows = root;
    if (!rows.empty())
      rows.pop_back();
    bool perElement = own == withoutOnes(root);
    bool perRow = own == withoutOnes(rows);
    if (!reducesRows(op))
      return group.kind == KernelKind::map &&
             (perElement ? llvm::none_of(group.ops,
                                         [&](Operation *other) {
                                           return isSpread(other, group);
                                         })
                         : spreadCanJoin(op, group));
    // All reductions of a group are of one kind.
    for (Operation *other : group.ops) {
      if (!reducesRows(other))
        continue;
      bool otherPerElement =
          withoutOnes(dimsOf(other->getResult(0))) == withoutOnes(root);
      if (otherPerElement != perElement)
        return false;
    }
    if (group.kind == KernelKind::map && llvm::any_of(group.ops, isReduction))
      return false;
    return perElement || perRow;
  }
};

} // namespace

SmallVector<Group> formGroups(Block &block) { return Former(block).run(); }

Group groupOfKernel(KernelOp kernel) {
  Group group;
  group.kind = kernel.getKind();
  Block &body = kernel.getBody().front();
  for (Operation &op : body.without_terminator())
    group.ops.push_back(&op);
  group.root = body.getTerminator()->getOperand(0).getDefiningOp();
  for (Operation *op : group.ops)
    if (isAnchor(kindOf(op)) && kindOf(op) == group.kind)
      group.anchor = op;
  return group;
}

} // namespace mapsto
