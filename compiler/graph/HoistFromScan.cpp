//===- HoistFromScan.cpp - Out of the time loop what can be ---------------===//
//
// A recurrence often computes, at each step, something of its input alone: the
// projections of a hand-written cell, say. For the whole sequence that is one
// matmul, which uses the machine far better than one a step:
//
//   mapsto.scan init(%s0) over(%x) {axis = 1, count = "T"} {
//     ^bb0(%s, %x_t):
//       %m = mapsto.matmul %x_t, %w
//       %a = mapsto.add %m, %s
//       mapsto.yield %a, %a
//   }
// becomes
//   %m = mapsto.matmul %x, %w
//   mapsto.scan init(%s0) over(%m) {axis = 1, count = "T"} {
//     ^bb0(%s, %m_t):
//       %a = mapsto.add %m_t, %s
//       mapsto.yield %a, %a
//   }
//
// What depends on nothing that changes between steps leaves the body of a scan
// or a repeat altogether.
//
//===----------------------------------------------------------------------===//

#include "compiler/Passes.h"
#include "compiler/graph/Hoisting.h"

namespace mapsto {

#define GEN_PASS_DEF_HOISTFROMSCAN
#include "compiler/Passes.h.inc"

using namespace mlir;

namespace {

enum : unsigned { kState = 1, kStep = 2 };

/// The class of each argument of a scan's body.
SmallVector<unsigned> classesOf(ScanOp scan) {
  SmallVector<unsigned> classes(scan.getInits().size(), kState);
  classes.append(scan.getSequences().size(), kStep);
  return classes;
}

/// Scalar arithmetic is as cheap inside, and storing its result is not.
bool isWorthStoring(Operation *op) {
  bool isScalar = op->getNumResults() == 1 &&
                  dimsOf(op->getResult(0)).empty() && isPointwise(op);
  return !isFree(op) && !isScalar;
}

void dropUnusedSequences(ScanOp scan) {
  Block &body = scan.getBody().front();
  unsigned states = scan.getInits().size();
  for (unsigned i = scan.getSequences().size(); i-- > 0;) {
    if (!body.getArgument(states + i).use_empty())
      continue;
    body.eraseArgument(states + i);
    scan.getSequencesMutable().erase(i);
  }
}

void hoistFrom(ScanOp scan) {
  Block &body = scan.getBody().front();
  // Of a transposed parameter the parts are columns, which would be copied out
  // of it at each run and, in the loop, read unpacked.
  splitConcatMatmuls(body, classesOf(scan), [](MatmulOp matmul) {
    return !matmul.getTransposed() && matmul.getRhs().getDefiningOp<WeightOp>();
  });
  Dependence dependence(body, classesOf(scan));
  hoistInvariants(body, dependence, isWorthStoring);

  Batching batching({*Dim::parse(scan.getCount())}, scan.getAxis());
  unsigned states = scan.getInits().size();
  for (auto [i, sequence] : llvm::enumerate(scan.getSequences()))
    batching.set(body.getArgument(states + i), sequence);
  SmallVector<Value> steps =
      hoistBatch(body, dependence, kStep, batching,
                 [](Operation *op) { return isa<MatmulOp>(op); });
  for (Value step : steps) {
    scan.getSequencesMutable().append(batching.get(step));
    BlockArgument argument = body.addArgument(step.getType(), step.getLoc());
    step.replaceAllUsesWith(argument);
  }
  eraseUnused(body);
  dropUnusedSequences(scan);
  sinkFreeOps(body);
}

void hoistFrom(RepeatOp repeat) {
  Block &body = repeat.getBody().front();
  SmallVector<unsigned> classes(body.getNumArguments(), kState);
  hoistInvariants(body, Dependence(body, classes),
                  [](Operation *op) { return !isFree(op); });
  sinkFreeOps(body);
}

struct HoistFromScan : public impl::HoistFromScanBase<HoistFromScan> {
  void runOnOperation() override {
    // Inner loops first: what leaves them may leave the outer ones too.
    getOperation().walk([](Operation *op) {
      if (auto scan = dyn_cast<ScanOp>(op))
        hoistFrom(scan);
      else if (auto repeat = dyn_cast<RepeatOp>(op))
        hoistFrom(repeat);
    });
  }
};

} // namespace
} // namespace mapsto
