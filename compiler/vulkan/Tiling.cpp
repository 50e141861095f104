//===- Tiling.cpp - Sizes that a shader gets from the device --------------===//

#include "compiler/vulkan/Tiling.h"

using namespace mlir;

namespace mapsto {

Value addConstant(func::FuncOp function, StringRef name) {
  Builder b(function.getContext());
  SmallVector<Attribute> names;
  if (auto known = function->getAttrOfType<ArrayAttr>(kConstantsAttr))
    llvm::append_range(names, known);
  names.push_back(b.getStringAttr(name));
  function->setAttr(kConstantsAttr, b.getArrayAttr(names));
  return function.front().addArgument(b.getIndexType(), function.getLoc());
}

Value addIfMatrices(func::FuncOp function) {
  Builder b(function.getContext());
  return function.front().addArgument(b.getI1Type(), function.getLoc());
}

Value ifMatrices(func::FuncOp function) {
  for (Value argument : function.getArguments())
    if (argument.getType().isInteger(1))
      return argument;
  return nullptr;
}

SmallVector<Constant> constantsOf(func::FuncOp function) {
  SmallVector<Constant> constants;
  auto names = function->getAttrOfType<ArrayAttr>(kConstantsAttr);
  if (!names)
    return constants;
  // Views of scratch may stand among them.
  for (Value argument : llvm::reverse(function.getArguments()))
    if (argument.getType().isIndex() && constants.size() < names.size()) {
      Attribute name = names[names.size() - 1 - constants.size()];
      constants.push_back({cast<StringAttr>(name).getValue(), argument});
    }
  std::reverse(constants.begin(), constants.end());
  return constants;
}

// [invocations, bytes, "items", "when", constants..., matrix]
void setTilings(func::FuncOp function, ArrayRef<Tiling> tilings,
                StringRef attribute) {
  Builder b(function.getContext());
  SmallVector<Attribute> all;
  for (const Tiling &t : tilings) {
    SmallVector<Attribute> fields{b.getI64IntegerAttr(t.workgroupSize),
                                  b.getI64IntegerAttr(t.sharedBytes),
                                  b.getStringAttr(t.items.str()),
                                  b.getStringAttr(t.when ? t.when->str() : ""),
                                  b.getDenseI64ArrayAttr(t.constants),
                                  b.getI64IntegerAttr(t.matrix)};
    all.push_back(b.getArrayAttr(fields));
  }
  function->setAttr(attribute, b.getArrayAttr(all));
}

SmallVector<Tiling> tilingsOf(func::FuncOp function, StringRef attribute) {
  SmallVector<Tiling> tilings;
  auto all = function->getAttrOfType<ArrayAttr>(attribute);
  if (!all)
    return tilings;
  for (auto fields : all.getAsRange<ArrayAttr>()) {
    auto number = [&](unsigned i) {
      return uint32_t(cast<IntegerAttr>(fields[i]).getInt());
    };
    auto text = [&](unsigned i) {
      return cast<StringAttr>(fields[i]).getValue();
    };
    Tiling t{number(0),    number(1), *Dim::parse(text(2)),
             std::nullopt, {},        number(5)};
    if (!text(3).empty())
      t.when = *Dim::parse(text(3));
    llvm::append_range(t.constants,
                       cast<DenseI64ArrayAttr>(fields[4]).asArrayRef());
    tilings.push_back(t);
  }
  return tilings;
}

Value named(Value value, StringRef name) {
  if (Operation *op = value.getDefiningOp())
    op->setAttr(kHintAttr, StringAttr::get(value.getContext(), name));
  else if (auto loop =
               dyn_cast<scf::ForOp>(value.getParentBlock()->getParentOp()))
    loop->setAttr(kHintAttr, StringAttr::get(value.getContext(), name));
  return value;
}

} // namespace mapsto
