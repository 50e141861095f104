//===- EmitColumns.cpp - Kernels with reductions along other axes ---------===//
//
// Where the last axis stays, lanes walk it, and what each column has come to so
// far lies in a row of scratch in L1: memory is read as it lies, several rows
// at a time. (A column after the other through all its rows takes a line of
// each: half the rate where they come from memory, a sixth where their distance
// is a power of two.)
//
// A kernel whose result has the rows again, as a softmax, passes over them once
// for each reduction and once more. Its runs of columns are as wide as L2 holds
// of their rows, and what is the same in all rows is computed once a column.
//
//   for each run of columns:             sum += x, for all rows
//     for each reduction, in order:      each 4 rows, lanes over the run
//     for each value of a column:        1 / sum
//     the result, row by row
//
//===----------------------------------------------------------------------===//

#include "compiler/kernel/GroupEmitter.h"
#include "compiler/kernel/Partial.h"

using namespace mlir;

namespace mapsto {

/// ColumnReductions of an item: four lines of f32.
static constexpr int64_t kItem = 64;

static bool isReduction(Operation *op) {
  return isa<ReduceOp, ArgReduceOp>(op);
}

std::optional<ColumnReductions> columnsOf(const Group &group) {
  if (group.kind != KernelKind::map)
    return {};
  Dims root = withoutOnes(dimsOf(group.root->getResult(0)));
  std::optional<ColumnReductions> found;
  for (Operation *op : group.ops) {
    if (!isReduction(op))
      continue;
    ColumnReductions own;
    own.kept = withoutOnes(dimsOf(op->getResult(0)));
    Dims dims = dimsOf(op->getOperand(0));
    own.perColumn = root == own.kept;
    if (!own.perColumn)
      own.axes = reducedAmongLong(op);
    bool fits =
        reducesColumns(op) && (own.perColumn || root == withoutOnes(dims));
    if (!fits ||
        (found && (found->kept != own.kept || found->axes != own.axes)))
      return {};
    found = own;
  }
  return found;
}

static Dim stripsOf(const ColumnReductions &columns) {
  return Dim::ceilDiv(columns.kept.back(), Dim(kItem));
}

Dim gridOfColumns(const ColumnReductions &columns) {
  return numElements(ArrayRef(columns.kept).drop_back()) * stripsOf(columns);
}

namespace {

class ColumnsEmitter {
public:
  ColumnsEmitter(KernelEmitter &e, const Group &group,
                 const ColumnReductions &columns, const Buffer &result)
      : e(e), group(group), columns(columns), result(result),
        root(group.root->getResult(0)) {
    int64_t bytes = 0; // of a column
    for (Operation *op : group.ops) {
      if (!isReduction(op))
        continue;
      Reduction &own = reductions.emplace_back();
      own.op = op;
      own.partial = partialOf(e, op, /*across=*/false);
      for (Value v : own.partial->start()) {
        own.rows.push_back({Value(), Value(), {}, v.getType()});
        bytes += bytesOf(v.getType());
      }
    }
    for (Operation *op : group.ops)
      if (isOfColumn(op)) {
        Type type = elementTypeOf(op->getResult(0));
        ofColumns[op] = {Value(), Value(), {}, type};
        bytes += bytesOf(type);
      }
    width = widthOfRuns(bytes);
    auto place = [&](Buffer &row) { row = e.allocate(width, row.elementType); };
    for (Reduction &own : reductions)
      llvm::for_each(own.rows, place);
    for (auto &[op, row] : ofColumns)
      place(row);
  }

  void emit(Value begin, Value end) {
    ArrayRef<Dim> outer = ArrayRef(columns.kept).drop_back();
    if (stripsOf(columns) == Dim(1)) {
      e.loop(begin, end, 1, [&](Value item) {
        emitRun(e.delinearize(e.uniform(item), outer), e.idx(0), Value());
      });
    } else {
      // Of the columns of each outer index, those among the items.
      Value strips = e.dim(stripsOf(columns)), item = e.idx(kItem);
      Value last = arith::CeilDivSIOp::create(e.b, end, strips);
      e.loop(arith::DivSIOp::create(e.b, begin, strips), last, 1, [&](Value o) {
        Indices at = e.delinearize(e.uniform(o), outer);
        Value before = e.mul(o, strips);
        Value from =
            arith::MaxSIOp::create(e.b, e.sub(begin, before), e.idx(0));
        Value to = e.minIndex(e.mul(e.sub(end, before), item),
                              e.dim(columns.kept.back()));
        e.loop(e.mul(from, item), to, e.dim(width), [&](Value first) {
          emitRun(at, first, e.minIndex(e.sub(to, first), e.dim(width)));
        });
      });
    }
    for (Reduction &own : reductions)
      e.given.erase(own.op->getResult(0));
    for (auto &[op, row] : ofColumns)
      e.given.erase(op->getResult(0));
  }

private:
  /// A reduction, and for each value that it carries a row in scratch.
  struct Reduction {
    Operation *op = nullptr;
    std::unique_ptr<Partial> partial;
    SmallVector<Buffer> rows;
  };

  KernelEmitter &e;
  const Group &group;
  const ColumnReductions &columns;
  const Buffer &result;
  Value root;
  std::vector<Reduction> reductions;
  llvm::MapVector<Operation *, Buffer> ofColumns;
  Dim width; // of the longest run

  // Where the emitter is: the outer axes that stay, the run, the lanes.
  Indices at;
  Value first, length;
  Index column;

  static int64_t bytesOf(Type type) {
    return storedType(type).getIntOrFloatBitWidth() / 8;
  }

  Dim widthOfRuns(int64_t bytes) {
    int64_t most = e.machine.l1Bytes / 2 / bytes / kItem * kItem;
    if (columns.perColumn)
      return most;
    int64_t element = bytesOf(elementTypeOf(root));
    Dim rows = 1;
    Dims dims = withoutOnes(dimsOf(root));
    for (int64_t axis : columns.axes)
      rows *= dims[axis];
    Dim held = Dim::floorDiv(Dim(e.machine.l2Bytes / 2 / element / kItem),
                             Dim::max(rows, Dim(1)));
    return Dim::min(Dim::max(held, Dim(1)) * Dim(kItem), Dim(most));
  }

  /// Is it computed from reductions, and one value a column?
  bool isOfColumn(Operation *op) {
    return !columns.perColumn && op->hasTrait<OpTrait::Elementwise>() &&
           withoutOnes(dimsOf(op->getResult(0))) == columns.kept;
  }

  void eachColumn(function_ref<void()> body) {
    auto step = [&](Index i) {
      column = e.addIndex(e.uniform(first), i);
      column.aligned = i.aligned;
      body();
    };
    if (length)
      e.laneLoop(length, step);
    else
      e.laneLoop(columns.kept.back(), step);
  }

  /// The indices of a tensor whose axes, but those of one element and those
  /// among `rows`, are the ones that stay.
  Indices place(ArrayRef<Dim> dims, ArrayRef<int64_t> axes = {},
                ArrayRef<Value> rows = {}) {
    Indices found;
    size_t kept = 0;
    for (auto [axis, dim] : llvm::enumerate(dims)) {
      auto row = llvm::find(axes, static_cast<int64_t>(axis));
      if (row != axes.end())
        found.push_back(e.uniform(rows[row - axes.begin()]));
      else if (dim == Dim(1))
        found.push_back(e.uniform(0));
      else
        found.push_back(kept < at.size() ? at[kept] : column), ++kept;
    }
    return found;
  }

  Value load(const Buffer &row) { return e.load(inRun(row), column); }
  void store(Value v, const Buffer &row) { e.store(v, inRun(row), column); }
  /// The row as one that begins where the columns do.
  Buffer inRun(Buffer row) {
    row.offset = length ? e.sub(e.idx(0), first) : Value();
    return row;
  }

  /// From here on `tensor` is what `value` gives where the lanes are.
  void give(Value tensor, std::function<Value()> value) {
    e.given[tensor] = [this, tensor, value](ArrayRef<Index> wanted) {
      for (auto [index, here, dim] :
           llvm::zip_equal(wanted, place(dimsOf(tensor)), dimsOf(tensor)))
        if (dim != Dim(1) && (index < here || here < index))
          return emitElement(e, cast<OpResult>(tensor), wanted);
      return value();
    };
  }

  void emitRun(const Indices &outer, Value from, Value count) {
    at = outer;
    first = from;
    length = count;
    auto reduction = reductions.begin();
    for (Operation *op : group.ops) {
      Value v = op->getResult(0);
      if (isReduction(op)) {
        Reduction &own = *reduction++;
        reduce(own);
        give(v, [this, &own, v] {
          SmallVector<Value> partial;
          for (const Buffer &row : own.rows)
            partial.push_back(load(row));
          return e.convert(own.partial->finish(partial), elementTypeOf(v));
        });
      } else if (auto known = ofColumns.find(op); known != ofColumns.end()) {
        const Buffer &row = known->second;
        eachColumn([&] { store(e.elementVector(v, place(dimsOf(v))), row); });
        give(v, [this, &row] { return load(row); });
      }
    }
    Dims dims = dimsOf(root);
    if (columns.perColumn) {
      eachColumn([&] {
        Indices own = place(dims);
        e.store(e.element(root, own), result, own);
      });
      return;
    }
    SmallVector<int64_t> axes;
    Dims rows;
    int64_t among = 0;
    for (auto [axis, dim] : llvm::enumerate(dims)) {
      if (dim == Dim(1))
        continue;
      if (llvm::is_contained(columns.axes, among++)) {
        axes.push_back(axis);
        rows.push_back(dim);
      }
    }
    e.loop(e.idx(0), e.dim(numElements(rows)), 1, [&](Value n) {
      SmallVector<Value> row;
      for (Index index : e.delinearize(e.uniform(n), rows))
        row.push_back(index.value);
      eachColumn([&] {
        Indices own = place(dims, axes, row);
        e.store(e.element(root, own), result, own);
      });
    });
  }

  void reduce(Reduction &own) {
    checkNotEmpty(e, own.op);
    eachColumn([&] {
      for (auto [row, v] : llvm::zip_equal(own.rows, own.partial->start()))
        store(e.splat(v), row);
    });
    Value source = own.op->getOperand(0);
    Dims dims = dimsOf(source);
    SmallVector<int64_t> axes = reducedAxes(own.op);
    SmallVector<Value> row(axes.size());
    // `count` rows from `row` on.
    auto add = [&](int64_t count) {
      eachColumn([&] {
        SmallVector<Value> before, xs;
        SmallVector<Index> where;
        for (const Buffer &buffer : own.rows)
          before.push_back(load(buffer));
        SmallVector<Value> next = row;
        for (int64_t n = 0; n < count; ++n) {
          next.back() = n ? e.add(row.back(), e.idx(n)) : row.back();
          where.push_back(e.uniform(next.back()));
          xs.push_back(e.elementVector(source, place(dims, axes, next)));
        }
        SmallVector<Value> after = own.partial->addAll(before, xs, where);
        for (auto [buffer, v] : llvm::zip_equal(own.rows, after))
          store(v, buffer);
      });
    };
    int64_t together = partialsOf(e, source);
    std::function<void(size_t)> walk = [&](size_t n) {
      Value size = e.dim(dims[axes[n]]);
      auto loop = [&](Value from, Value to, int64_t step) {
        e.loop(from, to, step, [&](Value iv) {
          row[n] = iv;
          if (n + 1 < axes.size())
            walk(n + 1);
          else
            add(step);
        });
      };
      if (n + 1 < axes.size() || together == 1)
        return loop(e.idx(0), size, 1);
      Value whole =
          e.sub(size, arith::RemSIOp::create(e.b, size, e.idx(together)));
      loop(e.idx(0), whole, together);
      loop(whole, size, 1);
    };
    walk(0);
  }
};

} // namespace

void emitColumns(KernelEmitter &e, const Group &group,
                 const ColumnReductions &columns, const Buffer &result,
                 Value begin, Value end) {
  ColumnsEmitter(e, group, columns, result).emit(begin, end);
}

} // namespace mapsto
