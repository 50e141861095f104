#include "runtime/expr.h"

namespace mapsto::runtime {

static ExprError apply(Opcode opcode, int64_t a, int64_t b, int64_t &result) {
  switch (opcode) {
  case Opcode::Add:
    return __builtin_add_overflow(a, b, &result) ? ExprError::Overflow
                                                 : ExprError::None;
  case Opcode::Sub:
    return __builtin_sub_overflow(a, b, &result) ? ExprError::Overflow
                                                 : ExprError::None;
  case Opcode::Mul:
    return __builtin_mul_overflow(a, b, &result) ? ExprError::Overflow
                                                 : ExprError::None;
  case Opcode::Min:
    result = a < b ? a : b;
    return ExprError::None;
  case Opcode::Max:
    result = a > b ? a : b;
    return ExprError::None;
  default:
    break;
  }
  if (b == 0)
    return ExprError::DivisionByZero;
  if (b == -1) { // INT64_MIN / -1 does not fit
    if (opcode == Opcode::Mod) {
      result = 0;
      return ExprError::None;
    }
    return __builtin_sub_overflow(int64_t(0), a, &result) ? ExprError::Overflow
                                                          : ExprError::None;
  }
  int64_t quotient = a / b, remainder = a % b;
  bool opposite = remainder != 0 && (remainder < 0) != (b < 0);
  if (opcode == Opcode::FloorDiv)
    result = quotient - opposite;
  else if (opcode == Opcode::CeilDiv)
    result = quotient + (remainder != 0 && !opposite);
  else
    result = opposite ? remainder + b : remainder;
  return ExprError::None;
}

ExprError evaluate(const Manifest &manifest, uint32_t id,
                   const int64_t *symbols, int64_t &value) {
  const ExprRecord &expr = manifest.exprs[id];
  int64_t stack[kMaxExprDepth];
  uint32_t depth = 0;
  for (uint32_t i = 0; i < expr.opCount; ++i) {
    const ExprOp &op = manifest.exprOps[expr.firstOp + i];
    Opcode opcode = Opcode(op.opcode);
    if (opcode == Opcode::Constant) {
      stack[depth++] = op.value;
    } else if (opcode == Opcode::Symbol) {
      stack[depth++] = symbols[op.value];
    } else {
      --depth;
      ExprError error =
          apply(opcode, stack[depth - 1], stack[depth], stack[depth - 1]);
      if (error != ExprError::None)
        return error;
    }
  }
  value = stack[0];
  return ExprError::None;
}

uint32_t soleSymbol(const Manifest &manifest, uint32_t id) {
  const ExprRecord &expr = manifest.exprs[id];
  const ExprOp &op = manifest.exprOps[expr.firstOp];
  bool sole = expr.opCount == 1 && Opcode(op.opcode) == Opcode::Symbol;
  return sole ? uint32_t(op.value) : kNone;
}

bool mentions(const Manifest &manifest, uint32_t id, uint32_t symbol) {
  const ExprRecord &expr = manifest.exprs[id];
  for (uint32_t i = 0; i < expr.opCount; ++i) {
    const ExprOp &op = manifest.exprOps[expr.firstOp + i];
    if (Opcode(op.opcode) == Opcode::Symbol && op.value == int64_t(symbol))
      return true;
  }
  return false;
}

} // namespace mapsto::runtime
