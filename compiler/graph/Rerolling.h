//===- Rerolling.h - Steps that were written out, as a scan -----*- C++ -*-===//

#ifndef MAPSTO_COMPILER_GRAPH_REROLLING_H
#define MAPSTO_COMPILER_GRAPH_REROLLING_H

#include "compiler/graph/Batching.h"
#include "compiler/graph/Unrolled.h"

namespace mapsto {

/// Writes a recurrence that was matched as a scan: what its steps read becomes
/// sequences, what is read of them outputs, and what is made of these is made
/// for all steps at once.
class Rerolling {
public:
  explicit Rerolling(const Unrolled &unrolled);
  void run();

private:
  struct State {
    unsigned op, result;
    mlir::Value init;
  };

  // What the scan reads.
  mlir::Value sequenceOf(StepSlices slices);
  mlir::Value sequenceOf(llvm::ArrayRef<mlir::Value> values);
  unsigned argumentOf(mlir::Value sequence);
  void findStates();
  void findOutputs();
  void findSequences();

  // Its body.
  ScanOp create();
  mlir::Value operandInBody(GraphBuilder &in, unsigned op, unsigned k);
  void cloneInto(GraphBuilder &in, unsigned op);
  void inlineStep(GraphBuilder &in, ScanOp scan, mlir::ValueRange operands);

  // What reads it.
  void computeReadouts(Batching &batching);
  void replace(mlir::OpResult of, mlir::Value all, mlir::Value last);
  void joinParts(ConcatOp concat, const StepOp &op, mlir::OpResult of,
                 mlir::Value all);
  mlir::Value at(mlir::Value all, int64_t step);
  mlir::Value moveAxis(mlir::Value x, int64_t from, int64_t to);
  void eraseSteps();

  int64_t timeOf(int64_t step) const {
    return u.reversed ? u.steps - 1 - step : step;
  }

  const Unrolled &u;
  mlir::OpBuilder builder;
  GraphBuilder b;
  llvm::SmallVector<State> states;
  llvm::SmallVector<std::pair<unsigned, unsigned>> outputs; // op, result
  llvm::SmallVector<mlir::Value> sequences;
  /// The sequence of an op's operand.
  llvm::DenseMap<std::pair<unsigned, unsigned>, unsigned> sequenceAt;
  /// Step 0's values in the body.
  mlir::IRMapping inBody;
  mlir::Block *body = nullptr;
};

} // namespace mapsto

#endif // MAPSTO_COMPILER_GRAPH_REROLLING_H
