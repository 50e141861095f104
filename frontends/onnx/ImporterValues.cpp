//===- ImporterValues.cpp - What a name stands for ------------------------===//
//
// A name's value is data of the file, numbers that are known, or a tensor. One
// becomes another when somebody asks for it: data a literal or a weight of the
// artifact, numbers a tensor, small data of whole numbers numbers.
//
//===----------------------------------------------------------------------===//

#include "frontends/onnx/Importer.h"

#include "dialect/Builders.h"
#include "frontends/onnx/Folding.h"
#include "frontends/onnx/SmallFloats.h"
#include "frontends/onnx/Triangle.h"

#include <cmath>

using namespace mlir;

namespace mapsto::onnx {

/// More elements than this are a weight of the artifact, not a literal in the
/// code.
static constexpr int64_t kMostLiteral = 16;

std::string Importer::weightName(StringRef name) {
  std::string unique = name.empty() ? "weight" : name.str();
  for (int i = 1; !weightNames.insert(unique).second; ++i)
    unique = (name + "." + Twine(i)).str();
  return unique;
}

static Dims asDims(ArrayRef<int64_t> shape) {
  return Dims(shape.begin(), shape.end());
}

/// Elements of the file as a tensor of the module: a literal where they are
/// few, else a weight.
mlir::Value Importer::weight(Value &value) {
  const TensorData &data = *value.data;
  RankedTensorType type =
      mapsto::tensorOf(asDims(data.shape), storedAs(value.type));
  if (data.numElements() <= kMostLiteral) {
    SmallVector<char> raw(data.bytes.begin(), data.bytes.end());
    if (value.type.isInteger(1)) // a byte each, where MLIR wants bits
      return ConstantOp::create(
          b, b.getUnknownLoc(),
          DenseElementsAttr::get(
              type, llvm::to_vector(
                        llvm::map_range(raw, [](char c) { return c != 0; }))));
    auto literal = DenseElementsAttr::getFromRawBuffer(type, raw);
    return ConstantOp::create(b, b.getUnknownLoc(), literal);
  }
  if (mlir::Value triangle = buildTriangle(b, data, type))
    return triangle;
  auto dtype = weightType(data.type);
  if (!dtype) {
    fail("tensor `" + Twine(value.name) + "`: weights of " + nameOf(data.type) +
         " are not supported");
    return {};
  }
  // Steps that were written out take the same parts of one tensor each.
  if (weightNames.contains(value.name))
    for (const WeightTensor &known : result.weights)
      if (StringRef(known.name).starts_with(value.name) &&
          known.dtype == *dtype && known.shape == data.shape &&
          known.bytes == data.bytes)
        return WeightOp::create(b, b.getUnknownLoc(), type, known.name);
  std::string name = weightName(value.name);
  result.weights.push_back({name, *dtype, data.shape, data.bytes});
  return WeightOp::create(b, b.getUnknownLoc(), type, name);
}

mlir::Value Importer::makeTensor(Value &value) {
  // What needs no operands stands before everything that may use it.
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(&main.getBody().front());
  Location loc = b.getUnknownLoc();
  Type carrier = carrierOf(value.type);
  if (value.data) {
    mlir::Value whole = weight(value);
    if (!whole)
      return {};
    b.setInsertionPointAfterValue(whole);
    return fromStored(b, loc, whole, value.type);
  }
  const Known &known = *value.known;
  if (isa<FloatType>(carrier)) { // whole ones
    Value whole;
    whole.type = b.getI64Type();
    whole.known = known;
    mlir::Value numbers = makeTensor(whole);
    b.setInsertionPointAfterValue(numbers);
    return cast(b, loc, numbers, carrier);
  }
  RankedTensorType type = mapsto::tensorOf(asDims(known.shape), carrier);
  if (llvm::all_of(known.elements,
                   [](const Dim &d) { return d.isConstant(); })) {
    SmallVector<APInt> literal;
    for (const Dim &element : known.elements)
      literal.push_back(APInt(carrier.getIntOrFloatBitWidth(),
                              uint64_t(*element.constant()), false, true));
    return ConstantOp::create(b, loc, DenseElementsAttr::get(type, literal));
  }
  SmallVector<mlir::Value> parts;
  b.setInsertionPointToStart(&main.getBody().front());
  for (const Dim &element : known.elements) {
    mlir::Value size = SizeOp::create(
        b, loc, RankedTensorType::get({}, b.getI64Type()), element.str());
    b.setInsertionPointAfterValue(size);
    mlir::Value part = reshape(b, loc, size, Dims{1});
    parts.push_back(part);
    b.setInsertionPointAfterValue(part);
  }
  mlir::Value list =
      parts.size() == 1 ? parts[0] : ConcatOp::create(b, loc, parts, 0);
  return cast(b, loc, reshape(b, loc, list, asDims(known.shape)), carrier);
}

mlir::Value Importer::materialise(Value &value) {
  if (!value.tensor && value)
    value.tensor = makeTensor(value);
  return value.tensor;
}

/// The whole numbers among the elements, which must be integers or booleans.
static std::optional<Known> readKnown(const TensorData &data, Type type) {
  auto integer = dyn_cast<IntegerType>(type);
  if (!integer || data.numElements() > kMostKnown)
    return std::nullopt;
  Known known{{data.shape.begin(), data.shape.end()}, {}, {}};
  size_t size = sizeOf(data.type);
  for (int64_t i = 0; i < data.numElements(); ++i) {
    uint64_t bits = 0;
    memcpy(&bits, data.bytes.data() + size_t(i) * size, size);
    bool isSigned = !integer.isUnsigned() && !integer.isInteger(1);
    if (isSigned && size < 8 && (bits >> (8 * size - 1) & 1))
      bits |= ~uint64_t(0) << (8 * size);
    if (integer.isUnsigned() && bits > uint64_t(INT64_MAX))
      return std::nullopt;
    known.elements.push_back(Dim(int64_t(bits)));
  }
  return known;
}

/// More floats than this are weights, not arithmetic on sizes.
static constexpr int64_t kMostWholeFloats = 16;

/// The elements, if they are floats that are all whole numbers.
template <typename T>
static std::optional<Known> readWholeFloats(const TensorData &data) {
  if (data.numElements() > kMostWholeFloats)
    return std::nullopt;
  Known known{{data.shape.begin(), data.shape.end()}, {}, {}};
  for (int64_t i = 0; i < data.numElements(); ++i) {
    T number;
    memcpy(&number, data.bytes.data() + size_t(i) * sizeof(T), sizeof(T));
    // Between the whole numbers that all floats have; -0 is not 0.
    if (!(std::abs(number) <= T(1 << 24)) || std::trunc(number) != number ||
        (number == 0 && std::signbit(number)))
      return std::nullopt;
    known.elements.push_back(Dim(int64_t(number)));
  }
  return known;
}

static std::optional<Known> readWhole(const TensorData &data, Type type) {
  if (data.type == TensorProto::FLOAT)
    return readWholeFloats<float>(data);
  if (data.type == TensorProto::DOUBLE)
    return readWholeFloats<double>(data);
  return readKnown(data, type);
}

const TensorData *Importer::dataOf(Value &value) {
  if (value.data)
    return &*value.data;
  if (!value.given)
    return nullptr;
  fixed.insert(value.name);
  return &*value.given;
}

const Known *Importer::knownOf(Value &value) {
  if (!value.known) {
    if (value.data) {
      value.known = readWhole(*value.data, value.type);
    } else if (value.given) {
      value.known = readWhole(*value.given, value.type);
      if (value.known)
        value.known->assumes = {value.name};
    }
  }
  return value.known ? &*value.known : nullptr;
}

void Importer::rely(const Known &known) {
  for (const std::string &input : known.assumes)
    fixed.insert(input);
}

} // namespace mapsto::onnx
