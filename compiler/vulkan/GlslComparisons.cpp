//===- GlslComparisons.cpp - Comparisons as expressions of GLSL -----------===//

#include "compiler/vulkan/GlslPrinter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using Binding = mapsto::GlslExpression::Binding;

namespace mapsto {

/// What is an `int` (an i32 or an index) and compared in 64 bits with a literal
/// that it could be, and the literal. It is compared as it is: Mesa 22.3 takes
/// `int64_t(0) > 0l` for true.
static std::optional<std::pair<Value, int64_t>> narrowed(arith::CmpIOp op) {
  Operation *widened = op.getLhs().getDefiningOp();
  if (!isa_and_nonnull<arith::ExtSIOp, arith::IndexCastOp>(widened) ||
      !widened->hasOneUse())
    return std::nullopt;
  Value narrow = widened->getOperand(0);
  llvm::APInt literal;
  if (!(narrow.getType().isInteger(32) || narrow.getType().isIndex()) ||
      !matchPattern(op.getRhs(), m_ConstantInt(&literal)) ||
      !literal.isSignedIntN(32))
    return std::nullopt;
  return std::pair(narrow, literal.getSExtValue());
}

GlslExpression GlslPrinter::compare(Operation *op) {
  auto narrow =
      isa<arith::CmpIOp>(op) ? narrowed(cast<arith::CmpIOp>(op)) : std::nullopt;
  auto ordered = [&](StringRef symbol) -> GlslExpression {
    Binding binding = symbol == "==" || symbol == "!=" ? Binding::Equality
                                                       : Binding::Relational;
    if (narrow)
      return {operand(narrow->first, Binding::Shift) + " " + symbol.str() +
                  " " + std::to_string(narrow->second),
              binding};
    return binary(symbol, binding, op);
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

} // namespace mapsto
