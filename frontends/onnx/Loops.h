//===- Loops.h - Bodies of loops, and the loops around them -----*- C++ -*-===//

#ifndef MAPSTO_FRONTENDS_ONNX_LOOPS_H
#define MAPSTO_FRONTENDS_ONNX_LOOPS_H

#include "frontends/onnx/Node.h"

namespace mapsto::onnx {

/// The body of a loop, imported before the loop around it is built: what it
/// yields decides what that is. A body of which no loop was made is gone with
/// this.
class LoopBody {
public:
  LoopBody(Node &n, mlir::TypeRange states, mlir::TypeRange steps);
  ~LoopBody();

  /// The number of the step, an i64 scalar.
  mlir::Value number() { return block->getArgument(0); }
  mlir::Value state(size_t i) { return block->getArgument(unsigned(1 + i)); }
  /// This step of the i-th sequence.
  mlir::Value step(size_t i) {
    return block->getArgument(unsigned(1 + states + i));
  }
  /// Builds in the body, after what is there.
  void build(llvm::function_ref<void()> what);
  FailureOr<std::vector<Value>> import(const GraphProto &graph,
                                       llvm::ArrayRef<Value> inputs);

  /// What the loop around the body is.
  struct Frame {
    llvm::SmallVector<mlir::Value> inits, sequences;
    /// From the body: new states, and outputs to stack.
    llvm::SmallVector<mlir::Value> yields;
    /// From the body: a boolean scalar, whether this step is the last. Null:
    /// `count` steps run.
    mlir::Value stop;
    Dim count;
    int64_t axis = 0; ///< of time, in sequences and stacked outputs
    bool reverse = false;
  };
  /// The loop's results: final states, then stacked outputs. One kernel
  /// (`mapsto.scan`) where every op of the body can be part of one and no
  /// condition ends it, else a sequence of kernels a step (`mapsto.repeat`).
  llvm::SmallVector<mlir::Value> finish(const Frame &frame);

private:
  bool fitsOneKernel();
  llvm::SmallVector<mlir::Value> scan(const Frame &frame);
  llvm::SmallVector<mlir::Value> repeat(const Frame &frame);
  llvm::SmallVector<mlir::Type> resultTypes(const Frame &frame);

  Node &n;
  mlir::Block *block;
  size_t states;
};

} // namespace mapsto::onnx

#endif // MAPSTO_FRONTENDS_ONNX_LOOPS_H
