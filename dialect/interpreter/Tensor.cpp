//===- Tensor.cpp - A value of the interpreter ----------------------------===//

#include "dialect/interpreter/Tensor.h"
#include "dialect/Dims.h"

#include "llvm/ADT/StringExtras.h"

#include <cmath>
#include <cstring>

using namespace mlir;

namespace mapsto {

int64_t countOf(ArrayRef<int64_t> shape) {
  int64_t count = 1;
  for (int64_t size : shape)
    count *= size;
  return count;
}

Shape stridesOf(ArrayRef<int64_t> shape) {
  Shape strides(shape.size());
  int64_t stride = 1;
  for (size_t axis = shape.size(); axis-- > 0;) {
    strides[axis] = stride;
    stride *= shape[axis];
  }
  return strides;
}

std::string str(ArrayRef<int64_t> shape) {
  std::string text = "[";
  for (auto [axis, size] : llvm::enumerate(shape))
    text += (axis ? ", " : "") + std::to_string(size);
  return text + "]";
}

Tensor::Tensor(Type elementType, ArrayRef<int64_t> shape)
    : elementType(elementType), shape(shape) {
  if (isFloat())
    f.resize(countOf(shape));
  else
    i.resize(countOf(shape));
}

int64_t Tensor::size() const { return isFloat() ? f.size() : i.size(); }

//===----------------------------------------------------------------------===//
// Rounding
//===----------------------------------------------------------------------===//

double roundTo(Type type, double value) {
  if (type.isF64())
    return value;
  if (type.isF32())
    return static_cast<float>(value);
  APFloat rounded(value);
  bool losesInfo;
  rounded.convert(cast<FloatType>(type).getFloatSemantics(),
                  APFloat::rmNearestTiesToEven, &losesInfo);
  rounded.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven,
                  &losesInfo);
  return rounded.convertToDouble();
}

int64_t wrapTo(Type type, int64_t value) {
  unsigned unused = 64 - type.getIntOrFloatBitWidth();
  uint64_t high = static_cast<uint64_t>(value) << unused;
  return isZeroExtended(type) ? static_cast<int64_t>(high >> unused)
                              : static_cast<int64_t>(high) >> unused;
}

void normalize(Tensor &tensor) {
  if (!tensor.elementType.isF32())
    roundElements(tensor);
}

void roundElements(Tensor &tensor) {
  Type type = tensor.elementType;
  if (type.isF64() || type.isInteger(64))
    return;
  for (double &value : tensor.f)
    value = roundTo(type, value);
  for (int64_t &value : tensor.i)
    value = wrapTo(type, value);
}

//===----------------------------------------------------------------------===//
// Bytes and literals
//===----------------------------------------------------------------------===//

int64_t bytesPerElement(Type elementType) {
  return (elementType.getIntOrFloatBitWidth() + 7) / 8;
}

static double readFloat(FloatType type, const char *from) {
  if (type.isF32()) {
    float value;
    std::memcpy(&value, from, sizeof value);
    return value;
  }
  if (type.isF64()) {
    double value;
    std::memcpy(&value, from, sizeof value);
    return value;
  }
  uint16_t bits;
  std::memcpy(&bits, from, sizeof bits);
  APFloat value(type.getFloatSemantics(), APInt(16, bits));
  bool losesInfo;
  value.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven,
                &losesInfo);
  return value.convertToDouble();
}

static void writeFloat(FloatType type, double value, char *to) {
  if (type.isF32()) {
    float narrow = static_cast<float>(value);
    std::memcpy(to, &narrow, sizeof narrow);
    return;
  }
  if (type.isF64()) {
    std::memcpy(to, &value, sizeof value);
    return;
  }
  APFloat narrow(value);
  bool losesInfo;
  narrow.convert(type.getFloatSemantics(), APFloat::rmNearestTiesToEven,
                 &losesInfo);
  auto bits = static_cast<uint16_t>(narrow.bitcastToAPInt().getZExtValue());
  std::memcpy(to, &bits, sizeof bits);
}

FailureOr<Tensor> tensorFromBytes(Type elementType, ArrayRef<int64_t> shape,
                                  ArrayRef<char> data) {
  int64_t width = bytesPerElement(elementType);
  if (static_cast<int64_t>(data.size()) != countOf(shape) * width)
    return failure();
  Tensor tensor(elementType, shape);
  const char *from = data.data();
  for (double &value : tensor.f) {
    value = readFloat(cast<FloatType>(elementType), from);
    from += width;
  }
  for (int64_t &value : tensor.i) {
    uint64_t bits = 0; // little-endian, as every host this runs on
    std::memcpy(&bits, from, width);
    value = elementType.isInteger(1)
                ? bits != 0
                : wrapTo(elementType, static_cast<int64_t>(bits));
    from += width;
  }
  return tensor;
}

std::vector<char> bytesOf(const Tensor &tensor) {
  int64_t width = bytesPerElement(tensor.elementType);
  std::vector<char> data(tensor.size() * width);
  char *to = data.data();
  for (double value : tensor.f) {
    writeFloat(cast<FloatType>(tensor.elementType), value, to);
    to += width;
  }
  for (int64_t value : tensor.i) {
    std::memcpy(to, &value, width);
    to += width;
  }
  return data;
}

Tensor tensorFrom(ElementsAttr literal) {
  auto type = cast<ShapedType>(literal.getType());
  Tensor tensor(type.getElementType(), type.getShape());
  if (tensor.isFloat()) {
    for (auto [at, value] : llvm::enumerate(literal.getValues<APFloat>())) {
      APFloat wide = value;
      bool losesInfo;
      wide.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven,
                   &losesInfo);
      tensor.f[at] = wide.convertToDouble();
    }
    return tensor;
  }
  bool zeroExtended = isZeroExtended(tensor.elementType);
  for (auto [at, value] : llvm::enumerate(literal.getValues<APInt>()))
    tensor.i[at] = zeroExtended ? value.getZExtValue() : value.getSExtValue();
  return tensor;
}

DenseElementsAttr literalFrom(const Tensor &tensor) {
  auto type = RankedTensorType::get(tensor.shape, tensor.elementType);
  if (tensor.isFloat()) {
    const llvm::fltSemantics &semantics =
        cast<FloatType>(tensor.elementType).getFloatSemantics();
    std::vector<APFloat> values;
    for (double element : tensor.f) {
      APFloat value(element);
      bool losesInfo;
      value.convert(semantics, APFloat::rmNearestTiesToEven, &losesInfo);
      values.push_back(value);
    }
    return DenseElementsAttr::get(type, values);
  }
  unsigned width = tensor.elementType.getIntOrFloatBitWidth();
  std::vector<APInt> values;
  for (int64_t element : tensor.i)
    values.emplace_back(width, static_cast<uint64_t>(element),
                        /*isSigned=*/true, /*implicitTrunc=*/true);
  return DenseElementsAttr::get(type, values);
}

//===----------------------------------------------------------------------===//
// Casts
//===----------------------------------------------------------------------===//

static int64_t truncateToInteger(double value, bool isUnsigned) {
  if (std::isnan(value))
    return 0;
  if (isUnsigned && value >= 0x1p63)
    return static_cast<int64_t>(value < 0x1p64 ? static_cast<uint64_t>(value)
                                               : UINT64_MAX);
  if (value >= 0x1p63)
    return INT64_MAX;
  if (value < -0x1p63)
    return INT64_MIN;
  return static_cast<int64_t>(value);
}

Tensor castTo(Type elementType, const Tensor &tensor) {
  Tensor result(elementType, tensor.shape);
  bool toBool = elementType.isInteger(1);
  bool toUnsigned = elementType.isUnsignedInteger(64);
  bool fromUnsigned = tensor.elementType.isUnsignedInteger(64);
  for (int64_t at = 0, e = tensor.size(); at != e; ++at) {
    if (result.isFloat())
      result.f[at] =
          fromUnsigned
              ? static_cast<double>(static_cast<uint64_t>(tensor.i[at]))
              : tensor.number(at);
    else if (toBool)
      result.i[at] = tensor.number(at) != 0;
    else
      result.i[at] = tensor.isFloat()
                         ? truncateToInteger(tensor.f[at], toUnsigned)
                         : tensor.i[at];
  }
  // A cast to f32 rounds: it is written to narrow.
  roundElements(result);
  return result;
}

} // namespace mapsto
