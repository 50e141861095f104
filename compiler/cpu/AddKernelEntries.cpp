//===- AddKernelEntries.cpp - What the runtime calls ----------------------===//
//
// A kernel in the LLVM dialect takes each buffer as a memref descriptor's five
// fields. The runtime knows one signature (runtime/mapsto.h):
//
//   void mapsto_kernel_NAME(void *const *buffers, const int64_t *dims,
//                           void *scratch, int64_t begin, int64_t end,
//                           mapsto_kernel_context *context)
//
// The entry unpacks it; the kernel, internal, is inlined into it.
//
//===----------------------------------------------------------------------===//

#include "compiler/KernelAttributes.h"
#include "compiler/Passes.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "runtime/mapsto.h"

using namespace mlir;

namespace mapsto {

#define GEN_PASS_DEF_ADDKERNELENTRIES
#include "compiler/Passes.h.inc"

namespace {

/// Where a context says what its launch's threads share (runtime/mapsto.h).
constexpr int64_t kSharedField =
    offsetof(mapsto_kernel_context, shared) / sizeof(int64_t);

struct AddKernelEntries : impl::AddKernelEntriesBase<AddKernelEntries> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto symbols = module->getAttrOfType<ArrayAttr>(kSymbolsAttr);
    symbolCount = symbols ? symbols.size() : 0;
    for (auto kernel :
         llvm::make_early_inc_range(module.getOps<LLVM::LLVMFuncOp>()))
      if (kernel->hasAttr(kKernelKindAttr))
        addEntry(kernel);
  }

private:
  size_t symbolCount = 0;

  void addEntry(LLVM::LLVMFuncOp kernel) {
    ImplicitLocOpBuilder b(kernel.getLoc(), &getContext());
    b.setInsertionPointAfter(kernel);
    Type pointer = LLVM::LLVMPointerType::get(&getContext());
    Type i64 = b.getI64Type();
    auto type = LLVM::LLVMFunctionType::get(
        LLVM::LLVMVoidType::get(&getContext()),
        {pointer, pointer, pointer, i64, i64, pointer});
    auto entry = LLVM::LLVMFuncOp::create(
        b, ("mapsto_kernel_" + kernel.getSymName()).str(), type);
    Block *body = entry.addEntryBlock(b);
    b.setInsertionPointToStart(body);

    Value zero = LLVM::ConstantOp::create(b, i64, 0);
    Value one = LLVM::ConstantOp::create(b, i64, 1);
    SmallVector<Value> arguments;
    auto addBuffer = [&](Value address) {
      // Allocated, aligned, offset, size (not read), stride.
      arguments.append({address, address, zero, zero, one});
    };
    auto loadAt = [&](Value array, int64_t i, Type element) -> Value {
      Value at = LLVM::GEPOp::create(b, pointer, element, array,
                                     ArrayRef<LLVM::GEPArg>{int32_t(i)});
      return LLVM::LoadOp::create(b, element, at);
    };
    int64_t buffers = kernel->getAttrOfType<IntegerAttr>(kBuffersAttr).getInt();
    for (int64_t i = 0; i < buffers; ++i)
      addBuffer(loadAt(body->getArgument(0), i, pointer));
    for (size_t i = 0; i < symbolCount; ++i)
      arguments.push_back(loadAt(body->getArgument(1), i, i64));
    addBuffer(body->getArgument(2));
    arguments.append({body->getArgument(3), body->getArgument(4)});
    Value context = body->getArgument(5);
    addBuffer(context);
    addBuffer(loadAt(context, kSharedField, pointer));
    LLVM::CallOp::create(b, kernel, arguments);
    LLVM::ReturnOp::create(b, ValueRange());
  }
};

} // namespace

} // namespace mapsto
