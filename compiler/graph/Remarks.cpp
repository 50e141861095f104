//===- Remarks.cpp - What raising tells people ----------------------------===//

#include "compiler/graph/Remarks.h"

#include "compiler/KernelAttributes.h"
#include "dialect/SourcePlace.h"

#include "mlir/IR/Builders.h"

using namespace mlir;

namespace mapsto {

std::string nameOf(Operation *op, StringRef otherwise) {
  std::string name = placeOf(op->getLoc());
  if (auto named = op->getLoc()->findInstanceOf<NameLoc>())
    name = named.getName().str() + (name.empty() ? "" : " at " + name);
  return name.empty() ? otherwise.str() : name;
}

void addRemarks(ModuleOp module, ArrayRef<std::string> lines) {
  if (lines.empty())
    return;
  Builder b(module.getContext());
  SmallVector<Attribute> all;
  if (auto known = module->getAttrOfType<ArrayAttr>(kRemarksAttr))
    llvm::append_range(all, known);
  for (const std::string &line : lines)
    all.push_back(b.getStringAttr(line));
  module->setAttr(kRemarksAttr, b.getArrayAttr(all));
}

} // namespace mapsto
