//===- ScanPlan.cpp - How a workgroup shares out a recurrence -------------===//

#include "compiler/vulkan/ScanPlan.h"

#include "compiler/vulkan/BatchItems.h"
#include "compiler/vulkan/BodyAttention.h"
#include "compiler/vulkan/EmitIndexed.h"
#include "compiler/vulkan/EmitScan.h"

using namespace mlir;

namespace mapsto {

/// Rows whose sums an invocation keeps side by side: a weight that it has read
/// serves all of them.
static constexpr int64_t kMostRows = 4;
/// Invocations of a workgroup: where they reduce together, each level of the
/// reduction is a barrier, and takes shared memory.
static constexpr int64_t kFewestInvocations = 32;
static constexpr int64_t kMostInvocations = 1024;
static constexpr int64_t kMostReducing = 256;
/// As many workgroups keep the cores of a large device busy: only a batch with
/// more rows is worth taking several at once.
static constexpr int64_t kManyWorkgroups = 128;

ScanPlan::ScanPlan(ScanOp op, const Machine &machine)
    : rows(independentRows(op)) {
  SmallVector<Group> groups = formGroups(op.getBody().front());
  if (rows)
    stages = formStages(groups, /*lanes=*/1);
  else
    for (Group &group : groups)
      stages.push_back({{group}, {}, {}, {}, {}});
  if (!rows)
    findBatch(op, machine);
  findMemory(op);
  findInPlace(op);
  if (rows)
    shareRows(op, machine);
  workgroupSize = chooseWorkgroup();
}

Dim gridInBody(const Group &group, const Machine &machine) {
  if (auto scan = dyn_cast_or_null<ScanOp>(group.anchor))
    return itemsOfScan(scan, machine);
  if (auto attention = dyn_cast_or_null<AttentionOp>(group.anchor))
    return queriesOfBody(attention);
  if (isIndexedShader(group))
    return columnsOfIndexed(group);
  if (group.kind == KernelKind::row)
    return gridOfLoops(group);
  return gridOf(group, machine);
}

void ScanPlan::findBatch(ScanOp op, const Machine &machine) {
  batch = independentItems(op);
  if (!batch)
    return;
  // An item's part of every grid has to be known.
  for (const ScanStage &stage : stages) {
    const Group &group = stage.groups.front();
    if ((formOf(stage) == Form::Rows || formOf(stage) == Form::Whole) &&
        isOfItems(group.root->getResult(0)) &&
        !Dim::exactDiv(gridInBody(group, machine), *batch)) {
      batch.reset();
      return;
    }
  }
  items = *batch;
}

ScanPlan::Form ScanPlan::formOf(const ScanStage &stage) {
  if (!stage.gates.empty())
    return Form::Gates;
  switch (stage.groups.front().kind) {
  case KernelKind::map:
  case KernelKind::matmul:
  case KernelKind::conv:
    return Form::Elements;
  case KernelKind::row:
    return Form::Rows;
  default:
    return Form::Whole;
  }
}

static bool contains(const ScanStage &stage, Operation *op) {
  return llvm::any_of(stage.groups,
                      [&](const Group &group) { return group.contains(op); });
}

void ScanPlan::findMemory(ScanOp op) {
  Operation *yield = op.getBody().front().getTerminator();
  writers.assign(yield->getNumOperands(), nullptr);
  for (const ScanStage &stage : stages) {
    Form form = formOf(stage);
    // Others write to memory only.
    bool yields = form == Form::Gates || form == Form::Elements ||
                  (form == Form::Rows && rows);
    for (Value value : stage.results()) {
      for (OpOperand &use : value.getUses()) {
        Operation *user = use.getOwner();
        if (user == yield && yields)
          writers[use.getOperandNumber()] = &stage;
        else if (!contains(stage, user))
          inMemory.insert(value);
      }
      if (!yields)
        inMemory.insert(value);
    }
  }
}

/// Is all that a stage makes of the value, down to its results, made element by
/// element?
static bool isPointwiseIn(const ScanStage &stage, Value value) {
  llvm::DenseSet<Value> depends{value};
  for (const Group &group : stage.groups)
    for (Operation *op : group.ops) {
      if (llvm::none_of(op->getOperands(),
                        [&](Value v) { return depends.contains(v); }))
        continue;
      if (!op->hasTrait<OpTrait::Elementwise>() ||
          dimsOf(op->getResult(0)) != dimsOf(value))
        return false;
      depends.insert(op->getResult(0));
    }
  return true;
}

void ScanPlan::findInPlace(ScanOp op) {
  Block &body = op.getBody().front();
  for (unsigned k = 0; k < op.getInits().size(); ++k) {
    Value state = body.getArgument(k);
    const ScanStage *writer = writers[k];
    // It is read by the invocation that writes the element, before it does. A
    // lone number is read by all of them.
    inPlace.push_back(
        writer && !dimsOf(state).empty() && formOf(*writer) != Form::Rows &&
        isPointwiseIn(*writer, state) &&
        llvm::all_of(state.getUsers(), [&](Operation *user) {
          return llvm::all_of(stages, [&](const ScanStage &stage) {
            return contains(stage, user) == (&stage == writer);
          });
        }));
  }
}

void ScanPlan::shareRows(ScanOp op, const Machine &machine) {
  Block &body = op.getBody().front();
  int64_t bytes = 0; // of a row
  bool known = true;
  auto add = [&](Value value, int64_t times) {
    Type stored = storedType(elementTypeOf(value));
    std::optional<int64_t> columns = dimsOf(value).back().constant();
    known &= columns.has_value();
    bytes += times * columns.value_or(0) * stored.getIntOrFloatBitWidth() / 8;
  };
  for (unsigned k = 0; k < op.getInits().size(); ++k)
    add(body.getArgument(k), inPlace[k] ? 1 : 2);
  for (Value value : inMemory)
    add(value, 1);
  if (known && bytes)
    mostRows = std::clamp<int64_t>(machine.sharedBytes / bytes, 1, kMostRows);
  if (std::optional<int64_t> batch = rows->constant())
    mostRows = std::clamp<int64_t>(llvm::divideCeil(*batch, kManyWorkgroups), 1,
                                   mostRows);
  if (mostRows > 1)
    rowsPerItem =
        Dim::max(1, Dim::min(mostRows, Dim::ceilDiv(*rows, kManyWorkgroups)));
  items = Dim::ceilDiv(*rows, rowsPerItem);
}

/// An invocation for each of the widest stage's units.
int64_t ScanPlan::chooseWorkgroup() const {
  int64_t widest = 0, most = kMostInvocations;
  for (const ScanStage &stage : stages) {
    if (formOf(stage) == Form::Rows || formOf(stage) == Form::Whole)
      most = kMostReducing;
    const Group &group = stage.groups.front();
    Value root = group.root->getResult(0);
    Dims dims = dimsOf(root);
    if (isOfItems(root))
      dims[0] = 1;
    Dim own = !stage.gates.empty() ? stage.units
              : rows               ? dims.back()
                                   : numElements(dims);
    if (auto attention = dyn_cast_or_null<AttentionOp>(group.anchor))
      own = Dim::max(own, *std::next(dimsOf(attention.getValue()).rbegin()));
    widest = std::max(widest, own.constant().value_or(kMostReducing));
  }
  return std::clamp<int64_t>(llvm::PowerOf2Ceil(widest), kFewestInvocations,
                             most);
}

} // namespace mapsto
