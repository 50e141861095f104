//===- OutlineMath.cpp - Functions that GLSL is not precise enough at -----===//
//
// Vulkan asks little of a device's exp, log, tanh and their like (exp of 80 may
// be off by 160 units in the last place, log of 1.001 has four digits). Where
// that is not enough they become functions of the shader, by the formulas that
// the CPU has (MathFormulas.h):
//
//   %y = math.tanh %x : f32
//   ==>
//   %y = func.call @hyperbolicTangent(%x) : (f32) -> f32
//
// The device's own exp stays in a softmax, which only asks for numbers below 0
// next to a sum of at least 1. sin, cos and pow, whose formulas need f64 on the
// CPU, stay for the printer, which has them in whole numbers and pairs of f32,
// and every function of f64.
//
//===----------------------------------------------------------------------===//

#include "compiler/KernelAttributes.h"
#include "compiler/Passes.h"
#include "compiler/cpu/MathFormulas.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace mapsto {

#define GEN_PASS_DEF_OUTLINEMATH
#include "compiler/Passes.h.inc"

namespace {

struct Outlined {
  StringLiteral name;
  Float (*formula)(Float);
};

std::optional<Outlined> formulaOf(Operation *op) {
  return llvm::TypeSwitch<Operation *, std::optional<Outlined>>(op)
      .Case([](math::ExpOp) { return Outlined{"exponential", exponential}; })
      .Case([](math::Exp2Op) { return Outlined{"exponential2", exponential2}; })
      .Case([](math::ExpM1Op) {
        return Outlined{"exponentialMinus1", exponentialMinus1};
      })
      .Case([](math::LogOp) { return Outlined{"logarithm", logarithm}; })
      .Case([](math::Log1pOp) {
        return Outlined{"logarithmOf1Plus", logarithmOf1Plus};
      })
      .Case([](math::TanhOp) { return Outlined{"hyperbolicTangent", tanhOf}; })
      .Case([](math::ErfOp) { return Outlined{"errorFunction", erfOf}; })
      .Case([](math::AtanOp) { return Outlined{"arcTangent", arcTangent}; })
      .Default([](Operation *) { return std::nullopt; });
}

struct OutlineMath : impl::OutlineMathBase<OutlineMath> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    SmallVector<Operation *> found;
    module.walk([&](Operation *op) {
      if (op->getNumResults() == 1 && op->getResult(0).getType().isF32() &&
          formulaOf(op) && !op->hasAttr(kOfSoftmaxAttr))
        found.push_back(op);
    });
    for (Operation *op : found) {
      OpBuilder b(op);
      auto call = func::CallOp::create(b, op->getLoc(), functionFor(op),
                                       op->getOperands());
      op->replaceAllUsesWith(call);
      op->erase();
    }
  }

  func::FuncOp functionFor(Operation *op) {
    auto [name, formula] = *formulaOf(op);
    ModuleOp module = getOperation();
    if (auto known = module.lookupSymbol<func::FuncOp>(name))
      return known;
    Builder b(module.getLoc(), OpBuilder::atBlockBegin(module.getBody()));
    Type f32 = b.getF32Type();
    auto function = func::FuncOp::create(b, name, b.getFunctionType(f32, f32));
    function.setPrivate();
    b.setInsertionPointToStart(function.addEntryBlock());
    Value result = formula(Float{&b, function.getArgument(0)}).v;
    func::ReturnOp::create(b, result);
    return function;
  }
};

} // namespace

} // namespace mapsto
