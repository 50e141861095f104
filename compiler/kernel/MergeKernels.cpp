//===- MergeKernels.cpp - Equal kernels are compiled once -----------------===//
//
// A deep model has the same kernels layer after layer. Here, where a kernel is
// loops over its buffers and knows no weight by name, those that are equal but
// for their name become one:
//
//   func.func @layer_0(...) { BODY }        func.func @layer_0(...) { BODY }
//   func.func @layer_1(...) { BODY }   ->
//                                      module {mapsto.merged = {layer_1 =
//                                      "layer_0"}}
//
// The manifest keeps both: each launch has its own source, costs and grid.
//
//===----------------------------------------------------------------------===//

#include "compiler/KernelAttributes.h"
#include "compiler/Passes.h"
#include "mlir/IR/OperationSupport.h"

using namespace mlir;

namespace mapsto {

#define GEN_PASS_DEF_MERGEKERNELS
#include "compiler/Passes.h.inc"

namespace {

/// Equal kernels have equal hashes.
llvm::hash_code hashOf(func::FuncOp kernel) {
  llvm::hash_code hash = mlir::hash_value(kernel.getFunctionType());
  kernel.walk([&](Operation *op) {
    if (op != kernel)
      hash = llvm::hash_combine(hash, op->getName().getAsOpaquePointer(),
                                op->getNumOperands(), op->getNumRegions());
  });
  return hash;
}

bool areEqual(func::FuncOp a, func::FuncOp b) {
  return a.getFunctionType() == b.getFunctionType() &&
         OperationEquivalence::isRegionEquivalentTo(
             &a.getBody(), &b.getBody(), OperationEquivalence::IgnoreLocations);
}

struct MergeKernels : impl::MergeKernelsBase<MergeKernels> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    Builder b(&getContext());
    SmallVector<NamedAttribute> merged;
    std::map<size_t, SmallVector<func::FuncOp>> seen;
    for (auto kernel :
         llvm::make_early_inc_range(module.getOps<func::FuncOp>())) {
      if (!kernel->hasAttr(kKernelKindAttr) || kernel.isExternal())
        continue;
      auto &alike = seen[hashOf(kernel)];
      auto *first = llvm::find_if(
          alike, [&](func::FuncOp other) { return areEqual(kernel, other); });
      if (first == alike.end()) {
        alike.push_back(kernel);
        continue;
      }
      merged.emplace_back(b.getStringAttr(kernel.getSymName()),
                          b.getStringAttr(first->getSymName()));
      kernel.erase();
    }
    if (!merged.empty())
      module->setAttr(kMergedAttr, b.getDictionaryAttr(merged));
  }
};

} // namespace
} // namespace mapsto
