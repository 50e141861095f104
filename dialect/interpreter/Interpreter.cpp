//===- Interpreter.cpp - Runs a function by the rules ---------------------===//

#include "dialect/interpreter/Interpreter.h"
#include "dialect/SourcePlace.h"
#include "dialect/interpreter/Rules.h"

using namespace mlir;

namespace mapsto {

const RuleTable &allRules() {
  static const RuleTable table = [] {
    RuleTable rules;
    addSourceRules(rules);
    addPointwiseRules(rules);
    addShapeRules(rules);
    addReductionRules(rules);
    addIndexingRules(rules);
    addContractionRules(rules);
    addAttentionRules(rules);
    addRecurrenceRules(rules);
    addControlRules(rules);
    return rules;
  }();
  return table;
}

//===----------------------------------------------------------------------===//
// Errors
//===----------------------------------------------------------------------===//

LogicalResult Evaluation::fail(Location loc, const Twine &message) {
  if (error.empty()) {
    std::string place = placeOf(loc);
    error = place.empty() ? message.str() : (place + ": " + message).str();
  }
  return failure();
}

FailureOr<int64_t> Evaluation::valueOf(Location loc, const Dim &dim) {
  std::optional<int64_t> value =
      dim.evaluate([&](StringRef name) -> std::optional<int64_t> {
        auto found = symbols.find(name.str());
        if (found == symbols.end())
          return std::nullopt;
        return found->second;
      });
  if (!value)
    return fail(loc, "the size " + dim.str() +
                         " has no value in this run, or one too large");
  return *value;
}

FailureOr<int64_t> Evaluation::sizeOf(Location loc, const Dim &dim) {
  FailureOr<int64_t> size = valueOf(loc, dim);
  if (succeeded(size) && *size < 0)
    return fail(loc, "the size " + dim.str() + " is " + Twine(*size) + " here");
  return size;
}

LogicalResult Call::fail(const Twine &message) const {
  return run.fail(op->getLoc(), message);
}

FailureOr<int64_t> Call::valueOf(const Dim &dim) const {
  return run.valueOf(op->getLoc(), dim);
}

FailureOr<int64_t> Call::sizeOf(const Dim &dim) const {
  return run.sizeOf(op->getLoc(), dim);
}

FailureOr<Shape> Call::sizesOf(ArrayRef<Dim> dims) const {
  Shape sizes;
  for (const Dim &dim : dims) {
    FailureOr<int64_t> size = sizeOf(dim);
    if (failed(size))
      return failure();
    sizes.push_back(*size);
  }
  return sizes;
}

const Tensor *Call::valueOf(Value operand) const {
  if (!operand)
    return nullptr;
  for (auto [index, candidate] : llvm::enumerate(op->getOperands()))
    if (candidate == operand)
      return operands[index];
  return nullptr;
}

//===----------------------------------------------------------------------===//
// Evaluation
//===----------------------------------------------------------------------===//

void Evaluation::set(Value value, Tensor tensor) {
  std::unique_ptr<Tensor> &slot = values[value];
  if (slot)
    *slot = std::move(tensor);
  else
    slot = std::make_unique<Tensor>(std::move(tensor));
}

// What gives the same value each time it is reached within a run.
static bool isSource(Operation &op) {
  return isa<ConstantOp, WeightOp, SizeOp, IotaOp>(op);
}

LogicalResult Evaluation::runOp(Operation &op) {
  if (isSource(op) && values.contains(op.getResult(0)))
    return success();
  const RuleTable &rules = allRules();
  auto rule = rules.find(op.getName().getTypeID());
  if (rule == rules.end())
    return fail(op.getLoc(), "'" + op.getName().getStringRef() +
                                 "' has no meaning to the interpreter");
  Call call{*this, &op, {}, {}};
  for (Value operand : op.getOperands())
    call.operands.push_back(values.at(operand).get());
  for (Type type : op.getResultTypes()) {
    FailureOr<Shape> shape = call.sizesOf(dimsOf(type));
    if (failed(shape))
      return failure();
    call.results.emplace_back(cast<RankedTensorType>(type).getElementType(),
                              *shape);
  }
  if (failed(rule->second(call)))
    return failure();
  for (Tensor &result : call.results)
    normalize(result);
  if (observing && observer)
    observer(&op, call.results);
  for (auto [value, tensor] : llvm::zip_equal(op.getResults(), call.results))
    set(value, std::move(tensor));
  return success();
}

FailureOr<std::vector<Tensor>>
Evaluation::runBlock(Block &block, ArrayRef<const Tensor *> arguments) {
  for (auto [argument, tensor] :
       llvm::zip_equal(block.getArguments(), arguments))
    set(argument, *tensor);
  for (Operation &op : block.without_terminator())
    if (failed(runOp(op)))
      return failure();
  std::vector<Tensor> results;
  for (Value value : block.getTerminator()->getOperands())
    results.push_back(*values.at(value));
  return results;
}

FailureOr<std::vector<Tensor>>
Evaluation::runRegion(Region &region, ArrayRef<const Tensor *> arguments) {
  bool before = std::exchange(observing, false);
  FailureOr<std::vector<Tensor>> results = runBlock(region.front(), arguments);
  observing = before;
  return results;
}

//===----------------------------------------------------------------------===//
// Entry
//===----------------------------------------------------------------------===//

static std::string argumentName(func::FuncOp function, unsigned index) {
  for (StringRef attribute : {StringRef(kNameAttr), StringRef(kStateAttr)})
    if (auto name = function.getArgAttrOfType<StringAttr>(index, attribute))
      return "'" + name.str() + "'";
  return "#" + std::to_string(index);
}

// Bare symbols take their value from the first argument that has them; every
// other size is then checked.
static LogicalResult bindSymbols(func::FuncOp function,
                                 ArrayRef<Tensor> arguments, Evaluation &run) {
  Location loc = function.getLoc();
  for (auto [index, type] : llvm::enumerate(function.getArgumentTypes())) {
    Dims dims = dimsOf(type);
    const Tensor &tensor = arguments[index];
    std::string name = argumentName(function, index);
    if (tensor.elementType != cast<RankedTensorType>(type).getElementType())
      return run.fail(loc, "input " + name +
                               " is of another element type than declared");
    if (tensor.shape.size() != dims.size())
      return run.fail(loc, "input " + name + " must be " + str(dims) +
                               ", found " + str(tensor.shape));
    for (auto [axis, dim] : llvm::enumerate(dims))
      if (std::optional<std::string> symbol = dim.symbolName())
        run.symbols.try_emplace(*symbol, tensor.shape[axis]);
  }
  for (auto [index, type] : llvm::enumerate(function.getArgumentTypes()))
    for (auto [axis, dim] : llvm::enumerate(dimsOf(type))) {
      FailureOr<int64_t> expected = run.sizeOf(loc, dim);
      if (failed(expected))
        return failure();
      int64_t found = arguments[index].shape[axis];
      if (*expected != found)
        return run.fail(loc, "input " + argumentName(function, index) +
                                 " has size " + Twine(found) + " on axis " +
                                 Twine(axis) + ", but " + dim.str() + " is " +
                                 Twine(*expected));
    }
  return success();
}

FailureOr<std::vector<Tensor>> Interpreter::run(func::FuncOp function,
                                                ArrayRef<Tensor> arguments,
                                                std::string &error) {
  Evaluation evaluation(weights, observer);
  auto finish = [&](FailureOr<std::vector<Tensor>> results) {
    error = evaluation.error;
    lastSymbols = evaluation.symbols;
    return results;
  };
  if (arguments.size() != function.getNumArguments()) {
    (void)evaluation.fail(function.getLoc(),
                          "expected " + Twine(function.getNumArguments()) +
                              " inputs, found " + Twine(arguments.size()));
    return finish(failure());
  }
  if (failed(bindSymbols(function, arguments, evaluation)))
    return finish(failure());
  std::vector<const Tensor *> pointers;
  for (const Tensor &argument : arguments)
    pointers.push_back(&argument);
  return finish(evaluation.runBlock(function.getBody().front(), pointers));
}

FailureOr<std::vector<Tensor>> evaluateOp(Operation *op,
                                          ArrayRef<Tensor> operands) {
  auto rule = allRules().find(op->getName().getTypeID());
  if (rule == allRules().end())
    return failure();
  Interpreter::WeightLookup noWeights = [](StringRef) { return failure(); };
  Interpreter::Observer nobody;
  Evaluation evaluation(noWeights, nobody);
  Call call{evaluation, op, {}, {}};
  for (const Tensor &operand : operands)
    call.operands.push_back(&operand);
  // Pointwise ops may be evaluated on other shapes than their own: folding
  // passes one element for all where every operand is a splat.
  bool isPointwise = op->hasTrait<OpTrait::Elementwise>();
  for (Type type : op->getResultTypes()) {
    FailureOr<Shape> shape = isPointwise ? FailureOr<Shape>(operands[0].shape)
                                         : call.sizesOf(dimsOf(type));
    if (failed(shape))
      return failure();
    call.results.emplace_back(cast<RankedTensorType>(type).getElementType(),
                              *shape);
  }
  if (failed(rule->second(call)))
    return failure();
  for (Tensor &result : call.results)
    normalize(result);
  return std::vector<Tensor>(std::make_move_iterator(call.results.begin()),
                             std::make_move_iterator(call.results.end()));
}

} // namespace mapsto
