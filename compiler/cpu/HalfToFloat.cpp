//===- HalfToFloat.cpp - f16 to f32 without an instruction for it ---------===//
//
// With its sign aside and its bits moved to where f32 has its exponent and
// mantissa, an f16 is 2^112 times too small, the difference of the exponents'
// biases; multiplied, subnormal ones become normal by themselves. Infinities
// and NaN keep an exponent of all ones.
//
//===----------------------------------------------------------------------===//

#include "compiler/cpu/ObjectCode.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/Module.h"

using namespace llvm;

static Value *widened(IRBuilder<> &b, Value *half, Type *type) {
  Type *bits = type->getWithNewType(b.getInt32Ty());
  auto number = [&](uint32_t value) { return ConstantInt::get(bits, value); };
  Value *raw =
      b.CreateBitCast(half, half->getType()->getWithNewType(b.getInt16Ty()));
  Value *wide = b.CreateZExt(raw, bits);
  Value *sign = b.CreateShl(b.CreateAnd(wide, number(0x8000)), number(16));
  Value *magnitude = b.CreateShl(b.CreateAnd(wide, number(0x7fff)), number(13));
  Value *finite = b.CreateBitCast(b.CreateFMul(b.CreateBitCast(magnitude, type),
                                               ConstantFP::get(type, 0x1p112)),
                                  bits);
  // Signed: SSE2 compares no other way, and the sign is aside.
  Value *special = b.CreateICmpSGE(magnitude, number(0x1fu << 23));
  Value *result = b.CreateSelect(
      special, b.CreateOr(magnitude, number(0xffu << 23)), finite);
  return b.CreateBitCast(b.CreateOr(result, sign), type);
}

void mapsto::widenHalf(Module &module, const Target &target) {
  if (!target.isX86() || is_contained(target.required, "f16c"))
    return;
  SmallVector<FPExtInst *> conversions;
  for (Function &function : module)
    for (Instruction &instruction : instructions(function))
      if (auto *extend = dyn_cast<FPExtInst>(&instruction))
        if (extend->getSrcTy()->getScalarType()->isHalfTy() &&
            extend->getDestTy()->getScalarType()->isFloatTy())
          conversions.push_back(extend);
  for (FPExtInst *extend : conversions) {
    IRBuilder<> builder(extend);
    extend->replaceAllUsesWith(
        widened(builder, extend->getOperand(0), extend->getType()));
    extend->eraseFromParent();
  }
}
