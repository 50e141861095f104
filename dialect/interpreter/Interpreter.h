//===- Interpreter.h - What a graph means, as running code ------*- C++ -*-===//
//
// Evaluates a function of the mapsto dialect in any phase up to `kernels`.
// Every op has one rule, written plainly, in double (or int64) precision:
// results typed f16 or bf16 are rounded to that type, f32 results are not
// rounded between ops. Every kernel on every target is judged by this.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_DIALECT_INTERPRETER_INTERPRETER_H
#define MAPSTO_DIALECT_INTERPRETER_INTERPRETER_H

#include "dialect/interpreter/Tensor.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace mapsto {

class Interpreter {
public:
  /// A parameter's tensor as it is in its file; failure if there is none.
  using WeightLookup =
      std::function<mlir::FailureOr<Tensor>(llvm::StringRef name)>;
  /// Called after every op of a function or kernel (not inside the regions of
  /// attention, scan and repeat) with its results.
  using Observer =
      std::function<void(mlir::Operation *, llvm::ArrayRef<Tensor>)>;

  explicit Interpreter(WeightLookup weights) : weights(std::move(weights)) {}

  void setObserver(Observer fn) { observer = std::move(fn); }

  /// Runs `function` on one tensor per argument (states included, in order) and
  /// gives one per result. Symbols are bound from the arguments' shapes. On
  /// failure `error` says what was wrong and, for an op, where it was written:
  /// "model.mto:3:7: index 9 is out of range for 8 rows".
  mlir::FailureOr<std::vector<Tensor>> run(mlir::func::FuncOp function,
                                           llvm::ArrayRef<Tensor> arguments,
                                           std::string &error);

  /// The values of the symbols in the last run.
  const std::map<std::string, int64_t> &symbols() const { return lastSymbols; }

private:
  WeightLookup weights;
  Observer observer;
  std::map<std::string, int64_t> lastSymbols;
};

/// Evaluates one pointwise or shape op of constant sizes on its operands, as
/// folding does. Failure where the op has no rule or the rule refuses.
mlir::FailureOr<std::vector<Tensor>>
evaluateOp(mlir::Operation *op, llvm::ArrayRef<Tensor> operands);

} // namespace mapsto

#endif // MAPSTO_DIALECT_INTERPRETER_INTERPRETER_H
