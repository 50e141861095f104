//===- Rerolling.cpp - Steps that were written out, as a scan -------------===//

#include "compiler/graph/Rerolling.h"

#include "mlir/Analysis/TopologicalSortUtils.h"

using namespace mlir;

namespace mapsto {

static Operation *lastOf(const Unrolled &u) {
  Operation *last = u.ops.front().copies.back();
  for (const StepOp &op : ArrayRef(u.ops).take_front(u.recurrent))
    if (last->isBeforeInBlock(op.copies.back()))
      last = op.copies.back();
  return last;
}

Rerolling::Rerolling(const Unrolled &unrolled)
    : u(unrolled), builder(u.block->getParentOp()->getContext()),
      b(builder, u.ops.front().copies.front()->getLoc()) {
  // Which stays until everything is written.
  builder.setInsertionPoint(lastOf(u));
}

Value Rerolling::moveAxis(Value x, int64_t from, int64_t to) {
  if (from == to)
    return x;
  auto permutation = llvm::to_vector(llvm::seq<int64_t>(0, dimsOf(x).size()));
  permutation.erase(permutation.begin() + from);
  permutation.insert(permutation.begin() + to, from);
  return transpose(builder, b.loc, x, permutation);
}

//===----------------------------------------------------------------------===//
// What the scan reads
//===----------------------------------------------------------------------===//

/// What the steps slice, with their time at the scan's axis.
Value Rerolling::sequenceOf(StepSlices slices) {
  SliceOp first = slices.first;
  Dims starts = first.getStarts().getDims(), sizes = first.getSizes().getDims();
  SmallVector<int64_t> steps(first.getSteps());
  bool backwards = slices.delta < 0;
  if (backwards)
    starts[slices.axis] += Dim((u.steps - 1) * slices.delta);
  sizes[slices.axis] = Dim(u.steps * slices.size);
  steps[slices.axis] = slices.size == 1 ? std::abs(slices.delta) : 1;
  Value x = slice(builder, b.loc, first.getX(), starts, sizes, steps);
  Dims dims = slices.stepDims();
  dims.insert(dims.begin() + slices.axis, Dim(u.steps));
  x = b.reshape(x, dims);
  if (backwards != u.reversed)
    x = b.create<FlipOp>(x, builder.getDenseI64ArrayAttr({slices.axis}));
  return moveAxis(x, slices.axis, u.axis);
}

/// Values that the steps read, put together.
Value Rerolling::sequenceOf(ArrayRef<Value> values) {
  Dims dims = dimsOf(values.front());
  dims.insert(dims.begin() + u.axis, Dim(1));
  SmallVector<Value> parts(values.size());
  for (auto [step, value] : llvm::enumerate(values))
    parts[timeOf(step)] = b.reshape(value, dims);
  return b.create<ConcatOp>(parts, builder.getI64IntegerAttr(u.axis));
}

void Rerolling::findSequences() {
  llvm::DenseMap<std::pair<Value, Value>, unsigned> known;
  for (unsigned i = 0; i < u.recurrent; ++i)
    for (auto [k, source] : llvm::enumerate(u.ops[i].sources)) {
      if (source.kind != Source::Sliced && source.kind != Source::Given)
        continue;
      SmallVector<Value> values = u.valuesOf(i, k);
      // All slices are known from two of them; other values are not.
      bool isSliced = source.kind == Source::Sliced;
      auto key = std::make_pair(values[0], values[1]);
      auto found = isSliced ? known.find(key) : known.end();
      if (found != known.end()) {
        sequenceAt[{i, k}] = found->second;
        continue;
      }
      sequenceAt[{i, k}] = sequences.size();
      if (isSliced) {
        known[key] = sequences.size();
        sequences.push_back(sequenceOf(*StepSlices::of(values[0], values[1])));
      } else {
        sequences.push_back(sequenceOf(values));
      }
    }
}

void Rerolling::findStates() {
  for (unsigned i = 0; i < u.recurrent; ++i)
    for (auto [k, source] : llvm::enumerate(u.ops[i].sources)) {
      if (source.kind != Source::Carried)
        continue;
      State state{source.op, source.result, u.ops[i].copies[0]->getOperand(k)};
      if (llvm::none_of(states, [&](const State &known) {
            return known.op == state.op && known.result == state.result &&
                   known.init == state.init;
          }))
        states.push_back(state);
    }
}

/// Whether anything outside of the recurrence reads a result, the last step's
/// apart, which may be read as a state.
void Rerolling::findOutputs() {
  auto isRead = [&](Value v) {
    return !llvm::all_of(v.getUsers(),
                         [&](Operation *user) { return u.isRecurrent(user); });
  };
  for (unsigned i = 0; i < u.recurrent; ++i)
    for (unsigned r = 0; r < u.ops[i].copies[0]->getNumResults(); ++r) {
      bool isState = llvm::any_of(states, [&](const State &state) {
        return state.op == i && state.result == r;
      });
      int64_t last = u.steps - 1;
      for (auto [step, copy] : llvm::enumerate(u.ops[i].copies))
        if (isRead(copy->getResult(r)) && !(isState && int64_t(step) == last)) {
          outputs.push_back({i, r});
          break;
        }
    }
}

//===----------------------------------------------------------------------===//
// The scan
//===----------------------------------------------------------------------===//

Value Rerolling::operandInBody(GraphBuilder &in, unsigned op, unsigned k) {
  const Source &source = u.ops[op].sources[k];
  Value first = u.ops[op].copies[0]->getOperand(k);
  switch (source.kind) {
  case Source::Same:
    return first;
  case Source::Inner:
    return inBody.lookup(first);
  case Source::Carried:
    for (auto [i, state] : llvm::enumerate(states))
      if (state.op == source.op && state.result == source.result &&
          state.init == first)
        return body->getArgument(i);
    llvm_unreachable("every carried value has a state");
  case Source::Sliced:
  case Source::Given:
    break;
  }
  unsigned sequence = sequenceAt.lookup({op, k});
  return in.reshape(body->getArgument(states.size() + sequence), dimsOf(first));
}

static Dims withoutUnits(Dims dims) {
  while (dims.size() > 2 && dims.front() == Dim(1))
    dims.erase(dims.begin());
  return dims;
}

/// A recurrence of one step is its body.
void Rerolling::inlineStep(GraphBuilder &in, ScanOp scan, ValueRange operands) {
  Block &inner = scan.getBody().front();
  for (auto [i, argument] : llvm::enumerate(inner.getArguments()))
    inBody.map(argument, in.reshape(operands[i], dimsOf(argument)));
  for (Operation &op : inner.without_terminator())
    in.builder.clone(op, inBody);
  for (auto [result, yielded] :
       llvm::zip_equal(scan.getResults(), inner.getTerminator()->getOperands()))
    inBody.map(result,
               in.reshape(inBody.lookupOrDefault(yielded), dimsOf(result)));
}

void Rerolling::cloneInto(GraphBuilder &in, unsigned op) {
  Operation *first = u.ops[op].copies[0];
  in.loc = first->getLoc();
  SmallVector<Value> operands;
  for (unsigned k = 0; k < first->getNumOperands(); ++k)
    operands.push_back(operandInBody(in, op, k));
  if (auto scan = dyn_cast<ScanOp>(first))
    return inlineStep(in, scan, operands);
  // A state is a matrix of rows, whatever axes of size 1 are in front of it.
  Dims dims = dimsOf(first->getResult(0)), rows = withoutUnits(dims);
  auto matmul = dyn_cast<MatmulOp>(first);
  bool asRows =
      rows != dims &&
      (first->hasTrait<OpTrait::Elementwise>() || isa<BroadcastOp>(first) ||
       (matmul && dimsOf(matmul.getRhs()).size() == 2));
  if (asRows)
    for (Value &operand : operands)
      operand = in.reshape(operand, withoutUnits(dimsOf(operand)));
  Operation *copy = in.builder.clone(*first);
  copy->setOperands(operands);
  if (!asRows)
    return inBody.map(first->getResults(), copy->getResults());
  Value result = copy->getResult(0);
  result.setType(tensorOf(rows, elementTypeOf(result)));
  inBody.map(first->getResult(0), in.reshape(result, dims));
}

ScanOp Rerolling::create() {
  SmallVector<Value> inits;
  SmallVector<Type> types, arguments;
  for (const State &state : states) {
    inits.push_back(state.init);
    types.push_back(state.init.getType());
  }
  arguments = types;
  for (Value sequence : sequences) {
    Dims dims = dimsOf(sequence);
    dims.erase(dims.begin() + u.axis);
    arguments.push_back(tensorOf(dims, elementTypeOf(sequence)));
  }
  auto resultOf = [&](unsigned op, unsigned result) {
    return u.ops[op].copies[0]->getResult(result);
  };
  for (auto [op, result] : outputs) {
    Dims dims = dimsOf(resultOf(op, result));
    dims.insert(dims.begin() + u.axis, Dim(u.steps));
    types.push_back(tensorOf(dims, elementTypeOf(resultOf(op, result))));
  }
  auto scan =
      ScanOp::create(builder, b.loc, types, inits, sequences,
                     /*lengths=*/Value(), builder.getI64IntegerAttr(u.axis),
                     builder.getStringAttr(Dim(u.steps).str()),
                     u.reversed ? builder.getUnitAttr() : UnitAttr());

  OpBuilder::InsertionGuard guard(builder);
  body = builder.createBlock(&scan.getBody(), {}, arguments,
                             SmallVector<Location>(arguments.size(), b.loc));
  GraphBuilder in(builder, b.loc);
  for (unsigned op : u.inOrder())
    cloneInto(in, op);
  SmallVector<Value> yields;
  for (const State &state : states)
    yields.push_back(inBody.lookup(resultOf(state.op, state.result)));
  for (auto [op, result] : outputs)
    yields.push_back(inBody.lookup(resultOf(op, result)));
  YieldOp::create(builder, b.loc, yields);
  return scan;
}

//===----------------------------------------------------------------------===//
// What reads the scan
//===----------------------------------------------------------------------===//

void Rerolling::computeReadouts(Batching &batching) {
  for (unsigned i = u.recurrent; i < u.ops.size(); ++i) {
    const StepOp &op = u.ops[i];
    for (auto [k, source] : llvm::enumerate(op.sources))
      if (source.kind == Source::Given)
        batching.set(op.copies[0]->getOperand(k), sequenceOf(u.valuesOf(i, k)));
    batching.apply(builder, op.copies[0]);
  }
}

/// One step of a result for all of them.
Value Rerolling::at(Value all, int64_t step) {
  Value one = b.slice(all, u.axis, Dim(timeOf(step)), Dim(1));
  Dims dims = dimsOf(all);
  dims.erase(dims.begin() + u.axis);
  return b.reshape(one, dims);
}

/// Reads parts that follow each other in time as one.
void Rerolling::joinParts(ConcatOp concat, const StepOp &op, OpResult of,
                          Value all) {
  llvm::DenseMap<Value, int64_t> stepOfResult;
  for (auto [step, copy] : llvm::enumerate(op.copies))
    stepOfResult[copy->getResult(of.getResultNumber())] = step;
  // The step whose result a part is, as it is or reshaped.
  auto stepOf = [&](Value part) -> std::optional<int64_t> {
    if (auto reshape = part.getDefiningOp<ReshapeOp>();
        reshape && !u.contains(reshape))
      part = reshape.getX();
    auto found = stepOfResult.find(part);
    return found == stepOfResult.end() ? std::nullopt
                                       : std::optional(found->second);
  };
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPoint(concat);
  SmallVector<Value> old(concat.getParts()), parts;
  int64_t along = concat.getAxis();
  for (size_t i = 0, end; i < old.size(); i = end) {
    end = i + 1;
    std::optional<int64_t> first = stepOf(old[i]);
    if (!first) {
      parts.push_back(old[i]);
      continue;
    }
    auto follows = [&](size_t k, int64_t by) {
      return k < old.size() && old[k].getType() == old[i].getType() &&
             stepOf(old[k]) == *first + by * int64_t(k - i);
    };
    int64_t by = follows(end, -1) ? -1 : 1;
    while (follows(end, by))
      ++end;
    int64_t count = end - i, last = *first + by * (count - 1);
    Value run = b.slice(
        all, u.axis, Dim(std::min(timeOf(*first), timeOf(last))), Dim(count));
    if (timeOf(last) < timeOf(*first))
      run = b.create<FlipOp>(run, builder.getDenseI64ArrayAttr({u.axis}));
    // A part is a step's result, or has an axis of size 1 where time goes.
    Dims part = dimsOf(old[i]), step = dimsOf(of), dims = part;
    dims[along] *= Dim(count);
    if (dims.size() == step.size() + 1 && part[along] == Dim(1))
      part.erase(part.begin() + along);
    if (part == step) {
      run = moveAxis(run, u.axis, along);
    } else {
      part = dimsOf(old[i]);
      part.insert(part.begin(), Dim(count));
      run = moveAxis(b.reshape(moveAxis(run, u.axis, 0), part), 0, along);
    }
    parts.push_back(b.reshape(run, dims));
  }
  Value joined = parts.front();
  if (parts.size() > 1)
    joined = b.create<ConcatOp>(parts, concat.getAxisAttr());
  concat.getResult().replaceAllUsesWith(joined);
  concat.erase();
}

void Rerolling::replace(OpResult of, Value all, Value last) {
  const StepOp &op = *llvm::find_if(
      u.ops, [&](const StepOp &op) { return op.copies[0] == of.getOwner(); });
  auto outside = [&](Value v) {
    SmallVector<OpOperand *> uses;
    for (OpOperand &use : v.getUses())
      if (!u.contains(use.getOwner()))
        uses.push_back(&use);
    return uses;
  };
  llvm::SetVector<Operation *> concats, reshapes;
  for (Operation *copy : op.copies)
    for (OpOperand *use : outside(copy->getResult(of.getResultNumber()))) {
      Operation *user = use->getOwner();
      if (auto reshape = dyn_cast<ReshapeOp>(user)) {
        reshapes.insert(reshape);
        for (Operation *next : reshape->getUsers())
          if (isa<ConcatOp>(next))
            concats.insert(next);
      } else if (isa<ConcatOp>(user)) {
        concats.insert(user);
      }
    }
  if (all)
    for (Operation *concat : concats)
      if (concat->getNumOperands() > 1)
        joinParts(cast<ConcatOp>(concat), op, of, all);
  for (Operation *reshape : reshapes)
    if (reshape->use_empty())
      reshape->erase();
  for (auto [step, copy] : llvm::enumerate(op.copies)) {
    SmallVector<OpOperand *> uses =
        outside(copy->getResult(of.getResultNumber()));
    if (uses.empty())
      continue;
    bool isLast = last && int64_t(step) == u.steps - 1;
    Value value = isLast ? last : at(all, step);
    for (OpOperand *use : uses)
      use->set(value);
  }
}

void Rerolling::eraseSteps() {
  SmallVector<Operation *> all;
  for (const StepOp &op : u.ops)
    llvm::append_range(all, op.copies);
  llvm::sort(all,
             [](Operation *a, Operation *b) { return b->isBeforeInBlock(a); });
  for (Operation *op : all)
    op->erase();
}

void Rerolling::run() {
  findStates();
  findOutputs();
  findSequences();
  ScanOp scan = create();
  Batching batching({Dim(u.steps)}, u.axis);
  for (auto [i, output] : llvm::enumerate(outputs))
    batching.set(u.ops[output.first].copies[0]->getResult(output.second),
                 scan.getResult(states.size() + i));
  computeReadouts(batching);
  for (const auto &[i, op] : llvm::enumerate(u.ops))
    for (OpResult result : op.copies[0]->getResults()) {
      Value last;
      for (auto [k, state] : llvm::enumerate(states))
        if (state.op == i && state.result == result.getResultNumber())
          last = scan.getResult(k);
      replace(result, batching.get(result), last);
    }
  eraseSteps();
  sortTopologically(u.block);
}

} // namespace mapsto
