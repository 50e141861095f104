//===- Batching.h - One element's op, written for all elements --*- C++ -*-===//
//
// A loop body or a score region computes one step or one key. Taking an op out
// of it means writing the same op for all steps or keys at once: every value
// that differs between them gets additional axes, all at the same place.
//
//   per step:           %m = mapsto.matmul %x_t, %w    : [B, I] by [I, N]
//   with T at axis 1:   %m = mapsto.matmul %x, %w      : [B, T, I] by [I, N]
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_COMPILER_GRAPH_BATCHING_H
#define MAPSTO_COMPILER_GRAPH_BATCHING_H

#include "compiler/graph/Build.h"
#include "mlir/IR/IRMapping.h"

namespace mapsto {

/// Writes ops for all elements of a batch. `axes` are the sizes that an
/// element's values get in the batch, from axis `at` on.
class Batching {
public:
  Batching(Dims axes, int64_t at) : axes(std::move(axes)), at(at) {}

  /// Says that `all` is the batch whose element is `element`.
  void set(mlir::Value element, mlir::Value all) { batch[element] = all; }
  bool contains(mlir::Value element) const { return batch.contains(element); }
  mlir::Value get(mlir::Value element) const { return batch.lookup(element); }

  /// Whether `apply` can write the op, which computes one element; the values
  /// for which `varies` holds differ between elements, others are the same for
  /// all of them and available outside.
  bool canApply(mlir::Operation *op,
                llvm::function_ref<bool(mlir::Value)> varies) const;
  /// Writes `op` for the whole batch and remembers its result.
  void apply(mlir::OpBuilder &builder, mlir::Operation *op);

private:
  /// The shape in the batch of an element's value.
  Dims withAxes(mlir::Value element) const;
  /// Where an element's axis lies in the batch.
  int64_t shifted(int64_t axis) const {
    return axis < at ? axis : axis + static_cast<int64_t>(axes.size());
  }
  mlir::Value operand(GraphBuilder &b, mlir::Value element) const;
  mlir::Value spread(GraphBuilder &b, mlir::Value same) const;
  mlir::Value write(GraphBuilder &b, mlir::Operation *op) const;
  mlir::Value writeMatmul(GraphBuilder &b, MatmulOp op) const;

  Dims axes;
  int64_t at;
  llvm::DenseMap<mlir::Value, mlir::Value> batch;
};

} // namespace mapsto

#endif // MAPSTO_COMPILER_GRAPH_BATCHING_H
