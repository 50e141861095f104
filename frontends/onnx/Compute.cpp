//===- Compute.cpp - What a tensor of the module is, where that is fixed --===//
//
// Shape arithmetic is folded as it is read (Folding.h). Where a size comes by
// another way, through floats say, the ops that make it are evaluated by the
// interpreter.
//
//===----------------------------------------------------------------------===//

#include "frontends/onnx/Importer.h"

#include "dialect/MapstoDialect.h"
#include "dialect/interpreter/Interpreter.h"

using namespace mlir;

namespace mapsto::onnx {

namespace {

/// What makes a size is small; what makes a weight is evaluated up to here.
constexpr int64_t kMostElements = 1 << 16;
constexpr int64_t kMostOfWeight = 1 << 22;
constexpr size_t kMostOps = 4096;

FailureOr<Tensor> tensorOfWeight(const WeightTensor &weight, Type type) {
  auto bytes = ArrayRef(reinterpret_cast<const char *>(weight.bytes.data()),
                        weight.bytes.size());
  return tensorFromBytes(type, weight.shape, bytes);
}

} // namespace

class Importer::Computation {
public:
  Computation(Importer &importer, int64_t mostElements)
      : importer(importer), mostElements(mostElements) {}

  /// Null where the value depends on what is not known.
  const Tensor *evaluate(mlir::Value value) {
    SmallVector<mlir::Value> pending{value};
    while (!pending.empty()) {
      mlir::Value next = pending.back();
      if (known.count(next)) {
        pending.pop_back();
        continue;
      }
      Operation *op = next.getDefiningOp();
      if (!op || op->getNumOperands() == 0) {
        FailureOr<Tensor> leaf = op ? source(op) : argument(next);
        if (failed(leaf))
          return nullptr;
        known[next] = std::move(*leaf);
        continue;
      }
      size_t before = pending.size();
      for (mlir::Value operand : op->getOperands())
        if (!known.count(operand))
          pending.push_back(operand);
      if (pending.size() == before && !compute(op))
        return nullptr;
    }
    return &known[value];
  }

  SmallVector<std::string, 1> assumes;

private:
  Importer &importer;
  int64_t mostElements;
  llvm::DenseMap<mlir::Value, Tensor> known;
  size_t ops = 0;

  bool isSmall(mlir::Value value) {
    std::optional<int64_t> size = numElements(dimsOf(value)).constant();
    return size && *size <= mostElements;
  }

  FailureOr<Tensor> source(Operation *op) {
    if (!isSmall(op->getResult(0)))
      return failure();
    if (auto constant = dyn_cast<ConstantOp>(op))
      return tensorFrom(constant.getValue());
    if (auto weight = dyn_cast<WeightOp>(op)) {
      for (const WeightTensor &tensor : importer.result.weights)
        if (tensor.name == weight.getName())
          return tensorOfWeight(tensor, elementTypeOf(weight.getResult()));
      return failure();
    }
    if (isa<IotaOp>(op))
      return first(evaluateOp(op, {}));
    return failure();
  }

  FailureOr<Tensor> first(FailureOr<std::vector<Tensor>> results) {
    if (failed(results))
      return failure();
    return std::move(results->front());
  }

  FailureOr<Tensor> argument(mlir::Value value) {
    auto argument = cast<BlockArgument>(value);
    if (argument.getOwner() != &importer.main.getBody().front())
      return failure();
    const std::string &name = importer.inputNames[argument.getArgNumber()];
    auto given = importer.options.values.find(name);
    if (given == importer.options.values.end())
      return failure();
    assumes.push_back(name);
    return tensorOfWeight(given->second, elementTypeOf(value));
  }

  bool compute(Operation *op) {
    if (++ops > kMostOps || op->getNumRegions() != 0 ||
        !llvm::all_of(op->getResults(),
                      [&](mlir::Value v) { return isSmall(v); }))
      return false;
    std::vector<Tensor> operands;
    for (mlir::Value operand : op->getOperands())
      operands.push_back(known[operand]);
    FailureOr<std::vector<Tensor>> results = evaluateOp(op, operands);
    if (failed(results))
      return false;
    for (auto [value, tensor] : llvm::zip_equal(op->getResults(), *results)) {
      roundElements(tensor); // as an op that runs leaves them
      known[value] = std::move(tensor);
    }
    return true;
  }
};

std::optional<Importer::Computed> Importer::compute(Value &value) {
  if (!value.tensor)
    return std::nullopt;
  Computation computation(*this, kMostElements);
  const Tensor *tensor = computation.evaluate(value.tensor);
  if (!tensor)
    return std::nullopt;
  Computed result{{tensor->f.begin(), tensor->f.end()}, {}};
  result.numbers.shape.assign(tensor->shape.begin(), tensor->shape.end());
  result.numbers.elements.assign(tensor->i.begin(), tensor->i.end());
  result.numbers.assumes = computation.assumes;
  return result;
}

void Importer::makeData(Value &value) {
  if (value.data || !value.tensor || carrierOf(value.type) != value.type)
    return;
  Computation computation(*this, kMostOfWeight);
  const Tensor *tensor = computation.evaluate(value.tensor);
  if (!tensor || !computation.assumes.empty())
    return;
  std::vector<char> bytes = bytesOf(*tensor);
  value.data = TensorData{TensorProto::DataType(dataTypeOf(value.type)),
                          {tensor->shape.begin(), tensor->shape.end()},
                          keep({bytes.begin(), bytes.end()})};
}

std::optional<Known> Importer::numbersOf(Value &value) {
  if (const Known *known = knownOf(value))
    return *known;
  if (!isa_and_nonnull<IntegerType>(value.type))
    return std::nullopt;
  if (std::optional<Computed> computed = compute(value))
    return std::move(computed->numbers);
  return std::nullopt;
}

} // namespace mapsto::onnx
