//===- Structure.cpp - Loops, branches and masks of a kernel --------------===//

#include "compiler/kernel/KernelEmitter.h"

using namespace mlir;

namespace mapsto {

/// Enters a block for the time of a call.
struct KernelEmitter::ScopeGuard {
  KernelEmitter &e;
  OpBuilder::InsertionGuard guard;
  ScopeGuard(KernelEmitter &e, Block *block, Value mask) : e(e), guard(e.b) {
    e.scopes.push_back({block, mask, {}, {}});
    if (block->mightHaveTerminator())
      e.b.setInsertionPoint(block->getTerminator());
    else
      e.b.setInsertionPointToEnd(block);
  }
  ~ScopeGuard() { e.scopes.pop_back(); }
};

SmallVector<Value> KernelEmitter::loop(Value lower, Value upper, Value step,
                                       ValueRange inits, LoopBody body) {
  auto op = scf::ForOp::create(b, lower, upper, step, inits);
  {
    ScopeGuard scope(*this, op.getBody(), currentMask());
    SmallVector<Value> next =
        body(op.getInductionVar(), op.getRegionIterArgs());
    if (!inits.empty())
      scf::YieldOp::create(b, next);
  }
  return SmallVector<Value>(op.getResults());
}

void KernelEmitter::loop(Value lower, Value upper, Value step,
                         function_ref<void(Value)> body) {
  loop(lower, upper, step, ValueRange(), [&](Value iv, ValueRange) {
    body(iv);
    return SmallVector<Value>();
  });
}

SmallVector<Value> KernelEmitter::laneLoop(
    const Dim &size, ValueRange inits,
    function_ref<SmallVector<Value>(Index, ValueRange)> body) {
  std::optional<int64_t> known = size.constant();
  if (known && !machine.lanesAreInvocations)
    return lanesFrom(0, *known, inits, body);
  return laneLoop(dim(size), inits, body);
}

SmallVector<Value> KernelEmitter::laneLoop(
    Value size, ValueRange inits,
    function_ref<SmallVector<Value>(Index, ValueRange)> body) {
  if (machine.lanesAreInvocations)
    return loop(invocation(), size, invocations(), inits,
                [&](Value iv, ValueRange args) {
                  return body({iv, Index::Lanes}, args);
                });
  return lanesFrom(idx(0), size, inits, body);
}

SmallVector<Value> KernelEmitter::laneLoop(
    const Dim &size, ValueRange inits, int64_t partials, ValueRange neutral,
    function_ref<SmallVector<Value>(Index, ValueRange)> body,
    function_ref<SmallVector<Value>(ValueRange, ValueRange)> merge) {
  std::optional<int64_t> known = size.constant();
  int64_t step = partials * lanes;
  if (partials == 1 || known.value_or(step) < step ||
      machine.lanesAreInvocations)
    return laneLoop(size, inits, body);

  SmallVector<Value> carried = llvm::to_vector(inits);
  for (int64_t k = 1; k < partials; ++k)
    llvm::append_range(carried, neutral);
  auto partial = [&](ValueRange all, int64_t k) {
    return all.slice(k * inits.size(), inits.size());
  };
  Value end =
      known ? idx(*known / step * step)
            : sub(dim(size), arith::RemSIOp::create(b, dim(size), idx(step)));
  carried = loop(idx(0), end, step, carried, [&](Value iv, ValueRange args) {
    SmallVector<Value> next;
    for (int64_t k = 0; k < partials; ++k) {
      Value at = k == 0 ? iv : add(iv, idx(k * lanes));
      llvm::append_range(next,
                         body({at, Index::Lanes, true}, partial(args, k)));
    }
    return next;
  });
  SmallVector<Value> total = llvm::to_vector(partial(carried, 0));
  for (int64_t k = 1; k < partials; ++k)
    total = merge(total, partial(carried, k));
  if (known)
    return lanesFrom(*known / step * step, *known, total, body);
  return lanesFrom(end, dim(size), total, body);
}

SmallVector<Value> KernelEmitter::lanesFrom(
    int64_t start, int64_t end, ValueRange inits,
    function_ref<SmallVector<Value>(Index, ValueRange)> body) {
  SmallVector<Value> carried = llvm::to_vector(inits);
  int64_t whole = end / lanes * lanes;
  if (whole > start)
    carried = loop(idx(start), idx(whole), lanes, carried,
                   [&](Value iv, ValueRange args) {
                     return body({iv, Index::Lanes, true}, args);
                   });
  if (whole < end) {
    Value mask = maskOf(idx(end - whole));
    // A loop of one step: a block, and so a scope, of its own.
    carried = branch(
        arith::ConstantOp::create(b, b.getBoolAttr(true)),
        TypeRange(ValueRange(carried)),
        [&] {
          scopes.back().mask = mask;
          return body({idx(whole), Index::Lanes, true}, carried);
        },
        [&] { return carried; });
  }
  return carried;
}

SmallVector<Value> KernelEmitter::lanesFrom(
    Value start, Value end, ValueRange inits,
    function_ref<SmallVector<Value>(Index, ValueRange)> body) {
  Value whole = sub(end, arith::RemSIOp::create(b, end, idx(lanes)));
  SmallVector<Value> carried =
      loop(start, whole, lanes, inits, [&](Value iv, ValueRange args) {
        return body({iv, Index::Lanes, true}, args);
      });
  return branch(
      less(whole, end), TypeRange(ValueRange(carried)),
      [&] {
        scopes.back().mask = maskOf(sub(end, whole));
        return body({whole, Index::Lanes, true}, carried);
      },
      [&] { return carried; });
}

void KernelEmitter::laneLoop(const Dim &size, function_ref<void(Index)> body) {
  laneLoop(size, ValueRange(), [&](Index i, ValueRange) {
    body(i);
    return SmallVector<Value>();
  });
}

void KernelEmitter::laneLoop(Value size, function_ref<void(Index)> body) {
  laneLoop(size, ValueRange(), [&](Index i, ValueRange) {
    body(i);
    return SmallVector<Value>();
  });
}

void KernelEmitter::eachElement(ArrayRef<Dim> dims,
                                function_ref<void(ArrayRef<Index>)> body) {
  if (dims.empty())
    return body({});
  if (machine.lanesAreInvocations)
    return laneLoop(numElements(dims),
                    [&](Index i) { body(delinearize(i, dims)); });
  loop(idx(0), dim(numElements(dims.drop_back())), 1, [&](Value row) {
    Indices at = delinearize(uniform(row), dims.drop_back());
    laneLoop(dims.back(), [&](Index i) {
      Indices full(at);
      full.push_back(i);
      body(full);
    });
  });
}

Value KernelEmitter::firstLanes(Value count) {
  count = arith::MaxSIOp::create(b, count, idx(0));
  return maskOf(minIndex(count, idx(lanes)));
}

/// Made as far out as the count is known, for what is computed there.
Value KernelEmitter::maskOf(Value count) {
  Value mask;
  enterScope(outermostScope(count), [&] {
    mask = vector::CreateMaskOp::create(
        b, cast<VectorType>(vectorOf(b.getI1Type())), ValueRange(count));
  });
  return mask;
}

SmallVector<Value>
KernelEmitter::branch(Value condition, TypeRange types,
                      function_ref<SmallVector<Value>()> then,
                      function_ref<SmallVector<Value>()> otherwise) {
  auto op = scf::IfOp::create(b, types, condition,
                              /*withElseRegion=*/bool(otherwise));
  auto fill = [&](Block *block, function_ref<SmallVector<Value>()> body) {
    ScopeGuard scope(*this, block, currentMask());
    SmallVector<Value> values = body();
    if (!types.empty())
      scf::YieldOp::create(b, values);
  };
  fill(op.thenBlock(), then);
  if (otherwise)
    fill(op.elseBlock(), otherwise);
  return SmallVector<Value>(op.getResults());
}

void KernelEmitter::when(Value condition, function_ref<void()> then) {
  branch(
      condition, {},
      [&] {
        then();
        return SmallVector<Value>();
      },
      nullptr);
}

Value KernelEmitter::masked(Value mask, function_ref<Value()> body) {
  if (Value outer = currentMask())
    mask = arith::AndIOp::create(b, outer, mask);
  scopes.push_back({b.getInsertionBlock(), mask, {}, {}});
  Value v = body();
  scopes.pop_back();
  return v;
}

void KernelEmitter::unmasked(function_ref<void()> body) {
  scopes.push_back({b.getInsertionBlock(), Value(), {}, {}});
  body();
  scopes.pop_back();
}

void KernelEmitter::forget() {
  for (Scope &scope : scopes)
    scope.memo.clear();
}

} // namespace mapsto
