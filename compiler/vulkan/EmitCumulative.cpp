//===- EmitCumulative.cpp - Running sums in a shader ----------------------===//
//
// Lines that lie side by side are an invocation's each: what neighbours read is
// contiguous. A line that is contiguous itself is shared: the workgroup goes
// along it as many elements at a time as it has invocations, and adds up each
// such block in rounds of doubling distance (Hillis and Steele, "Data parallel
// algorithms", 1986).
//
//===----------------------------------------------------------------------===//

#include "compiler/vulkan/EmitCumulative.h"

using namespace mlir;

namespace mapsto {

/// A line of fewer elements is not worth the barriers of a shared one.
static constexpr int64_t kShortLine = 32;

static Dims outerDims(CumulativeOp op) {
  Dims dims = dimsOf(op.getX());
  dims.erase(dims.begin() + op.getAxis());
  return dims;
}

static Dim lengthOf(CumulativeOp op) { return dimOf(op.getX(), op.getAxis()); }

Dim linesOf(CumulativeOp op) { return numElements(outerDims(op)); }

bool hasLinePerInvocation(CumulativeOp op) {
  std::optional<int64_t> length = lengthOf(op).constant();
  return op.getAxis() + 1 != dimsOf(op.getX()).size() ||
         (length && *length <= kShortLine);
}

/// The place of a line's element; a reversed line starts at its end.
static Indices placeOf(KernelEmitter &e, CumulativeOp op, ArrayRef<Index> line,
                       Index i) {
  if (op.getReverse())
    i.value = e.sub(e.sub(e.dim(lengthOf(op)), e.idx(1)), i.value);
  Indices at(line);
  at.insert(at.begin() + op.getAxis(), i);
  return at;
}

void emitOwnLine(KernelEmitter &e, CumulativeOp op, const Buffer &result,
                 Index line) {
  Indices outer = e.delinearize(line, outerDims(op));
  Type type = KernelEmitter::accumulatorType(elementTypeOf(op.getResult()));
  e.loop(e.idx(0), e.dim(lengthOf(op)), 1, e.identity(op.getKind(), type),
         [&](Value i, ValueRange carried) {
           Indices at = placeOf(e, op, outer, e.uniform(i));
           Value x = e.convert(e.element(op.getX(), at), type);
           Value next = e.combine(op.getKind(), carried[0], x);
           e.store(op.getExclusive() ? Value(carried[0]) : next, result, at);
           return SmallVector<Value>{next};
         });
}

namespace {

/// A line of a workgroup.
class SharedLine {
public:
  SharedLine(KernelEmitter &e, CumulativeOp op)
      : e(e), op(op), kind(op.getKind()),
        type(KernelEmitter::accumulatorType(elementTypeOf(op.getResult()))),
        partial(e.sharedArray("partial", {Dim(kLineInvocations)}, type)),
        mine(e.invocation()) {}

  void emit(const Buffer &result, Value line) {
    Indices outer = e.delinearize(e.uniform(line), outerDims(op));
    Value length = e.dim(lengthOf(op));
    e.loop(e.idx(0), length, e.invocations(), e.identity(kind, type),
           [&](Value block, ValueRange carried) {
             Value before = carried[0];
             Value i = e.add(block, mine);
             Value isInside = e.less(i, length);
             Indices at = placeOf(e, op, outer, {i, Index::Lanes});
             addUpBlock(orIdentity(isInside, [&] {
               return e.convert(e.element(op.getX(), at), type);
             }));
             Value mineOnly =
                 op.getExclusive()
                     ? orIdentity(
                           e.less(e.idx(0), mine),
                           [&] { return partialAt(e.sub(mine, e.idx(1))); })
                     : partialAt(mine);
             e.when(isInside, [&] {
               e.store(e.combine(kind, before, mineOnly), result, at);
             });
             Value all = partialAt(e.sub(e.invocations(), e.idx(1)));
             Value after = e.combine(kind, before, all);
             e.barrier();
             return SmallVector<Value>{after};
           });
  }

private:
  KernelEmitter &e;
  CumulativeOp op;
  ReduceKind kind;
  Type type;
  Buffer partial; // an element an invocation
  Value mine;

  Value partialAt(Value invocation) {
    return e.load(partial, Index{invocation, Index::Lanes});
  }

  Value orIdentity(Value condition, function_ref<Value()> value) {
    return e.branch(
        condition, type, [&] { return SmallVector<Value>{value()}; },
        [&] { return SmallVector<Value>{e.identity(kind, type)}; })[0];
  }

  /// Leaves in each invocation's place all up to its own `x`.
  void addUpBlock(Value x) {
    Index own{mine, Index::Lanes};
    e.store(x, partial, own);
    e.barrier();
    e.loop(e.idx(0), e.idx(llvm::Log2_64_Ceil(kLineInvocations)), 1, x,
           [&](Value round, ValueRange carried) {
             Value distance = arith::ShLIOp::create(e.b, e.idx(1), round);
             Value isFar = arith::CmpIOp::create(e.b, arith::CmpIPredicate::sge,
                                                 mine, distance);
             Value left = orIdentity(
                 isFar, [&] { return partialAt(e.sub(mine, distance)); });
             e.barrier();
             Value sum = e.combine(kind, left, carried[0]);
             e.store(sum, partial, own);
             e.barrier();
             return SmallVector<Value>{sum};
           });
  }
};

} // namespace

void emitSharedLine(KernelEmitter &e, CumulativeOp op, const Buffer &result,
                    Value line) {
  SharedLine(e, op).emit(result, line);
}

} // namespace mapsto
