//===- EmitScan.cpp - A recurrence as one dispatch ------------------------===//
//
//   for each step
//     for each unit of mine         (a stage: gates summed, then combined)
//       for k: sum[gate] += h[now][row][k] * w[gate][k][unit]
//       h[next][row][unit] = ...
//     barrier
//
// What invocations hand to each other, the state and what one stage leaves to
// the next, lies in the workgroup's memory. State that is read and written by
// one invocation is replaced in place; other state is kept twice, so that a
// step needs no barrier between its last read and its first write.
//
//===----------------------------------------------------------------------===//

#include "compiler/vulkan/EmitScan.h"

#include "compiler/KernelAttributes.h"
#include "compiler/vulkan/BodyAttention.h"
#include "compiler/vulkan/EmitIndexed.h"
#include "compiler/vulkan/ScanShader.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;

namespace mapsto {

void ScanShader::emit(Value item) {
  if (plan.rows) {
    Value first = e.mul(item, e.dim(plan.rowsPerItem));
    firstRow = e.uniform(first);
    rowCount =
        e.minIndex(e.sub(e.dim(*plan.rows), first), e.dim(plan.rowsPerItem));
  } else if (plan.batch) {
    firstRow = e.uniform(item);
  }
  allocate();
  for (size_t k = 0; k < states.size(); ++k)
    eachElement(states[k].dims, [&](ArrayRef<Index> at) {
      e.store(e.element(op.getInits()[k], at), stateAt(k, e.idx(0)), here(at));
    });
  e.barrier();
  e.loop(e.idx(0), e.dim(count), 1, [&](Value step) {
    KernelEmitter::HoistLimit limit(e);
    name(step, "step");
    emitStep(step);
  });
  for (size_t k = 0; k < states.size(); ++k)
    eachElement(states[k].dims, [&](ArrayRef<Index> at) {
      e.store(e.load(stateAt(k, e.dim(count)), here(at)), states[k], at);
    });
  for (Value value : given)
    e.given.erase(value);
  // Before this memory is written again, for the next item.
  e.barrier();
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

Dims ScanShader::shapeHere(Value value) {
  Dims dims = dimsOf(value);
  if (plan.rows)
    dims[0] = plan.mostRows;
  else if (plan.isOfItems(value))
    dims[0] = 1;
  return dims;
}

Buffer ScanShader::ofWhole(Value value, Buffer buffer) {
  if (!plan.isOfItems(value))
    return buffer;
  buffer.dims = dimsOf(value);
  Value before = e.mul(firstRow.value,
                       e.dim(numElements(ArrayRef(buffer.dims).drop_front())));
  buffer.offset = e.sub(buffer.offset ? buffer.offset : e.idx(0), before);
  return buffer;
}

void ScanShader::allocate() {
  for (size_t k = 0; k < states.size(); ++k) {
    Value state = body.getArgument(k);
    Dims dims = shapeHere(state);
    if (!plan.isReplacedInPlace(k))
      dims.insert(dims.begin(), Dim(2));
    kept.push_back(
        e.allocateForWorkgroup(dims, states[k].elementType, "state"));
  }
  for (const ScanStage &stage : plan.stages)
    for (Value value : stage.results())
      if (plan.isInMemory(value))
        memory[value] = ofWhole(
            value, e.allocateForWorkgroup(shapeHere(value),
                                          elementTypeOf(value), "stage"));
}

Buffer ScanShader::stateAt(size_t k, Value step) {
  Buffer state = kept[k];
  state.dims = shapeHere(body.getArgument(k));
  if (plan.isReplacedInPlace(k))
    return ofWhole(body.getArgument(k), state);
  Value which = arith::AndIOp::create(e.b, step, e.idx(1));
  Value begin = e.mul(which, e.dim(numElements(state.dims)));
  state.offset = state.offset ? e.add(state.offset, begin) : begin;
  return ofWhole(body.getArgument(k), state);
}

Index ScanShader::rowHere(Index row) {
  if (plan.mostRows == 1)
    return e.uniform(0);
  if (auto it = known.find(row); it != known.end())
    return it->second;
  return {e.sub(row.value, firstRow.value), row.kind};
}

Indices ScanShader::here(ArrayRef<Index> at) {
  Indices indices(at);
  if (plan.rows)
    indices[0] = rowHere(at[0]);
  return indices;
}

void ScanShader::give(Value value, Buffer buffer) {
  given.insert(value);
  e.given[value] = [this, buffer](ArrayRef<Index> at) {
    return e.load(buffer, here(at));
  };
}

void ScanShader::giveSequences() {
  int64_t axis = op.getAxis();
  for (auto [n, sequence] : llvm::enumerate(op.getSequences())) {
    Value argument = body.getArgument(states.size() + n), all = sequence;
    given.insert(argument);
    e.given[argument] = [this, all, axis](ArrayRef<Index> at) {
      Indices full(at);
      full.insert(full.begin() + axis, e.uniform(time));
      return e.element(all, full);
    };
  }
}

//===----------------------------------------------------------------------===//
// Walks
//===----------------------------------------------------------------------===//

void ScanShader::name(Value variable, StringRef name) {
  Operation *loop = variable.getParentBlock()->getParentOp();
  loop->setAttr(kHintAttr, OpBuilder(loop).getStringAttr(name));
}

void ScanShader::eachElement(ArrayRef<Dim> dims,
                             function_ref<void(ArrayRef<Index>)> body) {
  if (plan.batch && !dims.empty() && dims[0] == *plan.batch)
    return e.eachElement(dims.drop_front(), [&](ArrayRef<Index> rest) {
      Indices at{firstRow};
      at.append(rest.begin(), rest.end());
      body(at);
    });
  if (!plan.rows)
    return e.eachElement(dims, body);
  if (plan.mostRows == 1)
    return e.laneLoop(dims[1], [&](Index column) {
      name(column.value, "column");
      body({firstRow, column});
    });
  e.laneLoop(e.mul(rowCount, e.dim(dims[1])), [&](Index i) {
    auto [row, column] = e.divIndex(i, dims[1]);
    Index inBatch = e.addIndex(row, firstRow);
    known[inBatch] = row;
    body({inBatch, column});
  });
}

void ScanShader::eachRow(function_ref<void(Index)> body) {
  if (plan.mostRows == 1)
    return body(firstRow);
  e.loop(e.idx(0), rowCount, 1, [&](Value r) {
    name(r, "row");
    Index inBatch = e.addIndex(e.uniform(r), firstRow);
    known[inBatch] = e.uniform(r);
    body(inBatch);
  });
}

//===----------------------------------------------------------------------===//
// A step
//===----------------------------------------------------------------------===//

void ScanShader::emitStep(Value step) {
  time = op.getReverse() ? e.sub(e.sub(e.dim(count), e.idx(1)), step) : step;
  next = e.add(step, e.idx(1));
  giveSequences();
  for (size_t k = 0; k < states.size(); ++k)
    give(body.getArgument(k), stateAt(k, step));
  for (const ScanStage &stage : plan.stages) {
    emitStage(stage);
    bool isLast = &stage == &plan.stages.back() && !plan.copiesAtEnd();
    bool leaves = false;
    for (Value value : stage.results())
      if (plan.isInMemory(value)) {
        give(value, memory[value]);
        leaves = true;
      }
    if (leaves && !isLast)
      e.barrier();
    e.forget();
  }
  for (size_t n = 0; n < yielded.size(); ++n)
    if (!plan.writerOf(n))
      eachElement(dimsOf(yielded[n]), [&](ArrayRef<Index> at) {
        write(n, e.element(yielded[n], at), at);
      });
  if (plan.sharesMemory())
    e.barrier();
  e.forget();
  for (const ScanStage &stage : plan.stages)
    for (Value value : stage.results())
      e.given.erase(value);
}

void ScanShader::emitStage(const ScanStage &stage) {
  const Group &group = stage.groups.front();
  Value root = group.root->getResult(0);
  auto one = [&](ArrayRef<Index> at) {
    leave(stage, {{root, e.element(root, at), Indices(at)}});
  };
  switch (ScanPlan::formOf(stage)) {
  case ScanPlan::Form::Gates:
    return emitGates(stage);
  case ScanPlan::Form::Elements:
    return eachElement(dimsOf(root), one);
  case ScanPlan::Form::Rows:
    if (plan.rows)
      return eachRow([&](Index row) {
        e.laneLoop(dimOf(root, 1), [&](Index column) { one({row, column}); });
      });
    break;
  case ScanPlan::Form::Whole:
    break;
  }
  SmallVector<Buffer> results;
  for (Value value : group.root->getResults())
    results.push_back(memory[value]);
  Dim grid = gridInBody(group, e.machine);
  Value begin = e.idx(0), end = e.dim(grid);
  if (plan.isOfItems(root)) {
    Value each = e.dim(*Dim::exactDiv(grid, *plan.batch));
    begin = e.mul(firstRow.value, each);
    end = e.add(begin, each);
  }
  if (auto scan = dyn_cast_or_null<ScanOp>(group.anchor))
    return e.loop(begin, end, 1,
                  [&](Value item) { emitScanItem(e, scan, results, item); });
  if (auto attention = dyn_cast_or_null<AttentionOp>(group.anchor))
    return emitBodyAttention(e, attention, results, begin, end);
  if (isIndexedShader(group))
    return emitIndexedInWorkgroup(e, group, results[0], begin, end);
  if (group.kind == KernelKind::row)
    return emitLoops(e, group, results, begin, end);
  emitGroup(e, group, results, begin, end);
}

void ScanShader::leave(const ScanStage &stage, ArrayRef<Left> all) {
  for (const Left &left : all) {
    if (plan.isInMemory(left.tensor))
      e.store(left.element, memory[left.tensor], here(left.at));
    for (size_t n = 0; n < yielded.size(); ++n)
      if (yielded[n] == left.tensor && plan.writerOf(n) == &stage)
        write(n, left.element, left.at);
  }
}

void ScanShader::write(size_t n, Value v, ArrayRef<Index> at) {
  if (n < states.size()) {
    Value old = op.getLengths() ? e.element(body.getArgument(n), at) : Value();
    e.store(whileRunning(e, op, time, v, old, at), stateAt(n, next), here(at));
    return;
  }
  v = whileRunning(e, op, time, v, e.constant(v.getType(), 0), at);
  Indices to(at);
  to.insert(to.begin() + op.getAxis(), e.uniform(time));
  e.store(v, outputs[n - states.size()], to);
}

Dim itemsOfScan(ScanOp op, const Machine &machine) {
  return ScanPlan(op, machine).items;
}

int64_t workgroupOfScan(ScanOp op, const Machine &machine) {
  return ScanPlan(op, machine).workgroupSize;
}

void emitScanItem(KernelEmitter &e, ScanOp op, ArrayRef<Buffer> results,
                  Value item) {
  ScanShader(e, op, results).emit(item);
}

} // namespace mapsto
