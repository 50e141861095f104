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
      return op->getNumRegions() == 0;
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

/// The first columns at which the groups read the matmul's result, if all they
/// do is to combine equally wide parts of it element by element.
std::optional<SmallVector<int64_t>>
gatesOf(const Group &matmul, ArrayRef<Group> readers, int64_t lanes) {
  Value product = matmul.root->getResult(0);
  Dims units = dimsOf(readers.front().root->getResult(0));
  std::optional<int64_t> width = units[1].constant();
  if (!width || *width % lanes != 0)
    return std::nullopt;
  llvm::SmallSetVector<int64_t, 4> gates;
  for (const Group &reader : readers) {
    if (reader.kind != KernelKind::map ||
        dimsOf(reader.root->getResult(0)) != units)
      return std::nullopt;
    for (Operation *op : reader.ops) {
      Value x = op->getOperands().empty() ? Value() : op->getOperand(0);
      if (auto slice = dyn_cast<SliceOp>(op)) {
        std::optional<int64_t> start =
            slice.getStarts().getDims()[1].constant();
        if (!start || *start % lanes != 0 || slice.getSteps()[1] != 1 ||
            dimsOf(slice.getResult()) != units || dimsOf(x) != dimsOf(product))
          return std::nullopt;
        gates.insert(*start);
      } else if (isa<BroadcastOp>(op) && x.getType() != product.getType()) {
        // Along the columns nothing may be repeated but what is the same.
        Dims dims = dimsOf(x);
        if (dims.size() == 2 && dims[1] == Dim(1))
          return std::nullopt;
      } else if (!op->hasTrait<OpTrait::Elementwise>() &&
                 !isa<ConstantOp>(op)) {
        return std::nullopt;
      } else if (llvm::is_contained(op->getOperands(), product) &&
                 units == dimsOf(product)) {
        gates.insert(0);
      }
    }
  }
  for (Operation *user : product.getUsers())
    if (llvm::none_of(readers,
                      [&](const Group &g) { return g.contains(user); }))
      return std::nullopt;
  if (gates.empty())
    return std::nullopt;
  return SmallVector<int64_t>(gates.begin(), gates.end());
}

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
    ScanStage stage;
    size_t count = 1;
    if (groups[i].kind == KernelKind::matmul) {
      stage.gates = {0};
      // As many of the groups that follow as can be.
      for (size_t n = groups.size() - i - 1; n > 0 && count == 1; --n) {
        if (auto gates = gatesOf(groups[i], groups.slice(i + 1, n), lanes)) {
          stage.gates = *gates;
          count = n + 1;
        }
      }
    }
    stage.groups.assign(groups.begin() + i, groups.begin() + i + count);
    stages.push_back(std::move(stage));
    i += count;
  }
  return stages;
}

} // namespace mapsto
