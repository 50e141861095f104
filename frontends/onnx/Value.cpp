#include "frontends/onnx/Value.h"

#include "dialect/Builders.h"
#include "frontends/onnx/Node.h"
#include "frontends/onnx/SmallFloats.h"

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
  case TensorProto::INT2:
    return b.getIntegerType(2);
  case TensorProto::INT4:
    return b.getIntegerType(4);
  case TensorProto::UINT2:
    return isUnsigned(2);
  case TensorProto::UINT4:
    return isUnsigned(4);
  case TensorProto::FLOAT8E4M3FN:
    return Float8E4M3FNType::get(context);
  case TensorProto::FLOAT8E4M3FNUZ:
    return Float8E4M3FNUZType::get(context);
  case TensorProto::FLOAT8E5M2:
    return Float8E5M2Type::get(context);
  case TensorProto::FLOAT8E5M2FNUZ:
    return Float8E5M2FNUZType::get(context);
  case TensorProto::FLOAT8E8M0:
    return Float8E8M0FNUType::get(context);
  case TensorProto::FLOAT4E2M1:
    return Float4E2M1FNType::get(context);
  default:
    return {};
  }
}

OnnxForm formOf(const TypeProto &type) {
  const TypeProto *within = &type;
  bool optional = type.has_optional_type(), sequence = false;
  if (optional)
    within = &type.optional_type().elem_type();
  if (within->has_sequence_type()) {
    within = &within->sequence_type().elem_type();
    sequence = true;
  }
  if (!within->has_tensor_type())
    return OnnxForm::other;
  return optional   ? sequence ? OnnxForm::optionalSequence : OnnxForm::optional
         : sequence ? OnnxForm::sequence
                    : OnnxForm::tensor;
}

int32_t dataTypeOf(Type type) {
  for (int32_t t = TensorProto::FLOAT; t <= TensorProto::INT2; ++t)
    if (typeOf(type.getContext(), t) == type)
      return t;
  return TensorProto::UNDEFINED;
}

Type storedAs(Type type) {
  if (isSmallFloat(type))
    return IntegerType::get(type.getContext(), 8, IntegerType::Unsigned);
  auto integer = dyn_cast<IntegerType>(type);
  return !integer || integer.getWidth() == 1 || integer.getWidth() >= 8
             ? type
             : IntegerType::get(type.getContext(), 8, integer.getSignedness());
}

Type carrierOf(Type type) {
  Builder b(type.getContext());
  if (isSmallFloat(type))
    return b.getF32Type();
  auto integer = dyn_cast<IntegerType>(type);
  if (!integer || integer.getWidth() == 1)
    return type;
  if (integer.getWidth() > 16)
    return integer.isUnsigned() ? b.getI64Type() : type;
  return integer.isUnsigned() || integer.getWidth() != 8 ? b.getI32Type()
                                                         : type;
}

mlir::Value fromStored(OpBuilder &b, Location loc, mlir::Value tensor,
                       Type type) {
  return isSmallFloat(type) ? decodeSmall(b, loc, tensor, type)
                            : cast(b, loc, tensor, carrierOf(type));
}

mlir::Value toStored(OpBuilder &b, Location loc, mlir::Value tensor,
                     Type type) {
  return isSmallFloat(type)
             ? encodeSmall(b, loc, tensor, type, {/*saturate=*/false})
             : cast(b, loc, tensor, storedAs(type));
}

/// Whole numbers modulo 2^bits, from -2^(bits - 1) or, of an unsigned type, 0.
static mlir::Value wrapNarrow(OpBuilder &b, Location loc, mlir::Value tensor,
                              Type type) {
  auto number = [&](int64_t value) {
    return splat(b, loc, double(value), tensor.getType());
  };
  int64_t span = int64_t(1) << type.getIntOrFloatBitWidth();
  int64_t half = type.isUnsignedInteger() ? 0 : span / 2;
  // `mod` has the divisor's sign.
  mlir::Value rest = ModOp::create(
      b, loc, AddOp::create(b, loc, tensor, number(half)), number(span));
  return SubOp::create(b, loc, rest, number(half));
}

mlir::Value wrapTo(OpBuilder &b, Location loc, mlir::Value tensor, Type type) {
  Type carrier = carrierOf(type);
  if (carrier == type || type.isInteger(64) || // of any sign
      isSmallFloat(type))                      // whoever makes them rounds them
    return tensor;
  if (storedAs(type) != type)
    return wrapNarrow(b, loc, tensor, type);
  return cast(b, loc, cast(b, loc, tensor, type), carrier);
}

mlir::Value convert(OpBuilder &b, Location loc, mlir::Value tensor, Type from,
                    Type to) {
  if (from == to)
    return tensor;
  if (to.isInteger(1)) {
    mlir::Value zero = splat(b, loc, 0, tensor.getType());
    return CompareOp::create(b, loc, ComparePredicate::ne, tensor, zero);
  }
  if (isSmallFloat(to))
    return roundSmall(b, loc, tensor, to, {});
  // Its carrier has not the sign that uint64 lacks.
  for (Type type : {from, to})
    if (type.isUnsignedInteger(64))
      tensor = cast(b, loc, tensor, type);
  return wrapTo(b, loc, cast(b, loc, tensor, carrierOf(to)), to);
}

} // namespace mapsto::onnx
