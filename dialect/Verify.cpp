//===- Verify.cpp - What the types alone do not say -----------------------===//
//
// Verifiers of the ops whose result types are written rather than inferred,
// and of regions. See InferTypes.cpp for all others.
//
//===----------------------------------------------------------------------===//

#include "dialect/MapstoDialect.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"

using namespace mlir;

namespace mapsto {

//===----------------------------------------------------------------------===//
// Helpers
//===----------------------------------------------------------------------===//

static bool isScalarOf(Type type, function_ref<bool(Type)> element) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor && tensor.getRank() == 0 && element(tensor.getElementType());
}
static bool isBoolScalar(Type type) {
  return isScalarOf(type, [](Type e) { return e.isInteger(1); });
}
static bool isIndexScalar(Type type) {
  return isScalarOf(type, [](Type e) { return e.isInteger(64); });
}
static bool isFloatScalar(Type type) {
  return isScalarOf(type, [](Type e) { return isa<FloatType>(e); });
}

static bool isTime(Dims dims, int64_t axis, const Dim &count) {
  return axis >= 0 && axis < static_cast<int64_t>(dims.size()) &&
         dims[axis] == count;
}

static Type withoutAxis(Type type, int64_t axis) {
  Dims dims = dimsOf(type);
  dims.erase(dims.begin() + axis);
  return tensorOf(dims, cast<RankedTensorType>(type).getElementType());
}

// The yield a region ends with; reports where there is none.
static YieldOp yieldOf(Operation *op, Region &region, StringRef name) {
  Block &block = region.front();
  if (block.mightHaveTerminator())
    if (auto yield = dyn_cast<YieldOp>(block.getTerminator()))
      return yield;
  op->emitOpError() << "region '" << name << "' must end with mapsto.yield";
  return nullptr;
}

static LogicalResult checkCanonical(Operation *op, StringRef what,
                                    StringRef text) {
  FailureOr<Dim> dim = Dim::parse(text);
  if (failed(dim))
    return op->emitOpError()
           << what << " \"" << text << "\" is not an expression over symbols";
  if (std::string canonical = dim->str(); canonical != text)
    return op->emitOpError() << what << " \"" << text << "\" must be written \""
                             << canonical << "\"";
  return success();
}

//===----------------------------------------------------------------------===//
// Sources
//===----------------------------------------------------------------------===//

// What a narrow matrix may be asked for: its values, what is stored, and the
// scales of its channels.
static LogicalResult verifyStored(WeightOp op, RankedTensorType type) {
  StorageAttr stored = op.getStoredAttr();
  if (!stored)
    return op.getScales() ? op.emitOpError("'scales' needs 'stored'")
                          : success();
  Type element = type.getElementType();
  if (op.getScales()) {
    if (!stored.getChannels() || op.getPanel() || type.getRank() != 1 ||
        !element.isF32())
      return op.emitOpError("scales are one f32 for each channel of an i8 "
                            "matrix");
    return success();
  }
  if (!op.getPanel() && type.getRank() != 2)
    return op.emitOpError("only matrices are stored in fewer bits");
  if (element != stored.getType() && (op.getPanel() || !element.isF32()))
    return op.emitOpError() << "is stored as " << stored.getType()
                            << ", and cannot be read as " << element;
  return success();
}

LogicalResult WeightOp::verify() {
  auto type = cast<RankedTensorType>(getType());
  if (!type.hasStaticShape())
    return emitOpError() << "a parameter has constant sizes, found "
                         << str(dimsOf(type));
  if (getName().empty())
    return emitOpError("needs a name");
  if (getRowStart() &&
      (static_cast<int64_t>(*getRowStart()) < 0 || type.getRank() == 0))
    return emitOpError("row_start must be at least 0, on a tensor with rows");
  if (failed(verifyStored(*this, type)))
    return failure();

  if (!getPanel()) {
    if (getTransposed() || getSourceShape())
      return emitOpError("'transposed' and 'source_shape' say how a matrix is "
                         "packed; they need 'panel'");
    return success();
  }
  int64_t panel = *getPanel();
  std::optional<ArrayRef<int64_t>> source = getSourceShape();
  if (panel < 1 || !source || source->size() < 2)
    return emitOpError("packing needs a 'panel' of at least 1 and the "
                       "'source_shape' of a matrix");
  int64_t depth = source->front(),
          columns = llvm::product_of(source->drop_front());
  if (getTransposed())
    std::swap(depth, columns);
  int64_t panels = columns / panel + (columns % panel != 0);
  if (type.getShape() != ArrayRef<int64_t>{panels, depth, panel})
    return emitOpError() << "packed, a matrix of " << depth << " by " << columns
                         << " is tensor<" << panels << "x" << depth << "x"
                         << panel << ">, found " << type;
  return success();
}

LogicalResult SizeOp::verify() {
  return checkCanonical(*this, "size", getDim());
}

LogicalResult IotaOp::verify() {
  int64_t axis = getAxis();
  auto type = cast<RankedTensorType>(getType());
  if (axis < 0 || axis >= type.getRank())
    return emitOpError() << "axis " << axis << " is outside a tensor of rank "
                         << type.getRank();
  if (type.getElementType().isInteger(1))
    return emitOpError("counts numbers, not booleans");
  return success();
}

//===----------------------------------------------------------------------===//
// Pointwise and shapes
//===----------------------------------------------------------------------===//

LogicalResult SelectOp::verify() {
  if (dimsOf(getCondition()) == dimsOf(getX()))
    return success();
  return emitOpError() << "condition " << str(dimsOf(getCondition()))
                       << " and values " << str(dimsOf(getX()))
                       << " must have one shape";
}

LogicalResult CastOp::verify() {
  if (dimsOf(getX()) == dimsOf(getResult()))
    return success();
  return emitOpError() << "changes only the element type, found "
                       << str(dimsOf(getX())) << " to "
                       << str(dimsOf(getResult()));
}

static LogicalResult checkSameElement(Operation *op) {
  Type from = elementTypeOf(op->getOperand(0));
  Type to = elementTypeOf(op->getResult(0));
  if (from == to)
    return success();
  return op->emitOpError() << "keeps the element type, found " << from << " to "
                           << to;
}

LogicalResult BroadcastOp::verify() {
  if (failed(checkSameElement(*this)))
    return failure();
  Dims from = dimsOf(getX()), to = dimsOf(getResult());
  bool fits = from.size() <= to.size();
  for (size_t i = 0; fits && i != from.size(); ++i) {
    const Dim &source = from[from.size() - 1 - i];
    fits = source == to[to.size() - 1 - i] || source == Dim(1);
  }
  if (fits)
    return success();
  return emitOpError() << str(from) << " does not broadcast to " << str(to);
}

LogicalResult ReshapeOp::verify() {
  if (failed(checkSameElement(*this)))
    return failure();
  Dims from = dimsOf(getX()), to = dimsOf(getResult());
  Dim before = numElements(from), after = numElements(to);
  if (before == after)
    return success();
  return emitOpError() << str(from) << " has " << before.str() << " elements, "
                       << str(to) << " has " << after.str();
}

//===----------------------------------------------------------------------===//
// Attention
//===----------------------------------------------------------------------===//

// Feature operands of one side agree on all but the last axis.
static LogicalResult checkFeatures(AttentionOp op, StringRef what,
                                   OperandRange features) {
  if (features.empty())
    return op.emitOpError() << "needs at least one of " << what;
  Dims first = dimsOf(features.front());
  if (first.size() < 2)
    return op.emitOpError() << what << " are [batch..., length, features], "
                            << "found " << str(first);
  for (Value other : features)
    if (ArrayRef(dimsOf(other)).drop_back() != ArrayRef(first).drop_back())
      return op.emitOpError()
             << what << " " << str(first) << " and " << str(dimsOf(other))
             << " must agree on all but the last axis";
  return success();
}

static LogicalResult checkResult(AttentionOp op, StringRef what, Value result,
                                 ArrayRef<Dim> expected) {
  if (!result)
    return success();
  if (ArrayRef(dimsOf(result)) != expected)
    return op.emitOpError() << what << " is " << str(dimsOf(result))
                            << ", expected " << str(expected);
  if (!isa<FloatType>(elementTypeOf(result)))
    return op.emitOpError() << what << " must be of floats";
  return success();
}

static LogicalResult checkScore(AttentionOp op) {
  if (op.getScore().empty()) {
    Dim query = dimsOf(op.getQueries().front()).back();
    Dim key = dimsOf(op.getKeys().front()).back();
    if (query == key)
      return success();
    return op.emitOpError()
           << "the dot product of queries of " << query.str() << " and keys of "
           << key.str() << " features; they must be equal";
  }
  Block &block = op.getScore().front();
  SmallVector<Type> expected;
  for (OperandRange side : {op.getQueries(), op.getKeys()})
    for (Value feature : side)
      expected.push_back(
          tensorOf({dimsOf(feature).back()}, elementTypeOf(feature)));
  if (block.getArgumentTypes() != TypeRange(expected))
    return op.emitOpError("region 'score' must take one row of each query and "
                          "key feature");
  YieldOp yield = yieldOf(op, op.getScore(), "score");
  if (!yield)
    return failure();
  if (yield->getNumOperands() != 1 ||
      !isFloatScalar(yield.getOperand(0).getType()))
    return op.emitOpError("region 'score' must yield one float scalar");
  return success();
}

// The arguments from `first` on are an index per batch axis, query and key.
static bool takesIndices(Block &block, unsigned first, unsigned count) {
  return block.getNumArguments() == first + count &&
         llvm::all_of(llvm::drop_begin(block.getArgumentTypes(), first),
                      isIndexScalar);
}

static LogicalResult checkModify(AttentionOp op, unsigned indices) {
  if (op.getModify().empty())
    return success();
  Block &block = op.getModify().front();
  if (!takesIndices(block, 1, indices) ||
      !isFloatScalar(block.getArgument(0).getType()))
    return op.emitOpError() << "region 'modify' must take a float score and "
                            << indices << " i64 indices, all scalars";
  YieldOp yield = yieldOf(op, op.getModify(), "modify");
  if (!yield)
    return failure();
  if (yield->getNumOperands() != 1 ||
      !isFloatScalar(yield.getOperand(0).getType()))
    return op.emitOpError("region 'modify' must yield one float scalar");
  return success();
}

static LogicalResult checkMask(AttentionOp op, unsigned indices) {
  if (op.getMask().empty())
    return success();
  if (!takesIndices(op.getMask().front(), 0, indices))
    return op.emitOpError() << "region 'mask' must take " << indices
                            << " i64 indices, all scalars";
  YieldOp yield = yieldOf(op, op.getMask(), "mask");
  if (!yield)
    return failure();
  if (yield->getNumOperands() != 1 ||
      !isBoolScalar(yield.getOperand(0).getType()))
    return op.emitOpError("region 'mask' must yield one boolean scalar");
  return success();
}

LogicalResult AttentionOp::verifyRegions() {
  if (failed(checkFeatures(*this, "queries", getQueries())) ||
      failed(checkFeatures(*this, "keys", getKeys())))
    return failure();
  Dims query = dimsOf(getQueries().front());
  Dims key = dimsOf(getKeys().front());
  Dims value = dimsOf(getValue());
  if (ArrayRef(value).drop_back() != ArrayRef(key).drop_back())
    return emitOpError() << "value " << str(value) << " and keys " << str(key)
                         << " must agree on all but the last axis";

  bool batchFits = query.size() == key.size();
  size_t batchAxes = query.size() - 2;
  for (size_t i = 0; batchFits && i != batchAxes; ++i) {
    bool isHead = i + 1 == batchAxes;
    batchFits = query[i] == key[i] ||
                (isHead && Dim::exactDiv(query[i], key[i]).has_value());
  }
  if (!batchFits)
    return emitOpError() << "batch axes of queries " << str(query)
                         << " and keys " << str(key)
                         << " must agree, or the last be a multiple";

  Dims output(query.begin(), query.end() - 1);
  ArrayRef<Dim> rows = query;
  rows = rows.drop_back();
  output.push_back(value.back());
  Dims weights(rows);
  weights.push_back(key[key.size() - 2]);
  unsigned indices = query.size();
  if (failed(checkResult(*this, "the output", getOutput(), output)) ||
      failed(checkResult(*this, "weights", getWeights(), weights)) ||
      failed(checkResult(*this, "log_sum_exp", getLogSumExp(), rows)) ||
      failed(checkScore(*this)) || failed(checkModify(*this, indices)) ||
      failed(checkMask(*this, indices)))
    return failure();
  if (getLogSumExp() && getNormalizer() != Normalizer::softmax)
    return emitOpError() << "log_sum_exp belongs to softmax, not to "
                         << stringifyNormalizer(getNormalizer());
  return success();
}

//===----------------------------------------------------------------------===//
// Recurrence
//===----------------------------------------------------------------------===//

// What scan and repeat share: the yielded states have the initial states'
// types, each yielded output is its result without the time axis.
template <typename LoopOp>
static LogicalResult checkYields(LoopOp op, OperandRange yielded,
                                 const Dim &count) {
  unsigned states = op.getInits().size();
  if (yielded.size() != op.getNumResults())
    return op.emitOpError() << "the body yields " << yielded.size()
                            << " states and outputs, the op has "
                            << op.getNumResults() << " results";
  int64_t axis = op.getAxis();
  for (auto [i, value] : llvm::enumerate(yielded)) {
    Type result = op.getResult(i).getType();
    if (i < states) {
      Type state = op.getInits()[i].getType();
      if (value.getType() == state && result == state)
        continue;
      return op.emitOpError()
             << "state " << i << " starts as " << state << ", the body yields "
             << value.getType() << ", the result is " << result;
    }
    if (!isTime(dimsOf(result), axis, count) ||
        withoutAxis(result, axis) != value.getType())
      return op.emitOpError() << "output " << i - states << " is " << result
                              << ", expected " << value.getType() << " stacked "
                              << count.str() << " times along axis " << axis;
  }
  return success();
}

LogicalResult ScanOp::verifyRegions() {
  if (failed(checkCanonical(*this, "count", getCount())))
    return failure();
  Dim count = *Dim::parse(getCount());
  int64_t axis = getAxis();
  SmallVector<Type> expected(getInits().getTypes());
  for (Value sequence : getSequences()) {
    if (!isTime(dimsOf(sequence), axis, count))
      return emitOpError() << "a sequence is " << str(dimsOf(sequence))
                           << ", expected " << count.str() << " steps on axis "
                           << axis;
    expected.push_back(withoutAxis(sequence.getType(), axis));
  }
  if (getBody().front().getArgumentTypes() != TypeRange(expected))
    return emitOpError(
        "the body must take every state, then one step of every sequence");
  YieldOp yield = yieldOf(*this, getBody(), "body");
  if (!yield || failed(checkYields(*this, yield.getValues(), count)))
    return failure();
  if (!getLengths())
    return success();
  Dims lengths = dimsOf(getLengths());
  if (lengths.size() != 1)
    return emitOpError() << "lengths must have one axis, found "
                         << str(lengths);
  for (Value value : yield.getValues())
    if (dimsOf(value).empty() || dimOf(value, 0) != lengths[0])
      return emitOpError() << "with lengths " << str(lengths)
                           << ", states and outputs start with that axis; "
                           << "found " << str(dimsOf(value));
  return success();
}

LogicalResult RepeatOp::verifyRegions() {
  if (failed(checkCanonical(*this, "count", getCount())))
    return failure();
  Block &block = getBody().front();
  TypeRange arguments = block.getArgumentTypes();
  if (arguments.empty() || !isIndexScalar(arguments.front()) ||
      arguments.drop_front() != getInits().getTypes())
    return emitOpError(
        "the body must take the step's number (i64 scalar), then every state");
  YieldOp yield = yieldOf(*this, getBody(), "body");
  if (!yield)
    return failure();
  OperandRange yielded = yield.getValues();
  if (yielded.empty() || !isBoolScalar(yielded.front().getType()))
    return emitOpError("the body must yield first a boolean scalar: whether "
                       "to stop after this step");
  return checkYields(*this, yielded.drop_front(), *Dim::parse(getCount()));
}

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

LogicalResult KernelOp::verify() {
  Block &block = getBody().front();
  if (block.getArgumentTypes() != TypeRange(getFunctionType().getInputs()))
    return emitOpError("the body's arguments differ from the kernel's type");
  YieldOp yield = yieldOf(*this, getBody(), "body");
  if (!yield)
    return failure();
  if (yield.getValues().getTypes() != TypeRange(getFunctionType().getResults()))
    return emitOpError("the body yields other types than the kernel's");
  return success();
}

LogicalResult LaunchOp::verify() {
  // Views of memory may lie between the launches.
  for (LaunchOp launch = *this; launch.getBeside();) {
    Operation *before = launch->getPrevNode();
    while (isa_and_nonnull<ReshapeOp>(before))
      before = before->getPrevNode();
    launch = dyn_cast_or_null<LaunchOp>(before);
    if (!launch)
      return emitOpError("has no launch beside it");
    for (Value input : getInputs()) {
      while (auto reshape = input.getDefiningOp<ReshapeOp>())
        input = reshape.getX();
      if (input.getDefiningOp() == launch)
        return emitOpError("reads a result of a launch beside it");
    }
  }
  return success();
}

LogicalResult LaunchOp::verifySymbolUses(SymbolTableCollection &symbols) {
  // A kernel is a function on buffers once it is loops.
  Operation *symbol = symbols.lookupNearestSymbolFrom(*this, getKernelAttr());
  if (isa_and_nonnull<func::FuncOp>(symbol))
    return success();
  auto kernel = dyn_cast_or_null<KernelOp>(symbol);
  if (!kernel)
    return emitOpError() << "no kernel named '" << getKernel() << "'";
  FunctionType type = kernel.getFunctionType();
  if (getInputs().getTypes() != TypeRange(type.getInputs()) ||
      getResultTypes() != TypeRange(type.getResults()))
    return emitOpError() << "does not fit the type of kernel '" << getKernel()
                         << "'";
  return success();
}

} // namespace mapsto
