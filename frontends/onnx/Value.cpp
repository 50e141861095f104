#include "frontends/onnx/Value.h"

#include "dialect/Builders.h"
#include "frontends/onnx/Node.h"

using namespace mlir;

namespace mapsto::onnx {

Type typeOf(MLIRContext *context, int32_t dataType) {
  Builder b(context);
  auto isUnsigned = [&](unsigned bits) {
    return b.getIntegerType(bits, /*isSigned=*/false);
  };
  switch (dataType) {
  case TensorProto::FLOAT:
    return b.getF32Type();
  case TensorProto::DOUBLE:
    return b.getF64Type();
  case TensorProto::FLOAT16:
    return b.getF16Type();
  case TensorProto::BFLOAT16:
    return b.getBF16Type();
  case TensorProto::BOOL:
    return b.getI1Type();
  case TensorProto::INT8:
    return b.getI8Type();
  case TensorProto::INT16:
    return b.getI16Type();
  case TensorProto::INT32:
    return b.getI32Type();
  case TensorProto::INT64:
    return b.getI64Type();
  case TensorProto::UINT8:
    return isUnsigned(8);
  case TensorProto::UINT16:
    return isUnsigned(16);
  case TensorProto::UINT32:
    return isUnsigned(32);
  case TensorProto::UINT64:
    return isUnsigned(64);
  default:
    return {};
  }
}

std::optional<mapsto_dtype> weightType(int32_t dataType) {
  switch (dataType) {
  case TensorProto::FLOAT:
    return MAPSTO_F32;
  case TensorProto::FLOAT16:
    return MAPSTO_F16;
  case TensorProto::BFLOAT16:
    return MAPSTO_BF16;
  case TensorProto::DOUBLE:
    return MAPSTO_F64;
  case TensorProto::INT32:
    return MAPSTO_I32;
  case TensorProto::INT64:
    return MAPSTO_I64;
  case TensorProto::INT8:
    return MAPSTO_I8;
  case TensorProto::UINT8:
    return MAPSTO_U8;
  case TensorProto::BOOL:
    return MAPSTO_BOOL;
  case TensorProto::INT16:
    return MAPSTO_I16;
  case TensorProto::UINT16:
    return MAPSTO_U16;
  case TensorProto::UINT32:
    return MAPSTO_U32;
  case TensorProto::UINT64:
    return MAPSTO_U64;
  default:
    return std::nullopt;
  }
}

int32_t dataTypeOf(Type type) {
  for (int32_t t = TensorProto::FLOAT; t <= TensorProto::BFLOAT16; ++t)
    if (typeOf(type.getContext(), t) == type)
      return t;
  return TensorProto::UNDEFINED;
}

Type carrierOf(Type type) {
  Builder b(type.getContext());
  if (type.isUnsignedInteger(8) || type.isUnsignedInteger(16) ||
      type.isInteger(16))
    return b.getI32Type();
  if (type.isUnsignedInteger(32) || type.isUnsignedInteger(64))
    return b.getI64Type();
  return type;
}

mlir::Value wrapTo(OpBuilder &b, Location loc, mlir::Value tensor, Type type) {
  Type carrier = carrierOf(type);
  unsigned bits = type.getIntOrFloatBitWidth();
  if (carrier == type || bits == 64)
    return tensor;
  auto number = [&](int64_t value) {
    return splat(b, loc, double(value), tensor.getType());
  };
  int64_t half = type.isUnsignedInteger() ? 0 : int64_t(1) << (bits - 1);
  // `mod` has the divisor's sign.
  mlir::Value shifted =
      half ? mlir::Value(AddOp::create(b, loc, tensor, number(half))) : tensor;
  mlir::Value rest = ModOp::create(b, loc, shifted, number(int64_t(1) << bits));
  return half ? mlir::Value(SubOp::create(b, loc, rest, number(half))) : rest;
}

mlir::Value convert(OpBuilder &b, Location loc, mlir::Value tensor, Type from,
                    Type to) {
  if (from == to)
    return tensor;
  if (to.isInteger(1)) {
    mlir::Value zero = splat(b, loc, 0, tensor.getType());
    return CompareOp::create(b, loc, ComparePredicate::ne, tensor, zero);
  }
  return wrapTo(b, loc, cast(b, loc, tensor, carrierOf(to)), to);
}

} // namespace mapsto::onnx
