//===- GlslNames.cpp - What the variables of a shader are called ----------===//

#include "compiler/vulkan/GlslFunctions.h"
#include "compiler/vulkan/GlslPrinter.h"

#include "compiler/KernelAttributes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace mapsto {

/// What GLSL takes as a name: letters, digits and single underscores.
static std::string identifier(StringRef hint) {
  std::string name;
  for (char c : hint) {
    char next = llvm::isAlnum(c) ? c : '_';
    if (next != '_' || (!name.empty() && name.back() != '_'))
      name += next;
  }
  if (name.empty() || llvm::isDigit(name[0]))
    name = "x" + name;
  return name;
}

std::string GlslPrinter::freshName(StringRef hint) {
  std::string base = identifier(hint), name = base;
  if (base.back() == '_')
    base.pop_back();
  for (unsigned n = 2; isReservedInGlsl(name) || !taken.insert(name).second;
       ++n)
    name = base + "_" + std::to_string(n);
  return name;
}

void GlslPrinter::name(Value value, StringRef text) {
  taken.insert(text);
  names[value] = globals[value] = text.str();
}

std::string GlslPrinter::declare(Value value, StringRef hint) {
  std::string fresh = freshName(hint);
  names[value] = fresh;
  bool rounds = precise && isa<FloatType>(value.getType());
  return (rounds ? "precise " : "") + typeName(value.getType()) + " " + fresh;
}

/// What a loop carries: what its steps combine.
static StringRef carriedHint(scf::ForOp loop, unsigned result) {
  Operation *last =
      loop.getBody()->getTerminator()->getOperand(result).getDefiningOp();
  if (!last)
    return "last";
  return TypeSwitch<Operation *, StringRef>(last)
      .Case<arith::AddFOp, arith::AddIOp, math::FmaOp>(
          [](auto) { return "sum"; })
      .Case<arith::MulFOp, arith::MulIOp>([](auto) { return "product"; })
      .Case<arith::MaximumFOp, arith::MaxNumFOp, arith::MaxSIOp>(
          [](auto) { return "largest"; })
      .Case<arith::MinimumFOp, arith::MinNumFOp, arith::MinSIOp>(
          [](auto) { return "smallest"; })
      .Case([](arith::SelectOp select) -> StringRef {
        auto compare = select.getCondition().getDefiningOp<arith::CmpFOp>();
        if (!compare)
          return "last";
        using P = arith::CmpFPredicate;
        P p = compare.getPredicate();
        bool greater = p == P::OGT || p == P::UGT || p == P::OGE;
        bool less = p == P::OLT || p == P::ULT || p == P::OLE;
        return greater ? "largest" : less ? "smallest" : "last";
      })
      .Default([](Operation *) { return "carried"; });
}

/// What a value is, in a word.
std::string GlslPrinter::nameHint(Value value) {
  Operation *op = value.getDefiningOp();
  if (!op)
    return "v";
  if (auto hint = op->getAttrOfType<StringAttr>(kHintAttr))
    return hint.getValue().str();
  return TypeSwitch<Operation *, std::string>(op)
      .Case([&](memref::LoadOp load) {
        return names.lookup(load.getMemRef()) + "_i";
      })
      .Case([&](scf::ForOp loop) {
        unsigned result = cast<OpResult>(value).getResultNumber();
        return carriedHint(loop, result).str();
      })
      .Case([](gpu::ThreadIdOp) { return "invocation"; })
      .Case([](gpu::BlockDimOp) { return "invocations"; })
      .Case([](gpu::BlockIdOp) { return "group"; })
      .Case([](gpu::GridDimOp) { return "groups"; })
      .Case([](gpu::AllReduceOp reduce) {
        switch (*reduce.getOp()) {
        case gpu::AllReduceOperation::ADD:
          return "total";
        case gpu::AllReduceOperation::MUL:
          return "product";
        case gpu::AllReduceOperation::OR:
          return "any_holds";
        case gpu::AllReduceOperation::AND:
          return "all_hold";
        case gpu::AllReduceOperation::MINSI:
        case gpu::AllReduceOperation::MINIMUMF:
          return "smallest";
        default:
          return "largest";
        }
      })
      .Case([](func::CallOp call) {
        return llvm::StringSwitch<std::string>(call.getCallee())
            .StartsWith("exponential", "e")
            .StartsWith("logarithm", "l")
            .Case("errorFunction", "erf")
            .Case("hyperbolicTangent", "t")
            .Default("v");
      })
      .Case<math::ExpOp, math::Exp2Op>([](auto) { return "e"; })
      .Case<math::SqrtOp>([](auto) { return "root"; })
      .Default([&](Operation *op) -> std::string {
        if (isa<IndexType>(value.getType()))
          return isa<arith::RemSIOp, arith::RemUIOp>(op) ? "rest" : "at";
        if (value.getType().isInteger(1))
          return "holds";
        if (isa<arith::SubFOp, arith::SubIOp>(op))
          return "difference";
        if (isa<arith::DivFOp>(op))
          return "quotient";
        return "v";
      });
}

} // namespace mapsto
