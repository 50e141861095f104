//===- EmitScan.cpp - A recurrence as one kernel --------------------------===//
//
// The time loop runs inside the kernel. Its body is cut into groups as a graph
// is, each group a stage with its result in scratch; the state lives in the
// result's memory and is replaced when all stages of a step are done. Where the
// body treats the rows of the batch apart, an item of the grid is some of them.
//
//===----------------------------------------------------------------------===//

#include "compiler/kernel/ScanTeam.h"

using namespace mlir;

namespace mapsto {

namespace {

/// Rows of one grid item: each item reads all weights at each step, and does so
/// in less time than the multiply-adds of this many rows take.
constexpr int64_t kRowsPerItem = 16;

class ScanEmitter {
public:
  ScanEmitter(KernelEmitter &e, ScanOp op, ArrayRef<Buffer> results)
      : e(e), op(op), body(op.getBody().front()),
        yield(cast<YieldOp>(body.getTerminator())),
        states(results.take_front(op.getInits().size())),
        outputs(results.drop_front(op.getInits().size())),
        count(*Dim::parse(op.getCount())) {}

  void emit(Value begin, Value end) {
    SmallVector<Group> groups = formGroups(body);
    if (std::optional<Dim> rows = independentRows(op)) {
      firstRow = e.mul(begin, e.idx(kRowsPerItem));
      lastRow = e.minIndex(e.mul(end, e.idx(kRowsPerItem)), e.dim(*rows));
      stages = formStages(groups, e.lanes);
      if (canShareColumns(op, stages))
        team.emplace(e, stages);
      if (team) // after each stage but the last, after each step, at the start
        e.teamWaits = count * Dim(int64_t(stages.size())) + Dim(1);
    } else {
      for (Group &group : groups)
        stages.push_back({{group}, {}, {}, {}, {}});
    }
    for (ScanStage &stage : stages)
      allocate(stage);
    if (team)
      return emitForTeam();
    allocateSwapped();
    copy(op.getInits(), states);
    for (size_t k = 0; k < states.size(); ++k)
      e.buffers[body.getArgument(k)] = states[k];
    e.loop(e.idx(0), e.dim(count), 1, [&](Value step) {
      KernelEmitter::HoistLimit limit(e);
      setTime(step);
      for (const ScanStage &stage : stages)
        emitStage(stage);
      writeOutputs();
      replaceStates();
      e.forget();
    });
  }

private:
  KernelEmitter &e;
  ScanOp op;
  Block &body;
  YieldOp yield;
  ArrayRef<Buffer> states, outputs;
  llvm::SmallDenseMap<size_t, Buffer> swapped;
  Value time;
  Dim count;
  std::vector<ScanStage> stages;
  llvm::DenseMap<Value, Buffer> memory; // of what a stage leaves to others
  Value firstRow, lastRow;              // null where rows are not apart
  std::optional<ScanTeam> team;
  bool shares = false; // now: this thread does some columns only

  /// The same for threads that do each step together.
  void emitForTeam() {
    SmallVector<Buffer> twice;
    for (const Buffer &state : states) {
      Dims dims(state.dims);
      dims.insert(dims.begin(), Dim(2));
      twice.push_back(e.allocate(dims, state.elementType));
    }
    auto atStep = [&](Value step) {
      Value which = arith::AndIOp::create(e.b, step, e.idx(1));
      SmallVector<Buffer> now;
      for (auto [state, both] : llvm::zip_equal(states, twice)) {
        Value size = e.dim(numElements(state.dims));
        now.push_back(
            {both.memref, e.mul(which, size), state.dims, state.elementType});
      }
      return now;
    };
    e.when(team->isCaptain(), [&] {
      copy(op.getInits(), atStep(e.idx(0)));
      team->finishStep(e.idx(0));
    });
    e.loop(team->firstStep(), e.dim(count), 1, [&](Value step) {
      KernelEmitter::HoistLimit limit(e);
      team->eachPart([&] {
        shares = true;
        setTime(step);
        SmallVector<Buffer> old = atStep(step);
        Value next = e.add(step, e.idx(1));
        SmallVector<Buffer> replaced = atStep(next);
        for (size_t k = 0; k < states.size(); ++k)
          e.buffers[body.getArgument(k)] = old[k];
        for (const ScanStage &stage : stages) {
          emitStage(stage);
          if (&stage != &stages.back())
            team->wait();
        }
        writeOutputs();
        for (size_t k = 0; k < states.size(); ++k)
          writeState(yield.getValues()[k], old[k], replaced[k]);
        team->finishStep(next);
        shares = false;
      });
    });
    e.when(team->isCaptain(), [&] {
      SmallVector<Buffer> last = atStep(e.dim(count));
      for (auto [state, value] : llvm::zip_equal(states, last))
        eachElement(state.dims,
                    [&, &state = state, &value = value](ArrayRef<Index> at) {
                      e.store(e.load(value, at), state, at);
                    });
    });
  }

  void setTime(Value step) {
    time = op.getReverse() ? e.sub(e.sub(e.dim(count), e.idx(1)), step) : step;
    giveSequences();
  }

  void copy(ValueRange from, ArrayRef<Buffer> to) {
    for (auto [value, buffer] : llvm::zip_equal(from, to))
      eachElement(buffer.dims,
                  [&, value = value, &buffer = buffer](ArrayRef<Index> at) {
                    e.store(e.element(value, at), buffer, at);
                  });
  }

  void allocate(ScanStage &stage) {
    if (!stage.gates.empty()) {
      int64_t sums = sumsOf(e, stage);
      stage.sums = team ? team->allocateOwn(sums, sumType(stage))
                        : e.allocate({Dim(sums)}, sumType(stage));
    }
    for (Value v : stage.results())
      memory[v] = e.allocate(dimsOf(v), elementTypeOf(v));
  }

  void emitStage(const ScanStage &stage) {
    const Group &group = stage.groups.front();
    SmallVector<Value> values = stage.results();
    if (!stage.gates.empty()) {
      emitMatmulStage(e, stage, memory, firstRow, lastRow,
                      shares ? team->columnsOf(stage.units)
                             : Columns{e.idx(0), e.dim(stage.units)});
    } else if (shares) {
      copy(values, {memory[values.front()]});
    } else {
      SmallVector<Buffer> results;
      for (Value v : values)
        results.push_back(memory[v]);
      if (firstRow)
        emitLoops(e, group, results, firstRow, lastRow);
      else
        emitGroup(e, group, results, e.idx(0), e.dim(gridOf(group, e.machine)));
    }
    for (Value v : values)
      e.buffers[v] = memory[v];
    e.forget();
  }

  /// Walks the elements of a shape, of the rows that are ours if they are
  /// apart, and of the columns that are.
  void eachElement(ArrayRef<Dim> dims,
                   function_ref<void(ArrayRef<Index>)> body) {
    if (!firstRow)
      return e.eachElement(dims, body);
    e.loop(firstRow, lastRow, 1, [&](Value row) {
      if (!shares)
        return e.laneLoop(dims.back(),
                          [&](Index i) { body({e.uniform(row), i}); });
      Columns columns = team->columnsOf(dims.back());
      e.loop(columns.first, columns.last, e.lanes, [&](Value column) {
        auto one = [&] {
          body({e.uniform(row), {column, Index::Lanes, true}});
          return Value();
        };
        if (*dims.back().constant() % e.lanes == 0)
          one();
        else
          e.masked(e.firstLanes(e.sub(columns.last, column)), one);
      });
    });
  }

  void giveSequences() {
    int64_t axis = op.getAxis();
    for (auto [n, sequence] : llvm::enumerate(op.getSequences())) {
      Value argument = body.getArgument(states.size() + n), all = sequence;
      e.given[argument] = [this, all, axis](ArrayRef<Index> at) {
        Indices full(at);
        full.insert(full.begin() + axis, e.uniform(time));
        return e.element(all, full);
      };
    }
  }

  void writeOutputs() {
    for (auto [n, output] : llvm::enumerate(outputs)) {
      Value value = yield.getValues()[states.size() + n];
      eachElement(dimsOf(value), [&](ArrayRef<Index> at) {
        Value v = e.element(value, at);
        v = whileRunning(e, op, time, v, e.constant(getElementTypeOrSelf(v), 0),
                         at);
        Indices to(at);
        to.insert(to.begin() + op.getAxis(), e.uniform(time));
        e.store(v, output, to);
      });
    }
  }

  /// The state that a yielded value is another name for, if it is one.
  std::optional<size_t> stateBehind(Value v) {
    while (auto reshape = v.getDefiningOp<ReshapeOp>())
      v = reshape.getX();
    auto argument = dyn_cast<BlockArgument>(v);
    if (argument && argument.getOwner() == &body &&
        argument.getArgNumber() < states.size())
      return argument.getArgNumber();
    return std::nullopt;
  }

  /// States that take another state's old value need it kept aside.
  void allocateSwapped() {
    for (size_t k = 0; k < states.size(); ++k) {
      std::optional<size_t> other = stateBehind(yield.getValues()[k]);
      if (other && *other != k)
        swapped.insert({k, e.allocate(states[k].dims, states[k].elementType)});
    }
  }

  void replaceStates() {
    for (auto &[k, buffer] : swapped) {
      Value value = yield.getValues()[k];
      const Buffer &aside = buffer;
      eachElement(aside.dims, [&](ArrayRef<Index> at) {
        e.store(e.element(value, at), aside, at);
      });
    }
    for (size_t k = 0; k < states.size(); ++k) {
      Value value = yield.getValues()[k];
      if (stateBehind(value) == k)
        continue;
      auto it = swapped.find(k);
      writeState(value, states[k], states[k],
                 it != swapped.end() ? &it->second : nullptr);
    }
  }

  /// A state's next value, or its old one past the end of a row's sequence.
  void writeState(Value value, const Buffer &old, const Buffer &to,
                  const Buffer *aside = nullptr) {
    eachElement(to.dims, [&](ArrayRef<Index> at) {
      Value v = aside ? e.load(*aside, at) : e.element(value, at);
      Value before = op.getLengths() ? e.load(old, at) : Value();
      e.store(whileRunning(e, op, time, v, before, at), to, at);
    });
  }
};

} // namespace

Dim gridOfScan(ScanOp op) {
  std::optional<Dim> rows = independentRows(op);
  return rows ? Dim::ceilDiv(*rows, Dim(kRowsPerItem)) : Dim(1);
}

void emitScan(KernelEmitter &e, ScanOp op, ArrayRef<Buffer> results,
              Value begin, Value end) {
  ScanEmitter(e, op, results).emit(begin, end);
}

} // namespace mapsto
