//===- Partial.h - What a reduction carries through its loops ---*- C++ -*-===//
//
// A reduction's value so far, in one or several values of the loop: of a sum
// the sum, of a maximum also a NaN if there has been one, of argmax the best
// element and where it was. Scalars, or vectors whose lanes each have a value
// of their own until they are combined.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_COMPILER_KERNEL_PARTIAL_H
#define MAPSTO_COMPILER_KERNEL_PARTIAL_H

#include "compiler/kernel/KernelEmitter.h"

namespace mapsto {

class Partial {
public:
  using Values = llvm::SmallVector<mlir::Value>;

  virtual ~Partial() = default;
  /// Of no elements: scalars.
  virtual Values start() = 0;
  /// With x, which is at `at` of the axis reduced; with several axes it does
  /// not matter where.
  virtual Values add(mlir::ValueRange before, mlir::Value x, Index at) = 0;
  /// With several, in that order of places.
  virtual Values addAll(mlir::ValueRange before, llvm::ArrayRef<mlir::Value> xs,
                        llvm::ArrayRef<Index> at) = 0;
  /// Two made one.
  virtual Values merge(mlir::ValueRange x, mlir::ValueRange y) = 0;
  /// The result, for each lane one.
  virtual mlir::Value finish(mlir::ValueRange partial) = 0;
  /// The result of all lanes, along which the axis lies.
  virtual mlir::Value finishAcross(mlir::ValueRange partial) = 0;

  /// The same as vectors that all hold it.
  Values startOfLanes(KernelEmitter &e) {
    Values values = start();
    for (mlir::Value &v : values)
      v = e.splat(v);
    return values;
  }
};

/// Of a ReduceOp or an ArgReduceOp; `across`: the lanes are along the axis.
std::unique_ptr<Partial> partialOf(KernelEmitter &e, mlir::Operation *op,
                                   bool across);
/// How many partial results of a reduction of x hide the latency of their
/// additions: not needed where computing what is added takes longer.
int64_t partialsOf(KernelEmitter &e, mlir::Value x);
/// Tells the runtime where a best element is asked for and there is none.
void checkNotEmpty(KernelEmitter &e, mlir::Operation *op);

} // namespace mapsto

#endif // MAPSTO_COMPILER_KERNEL_PARTIAL_H
