//===- GlslTypes.cpp - Types and constants of a shader --------------------===//

#include "compiler/vulkan/GlslPrinter.h"

#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using Binding = mapsto::GlslExpression::Binding;

namespace mapsto {

std::string GlslPrinter::typeName(Type type) {
  auto needs = [&](StringRef extension, StringRef name) {
    extensions.insert(extension);
    return name.str();
  };
  if (type.isInteger(1))
    return "bool";
  if (type.isIndex() || type.isInteger(32))
    return "int";
  if (type.isF32())
    return "float";
  if (isa<VectorType>(type)) // of the bits of f16
    return "uvec4";
  if (type.isInteger(64))
    return needs("GL_EXT_shader_explicit_arithmetic_types_int64", "int64_t");
  if (type.isInteger(16) || type.isBF16())
    return needs("GL_EXT_shader_explicit_arithmetic_types_int16", "int16_t");
  if (type.isInteger(8))
    return needs("GL_EXT_shader_explicit_arithmetic_types_int8", "int8_t");
  if (type.isF16())
    return needs("GL_EXT_shader_explicit_arithmetic_types_float16",
                 "float16_t");
  if (type.isF64())
    return needs("GL_EXT_shader_explicit_arithmetic_types_float64",
                 "float64_t");
  llvm_unreachable("a type that no kernel has");
}

/// The shortest text that reads back as the same number.
static std::string shortest(const APFloat &value) {
  SmallString<24> text;
  value.toString(text, /*FormatPrecision=*/0, /*FormatMaxPadding=*/6,
                 /*TruncateZero=*/true);
  std::string s = text.str().str();
  if (s.find_first_of(".eE") == std::string::npos)
    s += ".0";
  return s;
}

GlslExpression GlslPrinter::constant(Attribute attribute) {
  if (auto number = dyn_cast<FloatAttr>(attribute)) {
    const APFloat &value = number.getValue();
    Type type = number.getType();
    if (!value.isFinite()) {
      // There is no literal for these.
      uint64_t bits = value.bitcastToAPInt().getZExtValue();
      if (type.isF32())
        return {"uintBitsToFloat(0x" + llvm::utohexstr(bits) + "u)"};
      APFloat f32 = value;
      bool lost;
      f32.convert(APFloat::IEEEsingle(), APFloat::rmNearestTiesToEven, &lost);
      return {typeName(type) + "(uintBitsToFloat(0x" +
              llvm::utohexstr(f32.bitcastToAPInt().getZExtValue()) + "u))"};
    }
    std::string text = shortest(value);
    if (type.isF64())
      text += "lf";
    Binding binding = value.isNegative() ? Binding::Unary : Binding::Primary;
    if (type.isF16())
      return {typeName(type) + "(" + text + ")"};
    return {text, binding};
  }
  if (auto zeros = dyn_cast<DenseElementsAttr>(attribute)) {
    assert(zeros.isSplat() && zeros.getSplatValue<APInt>().isZero());
    return {typeName(zeros.getType()) + "(0)"};
  }
  auto number = cast<IntegerAttr>(attribute);
  Type type = number.getType();
  if (type.isInteger(1))
    return {number.getValue().isZero() ? "false" : "true"};
  const APInt &value = number.getValue();
  int64_t v = value.getSExtValue();
  Binding binding = v < 0 ? Binding::Unary : Binding::Primary;
  if (type.isIndex() || type.isInteger(32)) {
    if (v == INT32_MIN)
      return {"int(0x80000000u)"};
    return {std::to_string(v), binding};
  }
  if (type.isInteger(64)) {
    typeName(type);
    if (v == INT64_MIN)
      return {"int64_t(0x8000000000000000ul)"};
    return {std::to_string(v) + "l", binding};
  }
  return {typeName(type) + "(" + std::to_string(v) + ")"};
}

} // namespace mapsto
