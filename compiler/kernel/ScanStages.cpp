//===- ScanStages.cpp - Stages of a recurrence, row by row ----------------===//
//
//   %m = mapsto.packed_matmul %h, %w           : [B, 4*H]
//   %a = mapsto.add %x_t, %m                   : [B, 4*H]
//   %i = mapsto.sigmoid (slice %a from 0)      : [B, H]
//   %f = mapsto.sigmoid (slice %a from H)
//   ...
//
// is one stage with gates at columns 0, H, 2*H and 3*H.
//
//===----------------------------------------------------------------------===//

#include "compiler/kernel/ScanStages.h"

using namespace mlir;

namespace mapsto {

namespace {

/// Values of a scan's body that change from row to row.
class RowDependence {
public:
  RowDependence(Block &body, const Dim &rows) : rows(rows) {
    dependent.insert(body.args_begin(), body.args_end());
  }

  bool isMatrixOfRows(Value v) {
    Dims dims = dimsOf(v);
    return dims.size() == 2 && dims[0] == rows;
  }

  /// Does the op compute each row from the same row of its operands?
  bool keepsRowsApart(Operation *op) {
    bool depends = false;
    for (Value operand : op->getOperands())
      depends |= dependent.contains(operand);
    if (!depends)
      return op->getNumRegions() == 0 && !isa<MatmulOp>(op);
    dependent.insert(op->result_begin(), op->result_end());
    for (Value v : op->getResults())
      if (!isMatrixOfRows(v))
        return false;
    for (Value v : op->getOperands())
      if (dependent.contains(v) && !isMatrixOfRows(v))
        return false;
    if (op->hasTrait<OpTrait::Elementwise>() || isa<BroadcastOp>(op))
      return true;
    if (auto matmul = dyn_cast<PackedMatmulOp>(op))
      return !dependent.contains(matmul.getRhs());
    if (auto slice = dyn_cast<SliceOp>(op))
      return slice.getStarts().getDims()[0] == Dim(0) &&
             slice.getSteps()[0] == 1;
    if (auto reduce = dyn_cast<ReduceOp>(op))
      return reduce.getAxes() == ArrayRef<int64_t>{1};
    return false;
  }

private:
  Dim rows;
  llvm::DenseSet<Value> dependent;
};

/// Groups seen as one stage: what its gates are, if all they do with the
/// results of its matmuls is to combine equally wide parts of them element by
/// element.
class StageFormer {
public:
  StageFormer(ArrayRef<Group> groups, int64_t lanes)
      : groups(groups), lanes(lanes) {}

  std::optional<ScanStage> form() {
    stage.groups.assign(groups.begin(), groups.end());
    // The narrowest result is as wide as the units; wider ones are read in
    // parts.
    for (const Group &group : groups) {
      if (group.kind != KernelKind::map && group.kind != KernelKind::matmul)
        return std::nullopt;
      std::optional<int64_t> columns =
          dimsOf(group.root->getResult(0)).back().constant();
      if (!columns)
        return std::nullopt;
      width = width ? std::min(width, *columns) : *columns;
    }
    stage.units = Dim(width);
    for (const Group &group : groups)
      for (Operation *op : group.ops)
        if (!canTake(op))
          return std::nullopt;
    for (const Group &group : groups)
      if (!noteOutputs(group.root))
        return std::nullopt;
    for (PackedMatmulOp matmul : matmuls) {
      if (columnsOf(matmul.getResult()) == width)
        stage.gates.push_back({matmul, 0});
      else
        for (int64_t start : starts)
          if (start + width <= columnsOf(matmul.getResult()))
            stage.gates.push_back({matmul, start});
    }
    return std::move(stage);
  }

private:
  ArrayRef<Group> groups;
  int64_t lanes, width = 0;
  ScanStage stage;
  SmallVector<PackedMatmulOp> matmuls;
  llvm::SmallSetVector<int64_t, 4> starts; // of parts of wide results
  llvm::DenseSet<Value> products;          // what depends on the matmuls

  static int64_t columnsOf(Value v) {
    return dimsOf(v).back().constant().value_or(0);
  }
  bool isInside(Operation *op) const {
    return llvm::any_of(groups, [&](const Group &g) { return g.contains(op); });
  }

  /// Notes a part of a wide result that is read; only whole vectors of it can
  /// be.
  bool notePart(SliceOp slice) {
    std::optional<int64_t> start = slice.getStarts().getDims()[1].constant();
    if (!start || *start % lanes != 0 || width % lanes != 0 ||
        slice.getSteps()[1] != 1 || columnsOf(slice.getResult()) != width)
      return false;
    starts.insert(*start);
    return true;
  }

  bool canTake(Operation *op) {
    if (auto matmul = dyn_cast<PackedMatmulOp>(op)) {
      PackedMatmulOp first = matmuls.empty() ? matmul : matmuls.front();
      if (matmul.getLhs() != first.getLhs() ||
          products.contains(matmul.getLhs()) ||
          dimsOf(matmul.getRhs())[2] != dimsOf(first.getRhs())[2] ||
          elementTypeOf(matmul.getResult()) != elementTypeOf(first.getResult()))
        return false;
      matmuls.push_back(matmul);
      products.insert(matmul.getResult());
      return true;
    }
    bool depends = llvm::any_of(op->getOperands(),
                                [&](Value v) { return products.contains(v); });
    if (!depends)
      return true;
    if (auto slice = dyn_cast<SliceOp>(op)) {
      if (!notePart(slice))
        return false;
    } else if (!op->hasTrait<OpTrait::Elementwise>() ||
               !llvm::all_of(op->getOperands(), [&](Value v) {
                 return dimsOf(v) == dimsOf(op->getResult(0));
               })) {
      return false;
    }
    products.insert(op->getResult(0));
    return true;
  }

  /// Who reads a group's result decides what of it is written.
  bool noteOutputs(Operation *root) {
    Value v = root->getResult(0);
    bool isWide = columnsOf(v) != width;
    if (isWide && !products.contains(v))
      return false;
    for (Operation *user : v.getUsers()) {
      if (isInside(user))
        continue;
      int64_t column = 0;
      if (isWide) {
        auto slice = dyn_cast<SliceOp>(user);
        if (!slice || !notePart(slice))
          return false;
        column = *slice.getStarts().getDims()[1].constant();
      }
      if (llvm::none_of(stage.outputs, [&](const ScanStage::Output &o) {
            return o.value == v && o.column == column;
          }))
        stage.outputs.push_back({v, column});
    }
    return true;
  }
};

} // namespace

std::optional<Dim> independentRows(ScanOp op) {
  Block &body = op.getBody().front();
  auto yield = cast<YieldOp>(body.getTerminator());
  if (yield.getValues().empty())
    return std::nullopt;
  Dims dims = dimsOf(yield.getValues().front());
  if (dims.size() != 2)
    return std::nullopt;
  RowDependence dependence(body, dims[0]);
  auto isMatrixOfRows = [&](Value v) { return dependence.isMatrixOfRows(v); };
  if (!llvm::all_of(body.getArguments(), isMatrixOfRows) ||
      !llvm::all_of(yield.getValues(), isMatrixOfRows))
    return std::nullopt;
  for (Operation &inner : body.without_terminator())
    if (!dependence.keepsRowsApart(&inner))
      return std::nullopt;
  for (const Group &group : formGroups(body)) {
    Value root = group.root->getResult(0);
    bool isKnown = group.kind == KernelKind::map ||
                   group.kind == KernelKind::row ||
                   group.kind == KernelKind::matmul;
    if (!isKnown || !isMatrixOfRows(root))
      return std::nullopt;
  }
  return dims[0];
}

std::vector<ScanStage> formStages(ArrayRef<Group> groups, int64_t lanes) {
  std::vector<ScanStage> stages;
  for (size_t i = 0; i < groups.size();) {
    std::optional<ScanStage> stage;
    if (groups[i].kind == KernelKind::matmul)
      // As many of the groups that follow as can be.
      for (size_t n = groups.size() - i; n > 0 && !stage; --n)
        stage = StageFormer(groups.slice(i, n), lanes).form();
    if (!stage) {
      stage.emplace();
      stage->groups = {groups[i]};
    }
    i += stage->groups.size();
    stages.push_back(std::move(*stage));
  }
  return stages;
}

SmallVector<Value> ScanStage::results() const {
  if (gates.empty())
    return SmallVector<Value>(groups.front().root->getResults());
  llvm::SmallSetVector<Value, 4> values;
  for (const Output &output : outputs)
    values.insert(output.value);
  return values.takeVector();
}

Value whileRunning(KernelEmitter &e, ScanOp op, Value time, Value v,
                   Value otherwise, ArrayRef<Index> at) {
  if (!op.getLengths())
    return v;
  Value length =
      e.convert(e.element(op.getLengths(), at.take_front(1)), e.b.getI64Type());
  Value now = arith::IndexCastOp::create(e.b, e.b.getI64Type(), time);
  e.alike(now, length);
  Value running =
      arith::CmpIOp::create(e.b, arith::CmpIPredicate::slt, now, length);
  e.alike(v, otherwise);
  if (e.isVector(running))
    v = e.splat(v), otherwise = e.splat(otherwise);
  return arith::SelectOp::create(e.b, running, v, otherwise);
}

void giveColumns(KernelEmitter &e, const UnitColumns &columns) {
  for (const auto &[product, parts] : columns)
    e.given[product] = [&parts = parts](ArrayRef<Index> at) {
      for (auto [column, value] : parts)
        if (parts.size() == 1 || column == at.back().value)
          return value;
      llvm_unreachable("a gate's columns are those that its slice reads");
    };
}

} // namespace mapsto
