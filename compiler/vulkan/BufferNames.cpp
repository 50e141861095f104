//===- BufferNames.cpp - What a shader's buffers are called ---------------===//

#include "compiler/vulkan/BufferNames.h"

#include "dialect/MapstoDialect.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;
using namespace mapsto;

/// What a tensor of the schedule is called: an input's or weight's name, or
/// that of the kernel that makes it.
static StringRef nameOf(Value tensor) {
  if (auto argument = dyn_cast<BlockArgument>(tensor)) {
    auto entry = dyn_cast<func::FuncOp>(argument.getOwner()->getParentOp());
    auto name = entry ? entry.getArgAttrOfType<StringAttr>(
                            argument.getArgNumber(), kNameAttr)
                      : StringAttr();
    return name ? name.getValue() : "carried";
  }
  Operation *op = tensor.getDefiningOp();
  if (auto weight = dyn_cast<WeightOp>(op))
    return weight.getName().rsplit('.').second.empty()
               ? weight.getName()
               : weight.getName().rsplit('.').second;
  if (auto launch = dyn_cast<LaunchOp>(op))
    return launch.getKernel();
  return op->getName().stripDialect();
}

BufferNames mapsto::bufferNamesOf(ModuleOp module) {
  BufferNames all;
  module.walk([&](LaunchOp launch) {
    auto [names, isNew] = all.try_emplace(launch.getKernel());
    if (!isNew)
      return;
    for (Value operand : launch->getOperands())
      names->second.push_back(nameOf(operand).str());
    for (OpResult result : launch->getResults()) {
      StringRef name = launch->getNumResults() == 1 ? "result" : "results";
      for (OpOperand &use : result.getUses())
        if (auto entry = dyn_cast<func::FuncOp>(use.getOwner()->getParentOp());
            entry && isa<func::ReturnOp>(use.getOwner()))
          if (auto known = entry.getResultAttrOfType<StringAttr>(
                  use.getOperandNumber(), kNameAttr))
            name = known.getValue();
      names->second.push_back(name.str());
    }
  });
  return all;
}
