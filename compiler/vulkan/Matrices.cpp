//===- Matrices.cpp - Matrices that a subgroup has together ---------------===//

#include "compiler/vulkan/Matrices.h"

#include "compiler/KernelAttributes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"

using namespace mlir;

namespace mapsto {

Value matrixArray(KernelEmitter &e, StringRef name, Value count, Value rows,
                  Value columns, Type element) {
  auto space =
      gpu::AddressSpaceAttr::get(e.b.getContext(), gpu::AddressSpace::Private);
  constexpr int64_t kAny = ShapedType::kDynamic;
  auto type = MemRefType::get({kAny, kAny, kAny}, element,
                              MemRefLayoutAttrInterface(), space);
  auto array =
      memref::AllocaOp::create(e.b, type, ValueRange{count, rows, columns});
  array->setAttr(kHintAttr, e.b.getStringAttr(name));
  return array;
}

void callMatrixFunction(KernelEmitter &e, StringRef name, ValueRange operands) {
  auto module =
      e.b.getInsertionBlock()->getParentOp()->getParentOfType<ModuleOp>();
  if (!module.lookupSymbol(name)) {
    OpBuilder::InsertionGuard guard(e.b);
    e.b.setInsertionPointToStart(module.getBody());
    func::FuncOp::create(e.b, name,
                         e.b.getFunctionType(operands.getTypes(), {}))
        .setPrivate();
  }
  func::CallOp::create(e.b, name, TypeRange(), operands);
}

} // namespace mapsto
