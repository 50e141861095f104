//===- LowerToShaders.cpp - Kernels to shaders in structured IR -----------===//
//
// Each kernel becomes a function that every invocation of its dispatch runs:
//
//   mapsto.kernel @softmax row : (x) -> y { ... }
//   ==>
//   func.func @softmax(%x: memref<?xf32>, %y: memref<?xf32>, %T: index,
//                      %scratch_size: index, %context: memref<3xi64>,
//                      %scratch: memref<?xf32>)
//       attributes {mapsto.grid = "B", ...}
//
// A workgroup's memory is arrays in the workgroup's address space or, where
// their size is not known or too large, its part of a buffer: the last
// arguments are that buffer, once for each type that it is seen as.
//
// Only what differs from the CPU's form is here: how the grid meets workgroups
// and invocations. Elements are those of the kernel emitter, whose lanes are
// the invocations of a workgroup.
//
//===----------------------------------------------------------------------===//

#include "compiler/KernelAttributes.h"
#include "compiler/Passes.h"
#include "compiler/kernel/KernelFunction.h"
#include "compiler/vulkan/AttentionShader.h"
#include "compiler/vulkan/BufferNames.h"
#include "compiler/vulkan/EmitCumulative.h"
#include "compiler/vulkan/EmitIndexed.h"
#include "compiler/vulkan/EmitMatmul.h"
#include "compiler/vulkan/EmitScan.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"

using namespace mlir;

namespace mapsto {

#define GEN_PASS_DEF_LOWERTOSHADERS
#include "compiler/Passes.h.inc"

namespace {

/// Every item is an invocation's own: no invocation waits for another.
bool hasItemPerInvocation(const Group &group) {
  switch (group.kind) {
  case KernelKind::map:
  case KernelKind::conv:
  case KernelKind::scatter:
  case KernelKind::update:
    return true;
  case KernelKind::cumulative:
    return hasLinePerInvocation(cast<CumulativeOp>(group.anchor));
  default:
    return false;
  }
}

/// What the invocations, or the workgroups, of a dispatch share out.
Dim itemsOf(const Group &group, const Machine &machine) {
  if (auto scan = dyn_cast_or_null<ScanOp>(group.anchor))
    return itemsOfScan(scan, machine);
  if (auto cumulative = dyn_cast_or_null<CumulativeOp>(group.anchor))
    return linesOf(cumulative);
  if (auto attention = dyn_cast_or_null<AttentionOp>(group.anchor))
    return AttentionTiles(attention).tilings().back().items;
  if (isIndexedShader(group))
    return itemsOfIndexed(group);
  if (hasItemPerInvocation(group))
    return numElements(dimsOf(group.root->getResult(0)));
  return gridOf(group, machine);
}

/// The invocations of a workgroup, where that is not the device's choice.
std::optional<int64_t> workgroupSizeOf(const Group &group,
                                       const Machine &machine) {
  if (auto scan = dyn_cast_or_null<ScanOp>(group.anchor))
    return workgroupOfScan(scan, machine);
  if (group.kind == KernelKind::cumulative && !hasItemPerInvocation(group))
    return kLineInvocations;
  return std::nullopt;
}

/// Walks the items, all invocations of the dispatch abreast.
void emitPerInvocation(KernelEmitter &e, const Group &group,
                       ArrayRef<Buffer> results) {
  Value root = group.root->getResult(0);
  Dims dims = dimsOf(root);
  if (isIndexedShader(group))
    return emitIndexed(e, group, results[0]);
  eachOfDispatch(e, itemsOf(group, e.machine), [&](Index item) {
    if (auto cumulative = dyn_cast_or_null<CumulativeOp>(group.anchor))
      return emitOwnLine(e, cumulative, results[0], item);
    Indices at = e.delinearize(item, dims);
    e.store(e.element(root, at), results[0], at);
  });
}

/// Walks the items, a workgroup on each.
void emitPerWorkgroup(KernelEmitter &e, const Group &group,
                      ArrayRef<Buffer> results) {
  Value first = gpu::BlockIdOp::create(e.b, gpu::Dimension::x);
  Value groups = gpu::GridDimOp::create(e.b, gpu::Dimension::x);
  e.loop(first, e.dim(itemsOf(group, e.machine)), groups, [&](Value item) {
    if (auto scan = dyn_cast_or_null<ScanOp>(group.anchor))
      return emitScanItem(e, scan, results, item);
    if (auto cumulative = dyn_cast_or_null<CumulativeOp>(group.anchor))
      return emitSharedLine(e, cumulative, results[0], item);
    auto next = arith::AddIOp::create(e.b, item, e.idx(1),
                                      arith::IntegerOverflowFlags::nsw);
    emitGroup(e, group, results, item, next);
  });
}

struct LowerToShaders : impl::LowerToShadersBase<LowerToShaders> {
  BufferNames bufferNames;

  void runOnOperation() override {
    bufferNames = bufferNamesOf(getOperation());
    for (auto kernel :
         llvm::make_early_inc_range(getOperation().getOps<KernelOp>())) {
      lower(kernel);
      kernel.erase();
    }
  }

  void lower(KernelOp kernel) {
    MLIRContext *context = &getContext();
    OpBuilder b(kernel);
    SmallVector<Type> arguments = operandTypes(kernel);
    arguments.push_back(b.getIndexType());
    arguments.push_back(MemRefType::get({3}, b.getI64Type()));
    auto function =
        func::FuncOp::create(b, kernel.getLoc(), kernel.getSymName(),
                             FunctionType::get(context, arguments, {}));
    Block *entry = function.addEntryBlock();

    Machine machine;
    machine.lanesAreInvocations = true;
    KernelEmitter e(kernel.getLoc(), entry, machine);
    Block::args_iterator argument = entry->args_begin();
    SmallVector<Buffer> results = bindOperands(e, kernel, argument);
    e.scratchSize = *argument++;
    e.context = *argument++;

    Group group = groupOfKernel(kernel);
    auto attention = dyn_cast_or_null<AttentionOp>(group.anchor);
    bool perInvocation = hasItemPerInvocation(group);
    if (attention)
      emitAttentionShader(e, function, attention, results);
    else if (group.kind == KernelKind::matmul)
      emitMatmulShader(e, function, group, results);
    else if (perInvocation)
      emitPerInvocation(e, group, results);
    else
      emitPerWorkgroup(e, group, results);
    func::ReturnOp::create(e.b);
    // The views of scratch that it needs have become arguments.
    function.setType(FunctionType::get(context, entry->getArgumentTypes(), {}));

    describe(function, kernel, group, e);
    function->setAttr(kGridAttr,
                      b.getStringAttr(itemsOf(group, machine).str()));
    function->setAttr(
        kDispatchAttr,
        b.getStringAttr(perInvocation ? "invocations" : "workgroups"));
    if (std::optional<int64_t> size = workgroupSizeOf(group, machine))
      function->setAttr(kWorkgroupSizeAttr, b.getI64IntegerAttr(*size));
    if (auto operand = startsFrom(group))
      function->setAttr(kStartsFromAttr, b.getI64IntegerAttr(*operand));
    FunctionType type = kernel.getFunctionType();
    SmallVector<StringRef> names(bufferNames[kernel.getSymName()].begin(),
                                 bufferNames[kernel.getSymName()].end());
    names.resize(type.getNumInputs() + type.getNumResults(), "buffer");
    function->setAttr(kBufferNamesAttr, b.getStrArrayAttr(names));
  }
};

} // namespace

} // namespace mapsto
