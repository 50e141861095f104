//===- EmitIndexed.cpp - Scatter and update as shaders --------------------===//
//
// The runtime has made the result a copy of the operand (or they are one
// memory), so what is left is to write over it.
//
// What is scattered along an axis stays in its column: the elements that differ
// along that axis alone. An invocation does a column, in order, so that no two
// meet and the last one of several wins, as on the CPU.
//
//===----------------------------------------------------------------------===//

#include "compiler/vulkan/EmitIndexed.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"

using namespace mlir;

namespace mapsto {

void eachOfDispatch(KernelEmitter &e, const Dim &count,
                    function_ref<void(Index)> body) {
  Value group = gpu::BlockIdOp::create(e.b, gpu::Dimension::x);
  Value groups = gpu::GridDimOp::create(e.b, gpu::Dimension::x);
  Value first = e.add(e.mul(group, e.invocations()), e.invocation());
  Value all = e.mul(groups, e.invocations());
  e.loop(first, e.dim(count), all, [&](Value i) { body({i, Index::Vector}); });
}

static Value operandOf(const Group &group) {
  return group.anchor->getOperand(0);
}

static int64_t axisOf(const Group &group) {
  if (auto scatter = dyn_cast<ScatterOp>(group.anchor))
    return scatter.getAxis();
  return cast<UpdateOp>(group.anchor).getAxis();
}

static Dims columnsOf(const Group &group) {
  Dims dims = dimsOf(operandOf(group));
  dims.erase(dims.begin() + axisOf(group));
  return dims;
}

bool isIndexedShader(const Group &group) {
  return group.kind == KernelKind::scatter || group.kind == KernelKind::update;
}

std::optional<unsigned> startsFrom(const Group &group) {
  if (!isIndexedShader(group))
    return std::nullopt;
  auto argument = dyn_cast<BlockArgument>(operandOf(group));
  return argument ? std::optional(argument.getArgNumber()) : std::nullopt;
}

Dim itemsOfIndexed(const Group &group) {
  auto update = dyn_cast<UpdateOp>(group.anchor);
  if (update && startsFrom(group))
    return numElements(dimsOf(update.getValues()));
  return numElements(columnsOf(group));
}

/// A column of the operand, where the runtime has not copied it.
static void copyColumn(KernelEmitter &e, const Group &group, Indices column,
                       const Buffer &result) {
  int64_t axis = axisOf(group);
  e.loop(e.idx(0), e.dim(result.dims[axis]), 1, [&](Value j) {
    Indices at(column);
    at.insert(at.begin() + axis, e.uniform(j));
    e.store(e.element(operandOf(group), at), result, at);
  });
}

/// Runs `body` if the column is one of `dims`, which may be smaller than the
/// operand along other axes.
static void whereInside(KernelEmitter &e, const Group &group, Indices column,
                        Dims dims, function_ref<void()> body) {
  Dims columns = columnsOf(group);
  dims.erase(dims.begin() + axisOf(group));
  Value inside;
  for (auto [index, size, limit] : llvm::zip_equal(column, columns, dims)) {
    if (size == limit)
      continue;
    Value below = e.below(index, e.dim(limit));
    inside =
        inside ? arith::AndIOp::create(e.b, inside, below).getResult() : below;
  }
  if (inside)
    e.when(inside, body);
  else
    body();
}

static ReduceKind combinationOf(ScatterKind kind) {
  switch (kind) {
  case ScatterKind::add:
    return ReduceKind::sum;
  case ScatterKind::mul:
    return ReduceKind::prod;
  case ScatterKind::max:
    return ReduceKind::max;
  case ScatterKind::min:
    return ReduceKind::min;
  case ScatterKind::set:
    break;
  }
  llvm_unreachable("nothing is combined");
}

/// Who shares the items, and whether the result is a copy of the operand yet.
struct Walk {
  function_ref<void(const Dim &count, function_ref<void(Index)>)> each;
  bool isCopied;
};

static void emitScatter(KernelEmitter &e, const Group &group, ScatterOp op,
                        const Buffer &result, const Walk &walk) {
  int64_t axis = op.getAxis();
  Dims dims = dimsOf(op.getIndices());
  walk.each(numElements(columnsOf(group)), [&](Index item) {
    Indices column = e.delinearize(item, columnsOf(group));
    if (!walk.isCopied)
      copyColumn(e, group, column, result);
    whereInside(e, group, column, dims, [&] {
      e.loop(e.idx(0), e.dim(dims[axis]), 1, [&](Value j) {
        Indices at(column);
        // Not the same in all invocations, but for the column.
        at.insert(at.begin() + axis, Index{j, Index::Vector});
        Indices to(at);
        to[axis] = e.position(op.getIndices(), at, dimOf(op.getX(), axis));
        to[axis].kind = Index::Vector;
        Value v = e.element(op.getUpdates(), at);
        if (op.getKind() != ScatterKind::set) {
          Type type =
              KernelEmitter::accumulatorType(elementTypeOf(op.getResult()));
          v = e.combine(combinationOf(op.getKind()),
                        e.convert(e.load(result, to), type),
                        e.convert(v, type));
        }
        e.store(v, result, to);
      });
    });
  });
}

static void emitUpdate(KernelEmitter &e, const Group &group, UpdateOp op,
                       const Buffer &result, const Walk &walk) {
  int64_t axis = op.getAxis();
  Dims dims = dimsOf(op.getValues());
  // The last position that `values` can start at, plus one.
  Dim starts = dimOf(op.getX(), axis) - dims[axis] + Dim(1);
  Index start = e.position(op.getStart(), {}, dimOf(op.getX(), axis), starts);
  auto write = [&](Indices at) {
    Indices to(at);
    to[axis] = e.addIndex(to[axis], start);
    e.store(e.element(op.getValues(), at), result, to);
  };
  if (walk.isCopied)
    return walk.each(numElements(dims),
                     [&](Index item) { write(e.delinearize(item, dims)); });
  walk.each(numElements(columnsOf(group)), [&](Index item) {
    Indices column = e.delinearize(item, columnsOf(group));
    copyColumn(e, group, column, result);
    whereInside(e, group, column, dims, [&] {
      e.loop(e.idx(0), e.dim(dims[axis]), 1, [&](Value j) {
        Indices at(column);
        at.insert(at.begin() + axis, Index{j, Index::Vector});
        write(at);
      });
    });
  });
}

static void emitIndexed(KernelEmitter &e, const Group &group,
                        const Buffer &result, const Walk &walk) {
  if (auto scatter = dyn_cast<ScatterOp>(group.anchor))
    return emitScatter(e, group, scatter, result, walk);
  emitUpdate(e, group, cast<UpdateOp>(group.anchor), result, walk);
}

void emitIndexed(KernelEmitter &e, const Group &group, const Buffer &result) {
  auto each = [&](const Dim &count, function_ref<void(Index)> body) {
    eachOfDispatch(e, count, body);
  };
  emitIndexed(e, group, result, {each, startsFrom(group).has_value()});
}

Dim columnsOfIndexed(const Group &group) {
  return numElements(columnsOf(group));
}

void emitIndexedInWorkgroup(KernelEmitter &e, const Group &group,
                            const Buffer &result, Value begin, Value end) {
  auto each = [&](const Dim &, function_ref<void(Index)> body) {
    e.laneLoop(e.sub(end, begin), [&](Index column) {
      body(e.addIndex(column, e.uniform(begin)));
    });
  };
  emitIndexed(e, group, result, {each, /*isCopied=*/false});
}

} // namespace mapsto
