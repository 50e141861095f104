//===- Rules.h - The table of rules, one per op -----------------*- C++ -*-===//
//
// Inside the interpreter: a rule computes an op's results from its operands.
// Each file of rules fills its part of the table (`addXRules`). A rule finds
// its results allocated, zeroed, in `call.results`.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_DIALECT_INTERPRETER_RULES_H
#define MAPSTO_DIALECT_INTERPRETER_RULES_H

#include "dialect/MapstoDialect.h"
#include "dialect/interpreter/Interpreter.h"

#include "llvm/ADT/DenseMap.h"

namespace mapsto {

class Evaluation;

/// One op being evaluated.
struct Call {
  Evaluation &run;
  mlir::Operation *op;
  llvm::SmallVector<const Tensor *, 4> operands; // one per operand of the op
  llvm::SmallVector<Tensor, 2> results;

  const Tensor &in(unsigned index) const { return *operands[index]; }
  /// The operand's value; null for an optional operand that is not there.
  const Tensor *valueOf(mlir::Value operand) const;
  Tensor &out(unsigned index = 0) { return results[index]; }
  /// Ends the run with a message, located at the op.
  mlir::LogicalResult fail(const llvm::Twine &message) const;
  /// The size's value in this run; fails where it has none or is negative.
  mlir::FailureOr<int64_t> sizeOf(const Dim &dim) const;
  mlir::FailureOr<int64_t> valueOf(const Dim &dim) const;
  mlir::FailureOr<Shape> sizesOf(llvm::ArrayRef<Dim> dims) const;
};

using Rule = std::function<mlir::LogicalResult(Call &)>;
using RuleTable = llvm::DenseMap<mlir::TypeID, Rule>;

/// Enters the rule of an op class.
template <typename Op>
void addRule(RuleTable &rules, mlir::LogicalResult (*rule)(Op, Call &)) {
  rules[mlir::TypeID::get<Op>()] = [rule](Call &call) {
    return rule(llvm::cast<Op>(call.op), call);
  };
}

void addSourceRules(RuleTable &rules);
void addPointwiseRules(RuleTable &rules);
void addShapeRules(RuleTable &rules);
void addReductionRules(RuleTable &rules);
void addIndexingRules(RuleTable &rules);
void addContractionRules(RuleTable &rules);
void addAttentionRules(RuleTable &rules);
void addRecurrenceRules(RuleTable &rules);
void addControlRules(RuleTable &rules);

const RuleTable &allRules();

/// The state of one run: values, symbols, parameters, and the first error.
class Evaluation {
public:
  Evaluation(const Interpreter::WeightLookup &weights,
             const Interpreter::Observer &observer)
      : weights(weights), observer(observer) {}

  /// Evaluates a block on its arguments; gives the operands of its terminator.
  mlir::FailureOr<std::vector<Tensor>>
  runBlock(mlir::Block &block, llvm::ArrayRef<const Tensor *> arguments);
  /// The same for a block within an op: the observer does not hear of it.
  mlir::FailureOr<std::vector<Tensor>>
  runRegion(mlir::Region &region, llvm::ArrayRef<const Tensor *> arguments);

  mlir::LogicalResult fail(mlir::Location loc, const llvm::Twine &message);
  mlir::FailureOr<int64_t> sizeOf(mlir::Location loc, const Dim &dim);
  /// As sizeOf, of an expression that may well be negative.
  mlir::FailureOr<int64_t> valueOf(mlir::Location loc, const Dim &dim);

  const Interpreter::WeightLookup &weights;
  std::map<std::string, int64_t> symbols;
  std::string error;

private:
  mlir::LogicalResult runOp(mlir::Operation &op);
  void set(mlir::Value value, Tensor tensor);

  const Interpreter::Observer &observer;
  bool observing = true;
  // Pointers, so that a rule's operands stay where they are while it runs the
  // op's regions.
  llvm::DenseMap<mlir::Value, std::unique_ptr<Tensor>> values;
};

//===----------------------------------------------------------------------===//
// Walking tensors
//===----------------------------------------------------------------------===//

/// A tensor seen as [outer, axis, inner]: the element at (o, a, i) is at
/// (o * length + a) * inner + i.
struct AxisView {
  int64_t outer, length, inner;
  AxisView(llvm::ArrayRef<int64_t> shape, int64_t axis)
      : outer(countOf(shape.take_front(axis))), length(shape[axis]),
        inner(countOf(shape.drop_front(axis + 1))) {}
  int64_t at(int64_t o, int64_t a, int64_t i) const {
    return (o * length + a) * inner + i;
  }
};

/// Calls `fn(position)` for every index of `shape` in row-major order, where
/// position = offset + sum of index * stride.
template <typename Fn>
void forEachPosition(llvm::ArrayRef<int64_t> shape,
                     llvm::ArrayRef<int64_t> strides, int64_t offset, Fn &&fn) {
  int64_t count = countOf(shape);
  Shape index(shape.size());
  int64_t position = offset;
  for (int64_t n = 0; n != count; ++n) {
    fn(position);
    for (size_t axis = shape.size(); axis-- > 0;) {
      position += strides[axis];
      if (++index[axis] != shape[axis])
        break;
      position -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
  }
}

/// Fills `result` from x's elements at offset + sum of index * stride.
void gatherInto(Tensor &result, const Tensor &x,
                llvm::ArrayRef<int64_t> strides, int64_t offset);

/// Combines two elements as a reduction of this kind does; `double` with
/// infinities or `int64_t`.
double combine(ReduceKind kind, double a, double b);
int64_t combine(ReduceKind kind, int64_t a, int64_t b);
/// What a reduction of no elements gives.
double initialFloat(ReduceKind kind);
int64_t initialInteger(ReduceKind kind, mlir::Type elementType);

} // namespace mapsto

#endif // MAPSTO_DIALECT_INTERPRETER_RULES_H
