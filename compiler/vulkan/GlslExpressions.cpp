//===- GlslExpressions.cpp - Ops as expressions of GLSL -------------------===//

#include "compiler/vulkan/GlslFunctions.h"
#include "compiler/vulkan/GlslPrinter.h"
#include "compiler/vulkan/Matrices.h"

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
  if (name.starts_with(kLoadEight))
    return eight(op);
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
  auto cast = [&](Type to, Type asUnsigned = {}) -> GlslExpression {
    Type from = op->getOperand(0).getType();
    std::string text = expression(op->getOperand(0)).text;
    // All integers are kept as signed ones; booleans widen by themselves.
    if (asUnsigned && !asUnsigned.isInteger(1))
      text = "u" + typeName(asUnsigned) + "(" + text + ")";
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
  // GLSL's own functions take integers of 8 and 16 bits only as wider ones.
  auto builtin = [&](StringRef name) -> GlslExpression {
    Type type = op->getResult(0).getType();
    if (!type.isInteger(8) && !type.isInteger(16))
      return call(name, op);
    std::string text;
    for (Value value : op->getOperands())
      text += (text.empty() ? "int(" : ", int(") + expression(value).text + ")";
    return {typeName(type) + "(" + name.str() + "(" + text + "))"};
  };
  if (std::optional<StringRef> name = functionOfDouble(op))
    return helper(*name, op);
  return TypeSwitch<Operation *, GlslExpression>(op)
      .Case([&](arith::ConstantOp c) { return constant(c.getValue()); })
      .Case<arith::AddFOp, arith::AddIOp>(
          [&](auto) { return binary("+", Binding::Additive, op); })
      .Case<arith::SubFOp, arith::SubIOp>(
          [&](auto) { return binary("-", Binding::Additive, op); })
      .Case<arith::MulFOp, arith::MulIOp>(
          [&](auto) { return binary("*", Binding::Multiplicative, op); })
      .Case([&](arith::DivFOp div) -> GlslExpression {
        APFloat by(0.0);
        if (!matchPattern(div.getRhs(), m_ConstantFloat(&by)) || !by.isZero())
          return binary("/", Binding::Multiplicative, op);
        // Drivers may give anything for x / 0; x * infinity they keep.
        auto infinity = FloatAttr::get(
            div.getType(), APFloat::getInf(by.getSemantics(), by.isNegative()));
        return {operand(div.getLhs(), Binding::Multiplicative) + " * " +
                    constant(infinity).text,
                Binding::Multiplicative};
      })
      .Case<arith::DivSIOp, arith::DivUIOp>(
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
          [&](auto) { return builtin("min"); })
      .Case<arith::MaxSIOp, arith::MaxNumFOp>(
          [&](auto) { return builtin("max"); })
      .Case<arith::MaximumFOp>([&](auto) { return helper("maximum", op); })
      .Case<arith::MinimumFOp>([&](auto) { return helper("minimum", op); })
      .Case<arith::CmpIOp, arith::CmpFOp>([&](auto) { return compare(op); })
      .Case<arith::SelectOp>([&](arith::SelectOp s) -> GlslExpression {
        return {operand(s.getCondition(), Binding::LogicalOr) + " ? " +
                    operand(s.getTrueValue(), Binding::LogicalOr) + " : " +
                    operand(s.getFalseValue(), Binding::Conditional),
                Binding::Conditional};
      })
      .Case<arith::IndexCastOp, arith::SIToFPOp, arith::FPToSIOp,
            arith::TruncIOp, arith::ExtSIOp, arith::ExtFOp, arith::TruncFOp>(
          [&](auto) { return cast(op->getResult(0).getType()); })
      .Case<arith::ExtUIOp, arith::UIToFPOp>([&](auto) {
        return cast(op->getResult(0).getType(), op->getOperand(0).getType());
      })
      .Case<arith::FPToUIOp>([&](auto) {
        Type to = op->getResult(0).getType();
        return cast(to, to);
      })
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
      .Case<math::RsqrtOp>([&](auto) -> GlslExpression {
        if (!op->getResult(0).getType().isF64())
          return call("inversesqrt", op);
        return {"1.0lf / " + call("sqrt", op).text, Binding::Multiplicative};
      })
      .Case<math::SinOp>([&](auto) { return helper("sine", op); })
      .Case<math::CosOp>([&](auto) { return helper("cosine", op); })
      .Case<math::PowFOp>([&](auto) { return helper("power", op); })
      .Case<math::AbsFOp, math::AbsIOp>([&](auto) { return builtin("abs"); })
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
      .Case<gpu::SubgroupIdOp, gpu::LaneIdOp, gpu::SubgroupReduceOp>(
          [&](auto) { return ofSubgroup(op); })
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
