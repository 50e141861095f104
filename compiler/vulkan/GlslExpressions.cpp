//===- GlslExpressions.cpp - Ops as expressions of GLSL -------------------===//

#include "compiler/vulkan/GlslFunctions.h"
#include "compiler/vulkan/GlslPrinter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using Binding = mapsto::GlslExpression::Binding;

namespace mapsto {

//===----------------------------------------------------------------------===//
// Types and constants
//===----------------------------------------------------------------------===//

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

//===----------------------------------------------------------------------===//
// Operators
//===----------------------------------------------------------------------===//

std::string GlslPrinter::operand(Value value, Binding atLeast) {
  GlslExpression e = expression(value);
  return e.binding < atLeast ? "(" + e.text + ")" : e.text;
}

GlslExpression GlslPrinter::binary(StringRef symbol, Binding binding,
                                   Operation *op) {
  // Left to right: an operator of the same rank on the right needs brackets.
  return {operand(op->getOperand(0), binding) + " " + symbol.str() + " " +
              operand(op->getOperand(1), Binding(binding + 1)),
          binding};
}

GlslExpression GlslPrinter::call(StringRef function, Operation *op) {
  std::string text = (function + "(").str();
  for (auto [i, value] : llvm::enumerate(op->getOperands()))
    text += (i ? ", " : "") + expression(value).text;
  return {text + ")"};
}

/// Has a helper printed at the head of the shader, once.
void GlslPrinter::need(const Twine &helper, std::string text) {
  if (known.insert(helper.str()).second)
    helpers.push_back(std::move(text));
}

/// A call of a function that the shader brings along, for the type of what it
/// gives.
GlslExpression GlslPrinter::helper(StringRef name, Operation *op) {
  bring(name, op->getResult(0).getType());
  return call(name, op);
}

void GlslPrinter::bring(StringRef name, Type type) {
  const GlslFunction &function = glslFunction(name);
  if (!function.needs.empty())
    bring(function.needs, type);
  std::string text = function.text.str(), t = typeName(type);
  for (StringRef before : {"\n", "(", " "})
    for (size_t at; (at = text.find((before + "T ").str())) != text.npos;)
      text.replace(at + before.size(), 1, t);
  need(text, text);
}

/// A function of the module: formulas, whose every operation rounds as written.
GlslExpression GlslPrinter::callFunction(func::CallOp op) {
  StringRef name = op.getCallee();
  if (!known.contains(name)) {
    auto function = SymbolTable::lookupNearestSymbolFrom<func::FuncOp>(
        op, op.getCalleeAttr());
    std::string text;
    llvm::raw_string_ostream body(text);
    GlslPrinter inner(body);
    inner.precise = true;
    inner.printFunction(function);
    complete &= inner.complete;
    for (std::string &helper : inner.helpers)
      need(helper, helper);
    need(name, std::move(text));
  }
  return call(name, op);
}

/// A tree over the workgroup's invocations, in shared memory.
GlslExpression GlslPrinter::allReduce(Operation *op) {
  using Kind = gpu::AllReduceOperation;
  auto reduce = cast<gpu::AllReduceOp>(op);
  Type type = reduce.getType();
  StringRef name, combine;
  switch (*reduce.getOp()) {
  case Kind::ADD:
    name = "Sum", combine = "a + b";
    break;
  case Kind::MUL:
    name = "Product", combine = "a * b";
    break;
  case Kind::MAXIMUMF:
    name = "Max", combine = "a > b || a != a ? a : b";
    break;
  case Kind::MINIMUMF:
    name = "Min", combine = "a < b || a != a ? a : b";
    break;
  case Kind::MAXSI:
    name = "Max", combine = "max(a, b)";
    break;
  case Kind::MINSI:
    name = "Min", combine = "min(a, b)";
    break;
  case Kind::OR:
    name = "Any", combine = "a || b";
    break;
  case Kind::AND:
    name = "All", combine = "a && b";
    break;
  default:
    llvm_unreachable("a reduction that no kernel has");
  }
  std::string t = typeName(type);
  std::string function = ("workgroup" + name).str();
  std::string memory = "partial_" + t;
  sharedByInvocations.insert(type);
  need(memory, "\nshared " + t + " " + memory + "[gl_WorkGroupSize.x];\n");
  need(function + t,
       "\n// What all invocations of the workgroup have, combined.\n" + t +
           " " + function + "(" + t + " x) {\n" +
           "  const uint i = gl_LocalInvocationID.x;\n"
           "  barrier();\n"
           "  " +
           memory +
           "[i] = x;\n"
           "  barrier();\n"
           "  for (uint n = gl_WorkGroupSize.x; n > 1;) {\n"
           "    const uint rest = (n + 1) / 2;\n"
           "    if (i + rest < n) {\n"
           "      const " +
           t + " a = " + memory + "[i], b = " + memory +
           "[i + rest];\n"
           "      " +
           memory + "[i] = " + combine.str() +
           ";\n"
           "    }\n"
           "    n = rest;\n"
           "    barrier();\n"
           "  }\n"
           "  return " +
           memory +
           "[0];\n"
           "}\n");
  return call(function, op);
}

GlslExpression GlslPrinter::element(Value memref, Value position) {
  return {names.lookup(memref) + "[" + expression(position).text + "]"};
}

/// Of an array that is declared at the head of the shader, where no variable of
/// the body is known, or else within it.
std::string GlslPrinter::arraySize(memref::AllocaOp array) {
  if (array.getType().hasStaticShape())
    return std::to_string(array.getType().getNumElements());
  auto space = cast<gpu::AddressSpaceAttr>(array.getType().getMemorySpace());
  if (space.getValue() != gpu::AddressSpace::Workgroup)
    return expression(array.getDynamicSizes()[0]).text;
  std::swap(names, globals);
  std::string size = expression(array.getDynamicSizes()[0]).text;
  std::swap(names, globals);
  return size;
}

GlslExpression GlslPrinter::compare(Operation *op) {
  auto ordered = [&](StringRef symbol) {
    return binary(symbol,
                  symbol == "==" || symbol == "!=" ? Binding::Equality
                                                   : Binding::Relational,
                  op);
  };
  auto negated = [&](StringRef symbol) -> GlslExpression {
    return {"!(" + ordered(symbol).text + ")", Binding::Unary};
  };
  if (auto compare = dyn_cast<arith::CmpIOp>(op)) {
    bool isBool = compare.getLhs().getType().isInteger(1);
    auto isUnsigned = [&](StringRef symbol) -> GlslExpression {
      Type type = compare.getLhs().getType();
      std::string name = type.isInteger(64) ? "uint64_t" : "uint";
      return {name + "(" + expression(compare.getLhs()).text + ") " +
                  symbol.str() + " " + name + "(" +
                  expression(compare.getRhs()).text + ")",
              Binding::Relational};
    };
    using P = arith::CmpIPredicate;
    switch (compare.getPredicate()) {
    case P::eq:
      return ordered("==");
    case P::ne:
      return isBool ? binary("^^", Binding::LogicalXor, op) : ordered("!=");
    case P::slt:
      return ordered("<");
    case P::sle:
      return ordered("<=");
    case P::sgt:
      return ordered(">");
    case P::sge:
      return ordered(">=");
    case P::ult:
      return isUnsigned("<");
    case P::ule:
      return isUnsigned("<=");
    case P::ugt:
      return isUnsigned(">");
    case P::uge:
      return isUnsigned(">=");
    }
  }
  auto compare = cast<arith::CmpFOp>(op);
  bool withItself = compare.getLhs() == compare.getRhs();
  auto isNan = [&](Value v) { return "isnan(" + expression(v).text + ")"; };
  using P = arith::CmpFPredicate;
  switch (compare.getPredicate()) {
  case P::OEQ:
    return ordered("==");
  case P::OLT:
    return ordered("<");
  case P::OLE:
    return ordered("<=");
  case P::OGT:
    return ordered(">");
  case P::OGE:
    return ordered(">=");
  case P::UNE:
    return ordered("!=");
  case P::ONE:
    return {operand(compare.getLhs(), Binding::Shift) + " < " +
                operand(compare.getRhs(), Binding::Shift) + " || " +
                operand(compare.getLhs(), Binding::Shift) + " > " +
                operand(compare.getRhs(), Binding::Shift),
            Binding::LogicalOr};
  case P::UEQ:
    return {"!(" + operand(compare.getLhs(), Binding::Shift) + " < " +
                operand(compare.getRhs(), Binding::Shift) + " || " +
                operand(compare.getLhs(), Binding::Shift) + " > " +
                operand(compare.getRhs(), Binding::Shift) + ")",
            Binding::Unary};
  case P::UGE:
    return negated("<");
  case P::UGT:
    return negated("<=");
  case P::ULE:
    return negated(">");
  case P::ULT:
    return negated(">=");
  case P::UNO:
    if (withItself)
      return {isNan(compare.getLhs())};
    return {isNan(compare.getLhs()) + " || " + isNan(compare.getRhs()),
            Binding::LogicalOr};
  case P::ORD:
    if (withItself)
      return {"!" + isNan(compare.getLhs()), Binding::Unary};
    return {"!(" + isNan(compare.getLhs()) + " || " + isNan(compare.getRhs()) +
                ")",
            Binding::Unary};
  case P::AlwaysFalse:
    return {"false"};
  case P::AlwaysTrue:
    return {"true"};
  }
  llvm_unreachable("every predicate is listed");
}

//===----------------------------------------------------------------------===//
// Ops
//===----------------------------------------------------------------------===//

GlslExpression GlslPrinter::expression(Value value) {
  if (auto it = names.find(value); it != names.end())
    return {it->second};
  Operation *op = value.getDefiningOp();
  assert(op && "an argument without a name");
  return expression(op);
}

GlslExpression GlslPrinter::expression(Operation *op) {
  auto cast = [&](Type to) -> GlslExpression {
    Type from = op->getOperand(0).getType();
    std::string text = expression(op->getOperand(0)).text;
    // bf16 is bits to GLSL, numbers come from and become f32.
    if (from.isBF16()) {
      bring("fromBf16", to);
      text = "fromBf16(" + text + ")";
    }
    if (to.isBF16()) {
      bring("toBf16", to);
      return {"toBf16(float(" + text + "))"};
    }
    return {typeName(to) + "(" + text + ")"};
  };
  // Minimum and maximum of integers and of booleans.
  auto logical = [&](StringRef onBool, Binding boolBinding, StringRef onInt,
                     Binding intBinding) {
    bool isBool = op->getResult(0).getType().isInteger(1);
    return binary(isBool ? onBool : onInt, isBool ? boolBinding : intBinding,
                  op);
  };
  return TypeSwitch<Operation *, GlslExpression>(op)
      .Case([&](arith::ConstantOp c) { return constant(c.getValue()); })
      .Case<arith::AddFOp, arith::AddIOp>(
          [&](auto) { return binary("+", Binding::Additive, op); })
      .Case<arith::SubFOp, arith::SubIOp>(
          [&](auto) { return binary("-", Binding::Additive, op); })
      .Case<arith::MulFOp, arith::MulIOp>(
          [&](auto) { return binary("*", Binding::Multiplicative, op); })
      .Case<arith::DivFOp, arith::DivSIOp, arith::DivUIOp>(
          [&](auto) { return binary("/", Binding::Multiplicative, op); })
      .Case<arith::RemUIOp>(
          [&](auto) { return binary("%", Binding::Multiplicative, op); })
      .Case<arith::RemSIOp>([&](auto) -> GlslExpression {
        // % is undefined where an operand is negative; positions are not.
        if (op->getResult(0).getType().isIndex())
          return binary("%", Binding::Multiplicative, op);
        return helper("remainder", op);
      })
      .Case<arith::FloorDivSIOp>([&](auto) {
        // Sizes are above 0, a model's own numbers need not be.
        bool isSize = op->getResult(0).getType().isIndex();
        return helper(isSize ? "floorDivBySize" : "floorDiv", op);
      })
      .Case<arith::CeilDivSIOp>([&](auto) { return helper("ceilDiv", op); })
      .Case<arith::RemFOp>([&](auto) { return helper("fmod", op); })
      .Case<arith::NegFOp>([&](auto) -> GlslExpression {
        return {"-" + operand(op->getOperand(0), Binding::Primary),
                Binding::Unary};
      })
      .Case<arith::AndIOp>([&](auto) {
        return logical("&&", Binding::LogicalAnd, "&", Binding::And);
      })
      .Case<arith::OrIOp>([&](auto) {
        return logical("||", Binding::LogicalOr, "|", Binding::Or);
      })
      .Case<arith::XOrIOp>([&](auto x) -> GlslExpression {
        if (matchPattern(x.getRhs(), m_One()) && x.getType().isInteger(1))
          return {"!" + operand(x.getLhs(), Binding::Primary), Binding::Unary};
        return logical("^^", Binding::LogicalXor, "^", Binding::Xor);
      })
      .Case<arith::ShLIOp>(
          [&](auto) { return binary("<<", Binding::Shift, op); })
      .Case<arith::ShRSIOp>(
          [&](auto) { return binary(">>", Binding::Shift, op); })
      .Case<arith::MinSIOp, arith::MinNumFOp>(
          [&](auto) { return call("min", op); })
      .Case<arith::MaxSIOp, arith::MaxNumFOp>(
          [&](auto) { return call("max", op); })
      .Case<arith::MaximumFOp>([&](auto) { return helper("maximum", op); })
      .Case<arith::MinimumFOp>([&](auto) { return helper("minimum", op); })
      .Case<arith::CmpIOp, arith::CmpFOp>([&](auto) { return compare(op); })
      .Case<arith::SelectOp>([&](arith::SelectOp s) -> GlslExpression {
        return {operand(s.getCondition(), Binding::LogicalOr) + " ? " +
                    operand(s.getTrueValue(), Binding::LogicalOr) + " : " +
                    operand(s.getFalseValue(), Binding::Conditional),
                Binding::Conditional};
      })
      .Case<arith::IndexCastOp, arith::SIToFPOp, arith::UIToFPOp,
            arith::FPToSIOp, arith::TruncIOp, arith::ExtSIOp, arith::ExtUIOp,
            arith::ExtFOp, arith::TruncFOp>(
          [&](auto) { return cast(op->getResult(0).getType()); })
      .Case([&](arith::BitcastOp) -> GlslExpression {
        Type from = op->getOperand(0).getType(),
             to = op->getResult(0).getType();
        if (from.isF32() && to.isInteger(32))
          return call("floatBitsToInt", op);
        if (from.isInteger(32) && to.isF32())
          return call("intBitsToFloat", op);
        return expression(op->getOperand(0)); // bf16 is its bits
      })
      .Case<math::ExpOp>([&](auto) { return call("exp", op); })
      .Case<math::Exp2Op>([&](auto) { return call("exp2", op); })
      .Case<math::SqrtOp>([&](auto) { return call("sqrt", op); })
      .Case<math::RsqrtOp>([&](auto) { return call("inversesqrt", op); })
      .Case<math::SinOp>([&](auto) { return helper("sine", op); })
      .Case<math::CosOp>([&](auto) { return helper("cosine", op); })
      .Case<math::PowFOp>([&](auto) { return helper("power", op); })
      .Case<math::AbsFOp, math::AbsIOp>([&](auto) { return call("abs", op); })
      .Case<math::FloorOp>([&](auto) { return call("floor", op); })
      .Case<math::CeilOp>([&](auto) { return call("ceil", op); })
      .Case<math::RoundEvenOp>([&](auto) { return call("roundEven", op); })
      .Case<math::TruncOp>([&](auto) { return call("trunc", op); })
      .Case<math::FmaOp>([&](auto) { return call("fma", op); })
      .Case([&](LLVM::FMulAddOp) -> GlslExpression { // fused or not
        return {operand(op->getOperand(0), Binding::Multiplicative) + " * " +
                    operand(op->getOperand(1), Binding::Unary) + " + " +
                    operand(op->getOperand(2), Binding::Multiplicative),
                Binding::Additive};
      })
      .Case<math::CopySignOp>([&](auto) { return helper("copySign", op); })
      .Case([&](memref::LoadOp load) {
        return element(load.getMemRef(), load.getIndices()[0]);
      })
      .Case([&](func::CallOp call) { return callFunction(call); })
      .Case([&](memref::AtomicRMWOp add) -> GlslExpression {
        assert(add.getKind() == arith::AtomicRMWKind::addi);
        return {"atomicAdd(" +
                element(add.getMemref(), add.getIndices()[0]).text + ", " +
                expression(add.getValue()).text + ")"};
      })
      .Case([&](gpu::AllReduceOp) { return allReduce(op); })
      .Case([&](gpu::ThreadIdOp) -> GlslExpression {
        return {"int(gl_LocalInvocationID.x)"};
      })
      .Case([&](gpu::BlockIdOp) -> GlslExpression {
        return {"int(gl_WorkGroupID.x)"};
      })
      .Case([&](gpu::BlockDimOp) -> GlslExpression {
        return {"int(gl_WorkGroupSize.x)"};
      })
      .Case([&](gpu::GridDimOp) -> GlslExpression {
        return {"int(gl_NumWorkGroups.x)"};
      })
      .Default([&](Operation *op) -> GlslExpression {
        op->emitError() << "`" << op->getName() << "` has no form in GLSL";
        complete = false;
        return {"0"};
      });
}

} // namespace mapsto
