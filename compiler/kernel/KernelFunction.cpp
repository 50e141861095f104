//===- KernelFunction.cpp - A kernel as a function of buffers -------------===//

#include "compiler/kernel/KernelFunction.h"

#include "compiler/KernelAttributes.h"

using namespace mlir;

namespace mapsto {

static ArrayAttr symbolsOf(KernelOp kernel) {
  auto symbols = kernel->getParentOfType<ModuleOp>()->getAttrOfType<ArrayAttr>(
      kSymbolsAttr);
  return symbols ? symbols : ArrayAttr::get(kernel.getContext(), {});
}

SmallVector<Type> operandTypes(KernelOp kernel) {
  FunctionType type = kernel.getFunctionType();
  SmallVector<Type> types;
  for (Type t : llvm::concat<const Type>(type.getInputs(), type.getResults()))
    types.push_back(bufferType(t));
  types.append(symbolsOf(kernel).size(), IndexType::get(kernel.getContext()));
  return types;
}

SmallVector<Buffer> bindOperands(KernelEmitter &e, KernelOp kernel,
                                 Block::args_iterator &argument) {
  Block &body = kernel.getBody().front();
  for (BlockArgument input : body.getArguments())
    e.buffers[input] = {*argument++, Value(), dimsOf(input),
                        elementTypeOf(input)};
  SmallVector<Buffer> results;
  for (Value output : body.getTerminator()->getOperands())
    results.push_back(
        {*argument++, Value(), dimsOf(output), elementTypeOf(output)});
  for (auto name : symbolsOf(kernel).getAsRange<StringAttr>())
    e.symbolValues[name.getValue().str()] = *argument++;
  return results;
}

void describe(func::FuncOp function, KernelOp kernel, const Group &group,
              const KernelEmitter &e) {
  Builder b(kernel.getContext());
  for (NamedAttribute attr : kernel->getDiscardableAttrs())
    function->setAttr(attr.getName(), attr.getValue());
  function->setAttr(kKernelKindAttr, kernel.getKindAttr());
  SmallVector<Attribute> fused, sites;
  for (Operation *op : group.ops)
    fused.push_back(b.getStringAttr(op->getName().stripDialect()));
  for (const std::string &site : e.sites)
    sites.push_back(b.getStringAttr(site));
  function->setAttr(kFusedAttr, b.getArrayAttr(fused));
  function->setAttr(kSitesAttr, b.getArrayAttr(sites));
  function->setAttr(kScratchAttr, b.getStringAttr(e.scratchBytes.str()));
  FunctionType type = kernel.getFunctionType();
  function->setAttr(kBuffersAttr, b.getI64IntegerAttr(type.getNumInputs() +
                                                      type.getNumResults()));
}

} // namespace mapsto
